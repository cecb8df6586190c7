"""Connected components of a label slice: 8-connected, all labels in one pass over runs.

A run is a stretch of pixels in one row with one label. Touching runs of neighbouring rows (corners included) are joined
with union-find. The same pass yields the area, the bounding box and the runs of each component, so no mask is drawn to
be measured.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

CLASS, AREA, X0, Y0, X1, Y1, FIRST_RUN, END_RUN = range(8)
"""Columns of Components.table."""


class Components(NamedTuple):
    """The components of one slice.

    `table` (n, 8) int32: class, area in pixels, half-open bounding box x0 y0 x1 y1, and the component's first and end
    index in `runs`; ordered by class, then by bounding box from top to bottom and left to right. `runs` (m, 3) int32:
    row, start and end column (half open), row by row within a component.
    """

    table: NDArray[np.int32]
    runs: NDArray[np.int32]


def connected_components(plane: NDArray[Any], classes: NDArray[np.int32], by_value: bool = False) -> Components:
    """Return the 8-connected components of a label slice.

    `plane` (h, w) holds unsigned label values, `classes[value]` the class of each (0 = background). Neighbours of the
    same class are connected; with `by_value`, only neighbours of the same value are, so touching instances stay
    separate.
    """
    capacity, count = 4096, -1
    while count < 0:
        runs = np.empty((capacity, 3), np.int32)
        keys, parent = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
        count = _scan_runs(plane, classes, by_value, runs, keys, parent)
        capacity *= 8
    runs = runs[:count]
    found, owner = _measure(plane, classes, runs, parent)
    order = np.lexsort((found[:, X1], found[:, Y1], found[:, X0], found[:, Y0], found[:, CLASS]))
    table, grouped = _group_runs(found, runs, owner, order)
    return Components(table, grouped)


@njit(cache=True, nogil=True)
def _scan_runs(
    plane: NDArray[Any],
    classes: NDArray[np.int32],
    by_value: bool,
    runs: NDArray[np.int32],
    keys: NDArray[np.int32],
    parent: NDArray[np.int32],
) -> int:
    """Fill `runs`, the key that connected runs share, and the union-find parents; return the number of runs.

    Returns -1 if the arrays are too small.
    """
    height, width = plane.shape
    count = 0
    above, above_end = 0, 0  # the previous row's runs
    for y in range(height):
        row_start = count
        x = 0
        candidate = above
        while x < width:
            value = plane[y, x]
            if value == 0:
                x += 1
                continue
            label = classes[value]
            if label == 0:
                x += 1
                continue
            start = x
            x += 1
            if by_value:
                label = np.int32(value)
                while x < width and plane[y, x] == value:
                    x += 1
            else:
                while x < width and classes[plane[y, x]] == label:
                    x += 1
            if count == len(keys):
                return -1
            runs[count, 0], runs[count, 1], runs[count, 2] = y, start, x
            keys[count] = label
            parent[count] = count
            while candidate < above_end and runs[candidate, 2] < start:
                candidate += 1
            other = candidate
            while other < above_end and runs[other, 1] <= x:
                if keys[other] == label:
                    a, b = _root(parent, other), _root(parent, count)
                    parent[max(a, b)] = min(a, b)
                other += 1
            count += 1
        above, above_end = row_start, count
    return count


@njit(cache=True, nogil=True)
def _measure(
    plane: NDArray[Any], classes: NDArray[np.int32], runs: NDArray[np.int32], parent: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the components in order of their first run, and the component of each run.

    The column END_RUN holds the number of runs until `_group_runs` turns it into an index.
    """
    owner = np.empty(len(runs), np.int32)
    found = np.zeros((len(runs), 8), np.int32)
    components = 0
    for run in range(len(runs)):
        y, start, end = runs[run, 0], runs[run, 1], runs[run, 2]
        root = _root(parent, run)
        if root == run:
            component = components
            found[component, CLASS] = classes[plane[y, start]]
            found[component, X0], found[component, Y0], found[component, X1] = start, y, end
            components += 1
        else:
            component = owner[root]
        owner[run] = component
        found[component, AREA] += end - start
        found[component, X0] = min(found[component, X0], start)
        found[component, X1] = max(found[component, X1], end)
        found[component, Y1] = y + 1
        found[component, END_RUN] += 1
    return found[:components], owner


