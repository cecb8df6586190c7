"""Slices of a volume along x, y and z, oriented for viewing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Spacing = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class Plane:
    """The position of a slice: its axis (None for a 2D image), number, and spacing in mm (row, column, slice)."""

    axis: str | None
    number: int | None
    spacing: Spacing


def stack(volume: NDArray[Any], axis: str) -> NDArray[Any]:
    """Return a C-contiguous view or copy of `volume` (z, y, x, ...) whose first index is the slice along `axis`.

    Axial slices have rows y and columns x; coronal slices rows z and columns x; sagittal slices rows z and columns y.
    """
    if axis == "z":
        return volume
    if axis == "y":
        return np.ascontiguousarray(volume.swapaxes(0, 1))
    if volume.ndim > 3 or volume.dtype.itemsize > 4:
        return np.ascontiguousarray(np.moveaxis(volume, 2, 0))
    import cv2

    if volume.dtype == np.uint32:  # not supported by OpenCV 4
        return stack(volume.view(np.int32), axis).view(np.uint32)
    depth, height, width = volume.shape
    out = np.empty((width, depth, height), volume.dtype)
    for z in range(depth):
        out[:, z] = cv2.transpose(volume[z])
    return out


def plane_spacing(spacing: Sequence[float | None] | None, axis: str) -> Spacing:
    """Return the spacing (row, column, slice) of a slice along `axis`, given the volume's (z, y, x), all in mm."""
    if spacing is None:
        return (None, None, None)
    z, y, x = spacing
    return {"z": (y, x, z), "y": (z, x, y), "x": (z, y, x)}[axis]


def too_narrow(height: int, width: int) -> bool:
    """Return whether the short edge is less than half the long edge, in pixels (SA-Med2D-20M's rule for slices)."""
    return 2 * min(height, width) < max(height, width)


def square_size(height: int, width: int, spacing: Spacing) -> tuple[int, int]:
    """Return the (height, width) at which a slice has square pixels of its finer spacing; unchanged if unknown."""
    row, column, _ = spacing
    if row is None or column is None:
        return height, width
    finer = min(row, column)
    return max(1, round(height * row / finer)), max(1, round(width * column / finer))
