"""SA-Med2D's union masks: touching parts of two labels taken together, as `union_<a>_<b>`."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.masks.components import END_RUN, FIRST_RUN, Components, connected_components
from curate.masks.select import DroppedMask, Mask, select_masks
from curate.recipe.resolved import Label


def union_labels(labels: Sequence[Label]) -> dict[tuple[int, int], Label]:
    """Return the union of each pair of labels, numbered after the labels themselves.

    Labels that share values (an organ and its tumour inside) have no union: one already holds the other.
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
    """Return the union masks of a slice: components of two labels together that hold pixels of both.

    `planes` are the slice's label values (h, w) with their classes, one a layer. The size rule is that of `find_masks`.
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
        mixed = [one for one in found.table if _holds(a, found.runs, one) and _holds(b, found.runs, one)]
        if mixed:
            masks, small = select_masks(Components(np.stack(mixed), found.runs), a.shape, min_area)
            kept += masks
            dropped += small
    return kept, dropped


def _holds(mask: NDArray[np.bool_], runs: NDArray[np.int32], component: NDArray[np.int32]) -> bool:
    mine = runs[component[FIRST_RUN] : component[END_RUN]].tolist()
    return any(mask[y, start:end].any() for y, start, end in mine)
