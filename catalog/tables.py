"""Fragments of cases become catalog.parquet and drops.parquet, streaming: no more than a row group stands in memory."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.schema import CATALOG_SCHEMA, DROPS_SCHEMA, SORT_COLUMNS

CATALOG_FILE = "catalog.parquet"
DROPS_FILE = "drops.parquet"
ROW_GROUP = 1 << 19
"""Rows a row group: with some 26 bytes a row on disk, about 14 MB."""

BATCH_ROWS, BATCH_CASES = 1 << 15, 1 << 9
"""Cases are sorted and cast this many at a time."""

_UNIQUE = {"mask": "DELTA_BYTE_ARRAY", "mask_hash": "PLAIN"}
"""Columns in which hardly a value occurs twice: a dictionary would only be in the way."""


class TableWriter:
    """Writes one Parquet file in large row groups; it appears, whole, when the `with` block ends well."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".part")
        self._schema = schema
        plain = {name: code for name, code in _UNIQUE.items() if name in schema.names}
        self._writer = pq.ParquetWriter(
            self._partial,
            schema,
            compression="zstd",
            use_dictionary=[name for name in schema.names if name not in plain],
            column_encoding=plain or None,
        )
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def write(self, table: pa.Table) -> None:
        """Add rows; they go to disk once enough are there."""
        self._waiting.append(table)
        self._rows += table.num_rows
        if self._rows >= ROW_GROUP:
            self._flush()

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._writer:
                if kind is None:
                    self._flush()
            if kind is None:
                self._partial.replace(self._path)
        finally:
            self._partial.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.concat_tables(self._waiting), row_group_size=ROW_GROUP)
        self._waiting, self._rows = [], 0


def write_catalog(root: Path, cases: Iterable[pa.Table]) -> None:
    """Write both tables of the corpus at `root` from one table a case, in the order of data set and case.

    A case's table holds its sequences together; it has the columns of CATALOG_SCHEMA and `reason`, `value`,
    `threshold`, `detail`; rows with a reason are drops.
    """
    with (
        TableWriter(root / CATALOG_FILE, CATALOG_SCHEMA) as kept,
        TableWriter(root / DROPS_FILE, DROPS_SCHEMA) as dropped,
    ):
        for table in _batches(cases):
            is_drop = pc.is_valid(table["reason"])
            rows = table.filter(pc.invert(is_drop)).select(CATALOG_SCHEMA.names)
            kept.write(_sorted(rows).cast(CATALOG_SCHEMA))
            dropped.write(table.filter(is_drop).select(DROPS_SCHEMA.names).cast(DROPS_SCHEMA))


def _batches(cases: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the tables of many small cases as one: a table of one row takes the memory and time of one of hundreds."""
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
