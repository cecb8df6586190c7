"""Which rows of a catalog belong to one image, and counting what is distinct among them.

The functions work on tables that hold every row of the cases in them, as `Corpus.whole_cases` yields them: an
image then lies in one table, and what is counted there adds up.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Codes = NDArray[np.int64]

IMAGE_KEY = ("dataset", "case", "axis", "slice", "modality", "sequence")
"""The columns that tell an image from any other (they make up its name)."""


def codes(column: pa.ChunkedArray) -> tuple[Codes, pa.Array]:
    """Return a number for each row, and the distinct values.

    Row i holds `values[codes[i]]`; it is null where its number is `len(values)`.
    """
    array = column.combine_chunks()
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    values = array.dictionary
    indices = array.indices.fill_null(len(values)) if array.null_count else array.indices
    return indices.to_numpy().astype(np.int64), values


def distinct(key: Codes) -> Codes:
    """Return the distinct numbers, ascending; quick where equal ones stand together."""
    runs = key[_run_starts(key)]
    if _ascending(runs):
        return runs
    runs.sort()  # numpy's unique hashes, forty times slower on such keys
    return runs[_run_starts(runs)]


def numbered(key: Codes) -> Codes:
    """Return 0, 1, 2, ... for each row: equal rows get equal numbers, and there is no gap."""
    starts = _run_starts(key)
    runs = key[starts]
    numbers = np.arange(len(runs)) if _ascending(runs) else np.unique(runs, return_inverse=True)[1]
    return np.repeat(numbers, np.diff(starts, append=len(key)))


def packed(columns: list[tuple[Codes, int]]) -> Codes:
    """Return one number a row, equal where all columns are equal.

    Each column comes with the end that its numbers, counted from 0, stay below; an end is at most 2**31.
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
    """Return the distinct combinations of two string columns without nulls, as plain strings."""
    (first, firsts), (second, seconds) = (codes(table[name]) for name in columns)
    keys = distinct(first * len(seconds) + second)
    taken = firsts.take(pa.array(keys // len(seconds))), seconds.take(pa.array(keys % len(seconds)))
    return pa.table(dict(zip(columns, taken, strict=True)))


def _run_starts(key: Codes) -> Codes:
    return np.flatnonzero(np.concatenate([[len(key) > 0], key[1:] != key[:-1]]))


def _ascending(runs: Codes) -> bool:
    return bool(np.all(runs[1:] > runs[:-1]))
