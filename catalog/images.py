"""Grouping a catalog's rows by image, and counting distinct values.

The functions work on tables with all rows of each of their cases, as `Corpus.whole_cases` yields them: an image is then
in one table, and the counts of several tables add up.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Codes = NDArray[np.int64]

IMAGE_KEY = ("dataset", "case", "axis", "slice", "modality", "sequence")
"""The columns that identify an image (they make up its name)."""


def codes(column: pa.ChunkedArray) -> tuple[Codes, pa.Array]:
    """Return a number for each row, and the distinct values: row i has `values[codes[i]]`.

    The number of a null is `len(values)`.
    """
    array = column.combine_chunks()
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    values = array.dictionary
    indices = array.indices.fill_null(len(values)) if array.null_count else array.indices
    return indices.to_numpy().astype(np.int64), values


def distinct(key: Codes) -> Codes:
    """Return the distinct numbers, ascending; fast if equal ones are adjacent."""
    runs = key[_run_starts(key)]
    if _ascending(runs):
        return runs
    runs.sort()  # numpy.unique hashes, which is forty times slower on such keys
    return runs[_run_starts(runs)]


def numbered(key: Codes) -> Codes:
    """Return 0, 1, 2, ... for each row, without gaps: equal rows get equal numbers."""
    starts = _run_starts(key)
    runs = key[starts]
    numbers = np.arange(len(runs)) if _ascending(runs) else np.unique(runs, return_inverse=True)[1]
    return np.repeat(numbers, np.diff(starts, append=len(key)))


def packed(columns: list[tuple[Codes, int]]) -> Codes:
    """Return one number a row: equal numbers for rows that are equal in all columns.

    Each column comes with the upper bound (exclusive, at most 2**31) of its numbers, which start at 0.
    """
    key, size = columns[0]
    for column, end in columns[1:]:
        if size * end > np.iinfo(np.int64).max:
            key = numbered(key)
            size = int(key.max()) + 1
        key = key * end + column
        size *= end
    return key


def image_numbers(table: pa.Table) -> Codes:
    """Return 0, 1, 2, ... for each row: rows of one image get the same number."""
    coded = [codes(table[name]) for name in IMAGE_KEY]
    return numbered(packed([(column, len(values) + 1) for column, values in coded]))


def distinct_pairs(table: pa.Table, columns: tuple[str, str]) -> pa.Table:
    """Return the distinct pairs of values of two string columns without nulls, as plain strings."""
    (first, firsts), (second, seconds) = (codes(table[name]) for name in columns)
    keys = distinct(first * len(seconds) + second)
    taken = firsts.take(pa.array(keys // len(seconds))), seconds.take(pa.array(keys % len(seconds)))
    return pa.table(dict(zip(columns, taken, strict=True)))


def _run_starts(key: Codes) -> Codes:
    return np.flatnonzero(np.concatenate([[len(key) > 0], key[1:] != key[:-1]]))


def _ascending(runs: Codes) -> bool:
    return bool(np.all(runs[1:] > runs[:-1]))
