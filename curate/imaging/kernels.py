"""Loops over all voxels, compiled by numba, each in a single pass.

Compiled code is cached on disk, but importing numba takes about a second, so this module is imported only inside the
functions that use it and never by the command line.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def look_up(voxels: NDArray[Any], table: NDArray[np.uint8], offset: int, out: NDArray[np.uint8]) -> None:
    """Write `table[voxel - offset]` for each voxel of a flat integer array."""
    for n in range(voxels.size):
        out[n] = table[np.int64(voxels[n]) - offset]


@njit(cache=True, nogil=True)
def scale(
    voxels: NDArray[Any], slope: float, intercept: float, low: float, high: float, out: NDArray[np.uint8]
) -> bool:
    """Apply a window to a flat array in float64; return False as soon as a voxel is NaN or infinite."""
    for n in range(voxels.size):
        value = np.float64(voxels[n])
        if not np.isfinite(value):
            return False
        scaled = (value * slope + intercept - low) / (high - low) * 255.0
        out[n] = np.uint8(np.floor(min(max(scaled, 0.0), 255.0) + 0.5))
    return True


@njit(cache=True, nogil=True)
def histogram(voxels: NDArray[Any], offset: int, bins: int) -> NDArray[np.int64]:
    """Count the values of a flat integer array; two tables keep equal neighbours from waiting for each other."""
    even = np.zeros(bins, np.int64)
    odd = np.zeros(bins, np.int64)
    for n in range(0, voxels.size - 1, 2):
        even[np.int64(voxels[n]) - offset] += 1
        odd[np.int64(voxels[n + 1]) - offset] += 1
    if voxels.size % 2:
        even[np.int64(voxels[-1]) - offset] += 1
    return even + odd


@njit(cache=True, nogil=True)
def present_values(voxels: NDArray[Any], limit: int) -> NDArray[np.bool_]:
    """Return which of the values 0 .. limit-1 occur in a flat unsigned array; repeated values are skipped cheaply."""
    seen = np.zeros(limit, np.bool_)
    last = np.int64(-1)
    for n in range(voxels.size):
        value = np.int64(voxels[n])
        if value != last:
            seen[value] = True
            last = value
    return seen


@njit(cache=True, nogil=True)
def nearest(label: NDArray[Any], matrix: NDArray[np.float64], out: NDArray[Any]) -> int:
    """Fill `out[k, j, i]` with the voxel nearest to `matrix @ (i, j, k, 1)`, 0 outside; return the number inside."""
    depth, height, width = label.shape
    inside = 0
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            a0 = matrix[0, 1] * j + matrix[0, 2] * k + matrix[0, 3] + 0.5
            b0 = matrix[1, 1] * j + matrix[1, 2] * k + matrix[1, 3] + 0.5
            c0 = matrix[2, 1] * j + matrix[2, 2] * k + matrix[2, 3] + 0.5
            for i in range(out.shape[2]):
                a = np.floor(matrix[0, 0] * i + a0)
                b = np.floor(matrix[1, 0] * i + b0)
                c = np.floor(matrix[2, 0] * i + c0)
                if 0 <= a < width and 0 <= b < height and 0 <= c < depth:
                    out[k, j, i] = label[np.int64(c), np.int64(b), np.int64(a)]
                    inside += 1
                else:
                    out[k, j, i] = 0
    return inside
