"""Polygons to masks by the pixel-centre rule: a pixel is inside where its centre is, by even-odd counting.

The half-open rule decides centres on an edge: those on a left or upper edge are inside, on a right or lower one not, so
that polygons which share an edge share no pixel.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def fill_even_odd(polygons: Iterable[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return where (height, width) an odd number of the polygons holds the pixel's centre.

    A polygon is (n, 2): column and row of each corner in pixels, the centre of the first pixel at (0, 0). It is closed
    by an edge from its last corner to its first. Holes are polygons inside others, or inside one polygon by an edge
    that is walked both ways. What is outside the picture is cut off.
    """
    height, width = shape
    inside = np.zeros(shape, np.bool_)
    rows, columns = [], []
    for polygon in polygons:
        found = _crossings(polygon, height)
        rows.append(found[0])
        columns.append(found[1])
    row = np.concatenate(rows) if rows else np.empty(0, np.int64)
    if not row.size:
        return inside
    column = np.clip(np.ceil(np.concatenate(columns)), 0, width).astype(np.int64)
    first, last = int(row.min()), int(row.max()) + 1
    toggles = np.zeros((last - first, width + 1), np.uint8)
    np.add.at(toggles, (row - first, column), 1)  # only parity counts, so that 256 may wrap to 0
    np.cumsum(toggles, axis=1, dtype=np.uint8, out=toggles)
    inside[first:last] = (toggles[:, :width] & 1).astype(np.bool_)
    return inside


def _crossings(polygon: NDArray[np.float64], height: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows whose centre line the edges of a polygon cross, and the columns where they do."""
    start, end = polygon, np.roll(polygon, -1, axis=0)
    upwards = (start[:, 1] > end[:, 1])[:, np.newaxis]
    top, bottom = np.where(upwards, end, start), np.where(upwards, start, end)  # either way gives the same numbers
    first = np.clip(np.ceil(top[:, 1]), 0, height).astype(np.int64)
    stop = np.clip(np.ceil(bottom[:, 1]), 0, height).astype(np.int64)
    counts = stop - first
    edge = np.repeat(np.arange(len(counts)), counts)
    row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    rise = bottom[edge, 1] - top[edge, 1]
    return row, top[edge, 0] + (row - top[edge, 1]) * (bottom[edge, 0] - top[edge, 0]) / rise
