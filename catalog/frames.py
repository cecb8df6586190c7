"""Rows of a catalog as tables and data frames."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from catalog.errors import MissingPackageError
from catalog.schema import CATALOG_SCHEMA, check_columns
from catalog.table_file import BATCH_ROWS, scan_table

if TYPE_CHECKING:
    import pandas
    import polars


def batches(
    catalog: Path, where: str | None, columns: Sequence[str] | None, size: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """Return the rows for which an SQL condition holds, in the catalog's order, as batches of at most `size` rows.

    Raises:
        QueryError: `where` or a column is wrong.
        CatalogError: The catalog is damaged.
    """
    names = CATALOG_SCHEMA.names if columns is None else list(columns)
    check_columns(names)
    if where is None:
        return scan_table(catalog, names, size=size)
    from catalog.query import query_batches

    return query_batches(catalog, where, names, size)


def to_arrow(catalog: Path, where: str | None, columns: Sequence[str] | None) -> pa.Table:
    """Return rows of a catalog as an Arrow table with the types of its schema."""
    names = CATALOG_SCHEMA.names if columns is None else list(columns)
    schema = pa.schema([CATALOG_SCHEMA.field(name) for name in names if name in CATALOG_SCHEMA.names])
    found = list(batches(catalog, where, names))
    return pa.Table.from_batches([batch.cast(schema) for batch in found], schema=schema)


def to_pandas(table: pa.Table) -> "pandas.DataFrame":
    """Return a pandas data frame with nullable types.

    Raises:
        MissingPackageError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingPackageError("to_pandas needs pandas: pip install pandas") from error
    kinds = {
        pa.string(): pandas.StringDtype(),
        pa.bool_(): pandas.BooleanDtype(),
        pa.int16(): pandas.Int16Dtype(),
        pa.int32(): pandas.Int32Dtype(),
        pa.float32(): pandas.Float32Dtype(),
    }
    return table.to_pandas(types_mapper=kinds.get)


def to_polars(table: pa.Table) -> "polars.DataFrame":
    """Return a Polars data frame.

    Raises:
        MissingPackageError: Polars is not installed.
    """
    try:
        import polars
    except ImportError as error:
        raise MissingPackageError("to_polars needs Polars: pip install polars") from error
    frame: polars.DataFrame = polars.from_arrow(table)
    return frame
