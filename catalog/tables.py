"""Writing of catalog.parquet and drops.parquet from the rows of cases, as a stream: one row group is in memory."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.atomic import replacing
from catalog.schema import CATALOG_SCHEMA, DROPS_SCHEMA, SORT_COLUMNS, UNIQUE_COLUMNS

CATALOG_FILE = "catalog.parquet"
DROPS_FILE = "drops.parquet"
ROW_GROUP = 1 << 19
"""Rows a row group: about 14 MB, at some 26 bytes a row on disk."""

BATCH_ROWS, BATCH_CASES = 1 << 15, 1 << 9
"""Cases are sorted and cast this many at a time."""


class TableWriter:
    """Writes tables to a Parquet file in large row groups."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def write(self, table: pa.Table) -> None:
        """Add rows; full row groups go to disk."""
        self._waiting.append(table)
        self._rows += table.num_rows
        if self._rows >= ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are still in memory."""
        if self._rows:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=ROW_GROUP)
        self._waiting, self._rows = [], 0


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[TableWriter]:
    """Open a Parquet file for writing, with page checksums; it appears when the block ends well.

    Raises:
        OutputError: The disk is full, or the folder is missing or not writable.
    """
    plain = {name: code for name, code in UNIQUE_COLUMNS.items() if name in schema.names}
    with (
        replacing(path) as partial,
        pq.ParquetWriter(
            partial,
            schema,
            compression="zstd",
            use_dictionary=[name for name in schema.names if name not in plain],
            column_encoding=plain or None,
            write_page_checksum=True,
        ) as writer,
    ):
        table = TableWriter(writer)
        yield table
        table.flush()


def write_catalog(root: Path, cases: Iterable[pa.Table]) -> None:
    """Write both tables of the corpus at `root`.

    Args:
        root: The corpus.
        cases: One table a case, all its sequences together, ordered by data set and case: the columns of
            CATALOG_SCHEMA, and `reason`, `value`, `threshold`, `detail`. Rows with a reason are drops.

    Raises:
        OutputError: The disk is full, or the folder is not writable.
    """
    with (
        table_writer(root / CATALOG_FILE, CATALOG_SCHEMA) as kept,
        table_writer(root / DROPS_FILE, DROPS_SCHEMA) as dropped,
    ):
        for table in _batches(cases):
            is_drop = pc.is_valid(table["reason"])
            rows = table.filter(pc.invert(is_drop)).select(CATALOG_SCHEMA.names)
            kept.write(_sorted(rows).cast(CATALOG_SCHEMA))
            dropped.write(table.filter(is_drop).select(DROPS_SCHEMA.names).cast(DROPS_SCHEMA))


def _batches(cases: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the tables of many small cases as one: a table costs as much time for one row as for hundreds."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in cases:
        waiting.append(table)
        rows += table.num_rows
        if rows >= BATCH_ROWS or len(waiting) == BATCH_CASES:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def _sorted(table: pa.Table) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in SORT_COLUMNS])
