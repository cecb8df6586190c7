"""Regrouping of a catalog's batches so that no case is split: what is counted a case at a time then adds up."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog.errors import CatalogError
from catalog.schema import SORT_COLUMNS


def whole_cases(path: Path, batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Yield tables of about `rows` rows from dictionary-encoded batches; a case is in one table only.

    Raises:
        CatalogError: The batches are not sorted by data set and case; `path` is named.
    """
    before: pa.RecordBatch | None = None
    waiting, count = list[pa.RecordBatch](), 0
    for batch in batches:
        starts = _case_starts(path, before, batch)
        before = batch[len(batch) - 1 :]
        if len(starts) and count + (cut := int(starts[-1])) >= rows:
            yield _table([*waiting, batch[:cut]])
            waiting, count, batch = [], 0, batch[cut:]
        waiting.append(batch)
        count += len(batch)
    if count:
        yield _table(waiting)


def _case_starts(path: Path, before: pa.RecordBatch | None, batch: pa.RecordBatch) -> NDArray[np.int64]:
    """Return the rows of a batch where a case begins; `before` is the one row above the batch."""
    codes = [batch[name].indices.to_numpy() for name in ("dataset", "case")]
    differs = (codes[0][1:] != codes[0][:-1]) | (codes[1][1:] != codes[1][:-1])
    starts = np.flatnonzero(np.concatenate([[len(batch) > 0], differs]))
    first = [batch[name].take(starts).dictionary_decode() for name in ("dataset", "case")]
    if before is not None:
        above = [before[name].dictionary_decode() for name in ("dataset", "case")]
        if above == [column[:1] for column in first]:
            starts = starts[1:]
        else:
            first = [pa.concat_arrays(pair) for pair in zip(above, first, strict=True)]
    dataset, case = first
    rises = pc.or_(
        pc.less(dataset[:-1], dataset[1:]),
        pc.and_(pc.equal(dataset[:-1], dataset[1:]), pc.less(case[:-1], case[1:])),
    )
    if (i := rises.index(False).as_py()) >= 0:
        raise CatalogError(
            f"{path} is not sorted by dataset and case: {dataset[i + 1]}, {case[i + 1]} comes after "
            f"{dataset[i]}, {case[i]}. Sort it by {', '.join(SORT_COLUMNS)} and write it again"
        )
    return starts


def _table(batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()
