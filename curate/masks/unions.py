"""Union masks, as in SA-Med2D-20M: touching components of two labels joined into one mask, `union_<a>_<b>`."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.masks.components import END_RUN, FIRST_RUN, Components, connected_components
from curate.masks.select import DroppedMask, Mask, select_masks
from curate.recipe.resolved import Label


def union_labels(labels: Sequence[Label]) -> dict[tuple[int, int], Label]:
    """Return the union label of each pair of labels, numbered after the labels themselves.

    Labels that share values (an organ and the tumour in it) have no union, since one contains the other.
    """
    pairs = [(a, b) for a, b in combinations(labels, 2) if set(a.values).isdisjoint(b.values)]
    return {
        (a.id, b.id): Label(f"union_{a.name}_{b.name}", number, (), a.anatomy)
        for number, (a, b) in enumerate(pairs, start=len(labels) + 1)
    }


def find_unions(
    planes: Sequence[tuple[NDArray[Any], NDArray[np.int32]]],
    pairs: dict[tuple[int, int], Label],
    min_area: float,
) -> tuple[list[Mask], list[DroppedMask]]:
    """Return the union masks of a slice: components of two merged labels that contain pixels of both.

    `planes` are the label values (h, w) of the slice and their classes, one pair per layer. The size rule is that of
    `find_masks`.
    """
    present: dict[int, NDArray[np.bool_]] = {}
    for plane, classes in planes:
        by_class = classes[plane]
        for label in np.unique(by_class).tolist():
            if label:
                mine = by_class == label
                present[label] = present[label] | mine if label in present else mine
    kept: list[Mask] = []
    dropped: list[DroppedMask] = []
    for first, second in combinations(sorted(present), 2):
        if (first, second) not in pairs:
            continue
        a, b = present[first], present[second]
        found = connected_components(
            (a | b).view(np.uint8), np.array([0, pairs[first, second].id], np.int32), by_value=False
        )
        mixed = [row for row in found.table if _contains(a, found.runs, row) and _contains(b, found.runs, row)]
        if mixed:
            masks, small = select_masks(Components(np.stack(mixed), found.runs), a.shape, min_area)
            kept += masks
            dropped += small
    return kept, dropped


def _contains(mask: NDArray[np.bool_], runs: NDArray[np.int32], component: NDArray[np.int32]) -> bool:
    """Return whether a component has a pixel of `mask`."""
    component_runs = runs[component[FIRST_RUN] : component[END_RUN]].tolist()
    return any(mask[y, start:end].any() for y, start, end in component_runs)