@njit(cache=True, nogil=True)
def _group_runs(
    found: NDArray[np.int32], runs: NDArray[np.int32], owner: NDArray[np.int32], order: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Sort the components by `order`, and the runs by component."""
    table = np.empty_like(found)
    grouped = np.empty_like(runs)
    place = np.empty(len(found), np.int32)
    first = 0
    for rank in range(len(order)):
        component = order[rank]
        table[rank] = found[component]
        table[rank, FIRST_RUN] = first
        place[component] = first
        first += found[component, END_RUN]
        table[rank, END_RUN] = first
    for run in range(len(runs)):
        component = owner[run]
        grouped[place[component]] = runs[run]
        place[component] += 1
    return table, grouped


@njit(cache=True, nogil=True)
def _root(parent: NDArray[np.int32], run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@njit(cache=True, nogil=True)
def parts_at(runs: NDArray[np.int32], rows: NDArray[np.int64], columns: NDArray[np.int64], height: int) -> int:
    """Count the 8-connected parts of a component after a nearest-neighbour resize; 0 if it disappears.

    `runs` (m, 3) are those of one component, row by row, in a slice of `height` rows. `rows[t]` is the source row
    sampled by target row t (ascending); `columns[c]`, of length width + 1, is the number of target columns that sample
    a source column before c.
    """
    capacity = len(runs) * (len(rows) // height + 1)
    starts = np.empty(capacity, np.int64)
    ends = np.empty(capacity, np.int64)
    parent = np.empty(capacity, np.int32)
    count, parts, run = 0, 0, 0
    above, above_end = 0, 0
    last_row = runs[len(runs) - 1, 0]
    for target in range(np.searchsorted(rows, runs[0, 0]), len(rows)):
        if rows[target] > last_row:
            break
        while runs[run, 0] < rows[target]:
            run += 1
        row_start = count
        at = run
        while at < len(runs) and runs[at, 0] == rows[target]:
            start, end = columns[runs[at, 1]], columns[runs[at, 2]]
            at += 1
            if start == end:
                continue
            if count > row_start and ends[count - 1] == start:
                ends[count - 1] = end  # the gap between two runs was not sampled
                continue
            starts[count], ends[count], parent[count] = start, end, count
            count += 1
        parts += count - row_start
        other = above
        for here in range(row_start, count):
            while other < above_end and ends[other] < starts[here]:
                other += 1
            touching = other
            while touching < above_end and starts[touching] <= ends[here]:
                a, b = _root(parent, touching), _root(parent, here)
                if a != b:
                    parent[max(a, b)] = min(a, b)
                    parts -= 1
                touching += 1
        above, above_end = row_start, count
    return parts


@njit(cache=True, nogil=True)
def parts_of_each(
    table: NDArray[np.int32],
    runs: NDArray[np.int32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    height: int,
    selected: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Return `parts_at` of each selected component of `table`, 0 for the others."""
    parts = np.zeros(len(table), np.int64)
    for n in range(len(table)):
        if selected[n]:
            parts[n] = parts_at(runs[table[n, FIRST_RUN] : table[n, END_RUN]], rows, columns, height)
    return parts


@njit(cache=True, nogil=True)
def draw_bits(runs: NDArray[np.int32], canvas: NDArray[np.uint8]) -> None:
    """Set the pixels of a component in `canvas`: 8 pixels per byte, leftmost in the highest bit, as numpy.packbits."""
    for run in range(len(runs)):
        y, start, end = runs[run, 0], runs[run, 1], runs[run, 2]
        first, last = start >> 3, (end - 1) >> 3
        head, tail = np.uint8(0xFF >> (start & 7)), np.uint8((0xFF << (7 - ((end - 1) & 7))) & 0xFF)
        if first == last:
            canvas[y, first] |= head & tail
        else:
            canvas[y, first] |= head
            for byte in range(first + 1, last):
                canvas[y, byte] = 0xFF
            canvas[y, last] |= tail
