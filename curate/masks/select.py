"""Turn the connected components of a slice into masks; small and degenerate ones are dropped with a reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.masks.components import (
    AREA,
    CLASS,
    Components,
    connected_components,
    parts_of_each,
)

SIDE = 256
"""Side, in pixels, of the square to which the size rule of SA-Med2D-20M and SAM-Med2D's loader resize a mask."""


class Mask(NamedTuple):
    """One connected component of one label.

    `label` is the number of the label in the recipe; `instance` counts the kept components of the label in the slice,
    from top to bottom and left to right. `area` is in pixels, `x0 y0 x1 y1` is half open. `parts_at_256` is the number
    of parts after a nearest-neighbour resize to 256 x 256. `runs` (m, 3) int32 has rows of (row, start, end).
    """

    label: int
    instance: int
    area: int
    x0: int
    y0: int
    x1: int
    y1: int
    parts_at_256: int
    runs: NDArray[np.int32]


class DroppedMask(NamedTuple):
    """A component that was dropped; `instance` is its number among all components of its label."""

    label: int
    instance: int
    reason: Reason
    value: float
    threshold: float


@dataclass(frozen=True)
class Layer:
    """Labels that do not overlap, as one array on the image's grid.

    `voxels` is unsigned, 0 = background. `classes[value]` is the number of the label, 0 for values that belong to other
    layers. `by_value`: each value is an instance; touching instances stay separate.
    """

    voxels: NDArray[Any]
    classes: NDArray[np.int32]
    by_value: bool = False


def find_masks(
    plane: NDArray[Any], classes: NDArray[np.int32], by_value: bool, min_area: float
) -> tuple[list[Mask], list[DroppedMask]]:
    """Return the masks of a label slice (h, w), and the components that were dropped.

    A component is dropped if its share of the slice is below `min_area` / 65536 (SA-Med2D-20M drops masks below 100
    pixels at 256 x 256, which is 0.153 %), if it covers the whole slice, or if it disappears in a nearest-neighbour
    resize to 256 x 256.
    """
    return select_masks(connected_components(plane, classes, by_value), plane.shape, min_area)


def select_masks(
    components: Components, shape: tuple[int, int], min_area: float
) -> tuple[list[Mask], list[DroppedMask]]:
    """Apply the rules of `find_masks` to the components of a slice of `shape` (h, w)."""
    height, width = shape
    table = components.table
    threshold = min_area / SIDE**2 * height * width
    small = table[:, AREA] < threshold
    whole = table[:, AREA] == height * width
    if height <= SIDE and width <= SIDE:
        parts = np.ones(len(table), np.int64)
    else:
        parts = parts_of_each(table, components.runs, nearest_taps(height), _columns_before(width), height, ~small)
    chosen = np.flatnonzero(~small & ~whole & (parts > 0))
    labels = table[chosen, CLASS]
    instances = np.arange(len(chosen)) - np.searchsorted(labels, labels)
    kept = [
        Mask(label, instance, area, x0, y0, x1, y1, part, components.runs[first:end])
        for (label, area, x0, y0, x1, y1, first, end), instance, part in zip(
            table[chosen].tolist(), instances.tolist(), parts[chosen].tolist(), strict=True
        )
    ]
    if len(chosen) == len(table):
        return kept, []
    return kept, list(_dropped(table, small, whole, parts, threshold))


def _dropped(
    table: NDArray[np.int32],
    small: NDArray[np.bool_],
    whole: NDArray[np.bool_],
    parts: NDArray[np.int64],
    threshold: float,
) -> Iterator[DroppedMask]:
    numbers = np.arange(len(table)) - np.searchsorted(table[:, CLASS], table[:, CLASS])
    for n in np.flatnonzero(small | whole | (parts == 0)).tolist():
        label, area, number = int(table[n, CLASS]), int(table[n, AREA]), int(numbers[n])
        if small[n]:
            yield DroppedMask(label, number, Reason.SMALL, area, threshold)
        elif whole[n]:
            yield DroppedMask(label, number, Reason.WHOLE_SLICE, area, area)
        else:
            yield DroppedMask(label, number, Reason.VANISHES, 0, 1)


@lru_cache(maxsize=64)
def nearest_taps(size: int, target: int = SIDE) -> NDArray[np.int64]:
    """Return the source index of each of `target` samples in OpenCV's INTER_NEAREST: floor(t * size / target)."""
    scale = 1.0 / (target / size)
    return np.minimum(np.floor(np.arange(target) * scale), size - 1).astype(np.int64)


@lru_cache(maxsize=64)
def _columns_before(width: int) -> NDArray[np.int64]:
    return np.searchsorted(nearest_taps(width), np.arange(width + 1)).astype(np.int64)
