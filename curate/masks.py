"""The masks of a slice: one a connected component, and the components that are dropped, with the reason."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.reasons import Reason
from curate.components import (
    AREA,
    CLASS,
    END_RUN,
    FIRST_RUN,
    X0,
    X1,
    Y0,
    Y1,
    Components,
    connected_components,
    parts_at,
)

SIDE = 256
"""The side, in pixels, at which SA-Med2D's size rule and SAM-Med2D's loader look at a mask."""


class Mask(NamedTuple):
    """One connected component of one label.

    `label` is the label's class number in the recipe, `instance` counts the label's kept components in the slice, top
    to bottom and left to right; `area` in pixels, `x0 y0 x1 y1` half open; `parts_at_256` the parts left by a nearest
    resize to 256 x 256; `runs` (m, 3) int32 rows of (row, start, end).
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
    """A component that is not kept; `instance` is its number among its label's components, kept or not."""

    label: int
    instance: int
    reason: Reason
    value: float
    threshold: float


@dataclass(frozen=True)
class Layer:
    """Label values of which none overlap, on the image's grid.

    `voxels` unsigned, 0 = background; `classes[value]` is the label's class number, 0 for values this layer leaves to
    others. `by_value`: each value is one instance, touching instances stay apart.
    """

    voxels: NDArray[Any]
    classes: NDArray[np.int32]
    by_value: bool = False


def find_masks(
    plane: NDArray[Any], classes: NDArray[np.int32], by_value: bool, min_area: float
) -> tuple[list[Mask], list[DroppedMask]]:
    """Return the masks of a label slice (h, w) and the components dropped from it.

    A component is dropped when its share of the slice is under `min_area` / 65536 (SA-Med2D-20M drops masks under
    100 pixels at 256 x 256, 0.153 %), when it covers every pixel, or when the nearest-neighbour resize to 256 x 256
    leaves nothing of it.
    """
    return select_masks(connected_components(plane, classes, by_value), plane.shape, min_area)


def select_masks(
    components: Components, shape: tuple[int, int], min_area: float
) -> tuple[list[Mask], list[DroppedMask]]:
    """Apply the rules of `find_masks` to components already found in a slice of `shape` (h, w)."""
    height, width = shape
    pixels = height * width
    threshold = min_area / SIDE**2 * pixels
    rows, columns = nearest_taps(height), _columns_before(width)
    upsampled = height <= SIDE and width <= SIDE
    kept: list[Mask] = []
    dropped: list[DroppedMask] = []
    label, number, instance = 0, 0, 0
    for entry in components.table.tolist():
        if entry[CLASS] != label:
            label, number, instance = entry[CLASS], 0, 0
        area = entry[AREA]
        if area < threshold:
            dropped.append(DroppedMask(label, number, Reason.SMALL, area, threshold))
        elif area == pixels:
            dropped.append(DroppedMask(label, number, Reason.WHOLE_SLICE, area, pixels))
        else:
            runs = components.runs[entry[FIRST_RUN] : entry[END_RUN]]
            parts = 1 if upsampled else parts_at(runs, rows, columns, height)
            if parts:
                kept.append(Mask(label, instance, area, entry[X0], entry[Y0], entry[X1], entry[Y1], parts, runs))
                instance += 1
            else:
                dropped.append(DroppedMask(label, number, Reason.VANISHES, 0, 1))
        number += 1
    return kept, dropped


@lru_cache(maxsize=64)
def nearest_taps(size: int, target: int = SIDE) -> NDArray[np.int64]:
    """Return the source index each of `target` samples takes in OpenCV's INTER_NEAREST: floor(t * size / target)."""
    scale = 1.0 / (target / size)
    return np.minimum(np.floor(np.arange(target) * scale), size - 1).astype(np.int64)


@lru_cache(maxsize=64)
def _columns_before(width: int) -> NDArray[np.int64]:
    return np.searchsorted(nearest_taps(width), np.arange(width + 1)).astype(np.int64)
