"""Slices of a volume along x, y and z, each turned the way it is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Spacing = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class Plane:
    """Where a slice lies: its axis (None for a 2D image), its number, and its spacing in mm (row, column, slice)."""

    axis: str | None
    number: int | None
    spacing: Spacing


def stack(volume: NDArray[Any], axis: str) -> NDArray[Any]:
    """Return a C-contiguous view or copy of `volume` (z, y, x, ...) whose first index counts the slices along `axis`.

    Axial: rows y, columns x; coronal: rows z, columns x; sagittal: rows z, columns y.
    """
    if axis == "z":
        return volume
    if axis == "y":
        return np.ascontiguousarray(volume.swapaxes(0, 1))
    if volume.ndim > 3 or volume.dtype.itemsize > 4:
        return np.ascontiguousarray(np.moveaxis(volume, 2, 0))
    import cv2

    if volume.dtype == np.uint32:  # which OpenCV 4 does not know
        return stack(volume.view(np.int32), axis).view(np.uint32)
    depth, height, width = volume.shape
    out = np.empty((width, depth, height), volume.dtype)
    for z in range(depth):
        out[:, z] = cv2.transpose(volume[z])
    return out


def plane_spacing(spacing: Sequence[float | None] | None, axis: str) -> Spacing:
    """Return (row, column, slice) spacing of a slice along `axis` from the volume's (z, y, x) spacing, mm."""
    if spacing is None:
        return (None, None, None)
    z, y, x = spacing
    return {"z": (y, x, z), "y": (z, x, y), "x": (z, y, x)}[axis]


def too_narrow(height: int, width: int) -> bool:
    """Tell whether the short edge is under half the long edge, in pixels (SA-Med2D-20M's rule for slices)."""
    return 2 * min(height, width) < max(height, width)


def square_size(height: int, width: int, spacing: Spacing) -> tuple[int, int]:
    """Return the (height, width) at which a slice has square pixels of its finer spacing; unchanged where unknown."""
    row, column, _ = spacing
    if row is None or column is None:
        return height, width
    finer = min(row, column)
    return max(1, round(height * row / finer)), max(1, round(width * column / finer))
