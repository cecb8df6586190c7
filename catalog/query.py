"""SQL conditions over a catalog, answered by DuckDB.

DuckDB sees the catalog as a stream of Arrow batches and nothing else: it may not open files, load extensions, change
its settings, or look at Python's variables.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from catalog.errors import QueryError
from catalog.schema import CATALOG_SCHEMA
from catalog.table_file import check_values, damaged, first_line, open_dataset

if TYPE_CHECKING:
    import duckdb

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    "lock_configuration": True,
    "threads": 1,  # rows come in the catalog's order
}
_STRING = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")


def query_batches(catalog: Path, where: str, columns: Sequence[str], size: int) -> Iterator[pa.RecordBatch]:
    """Return the rows for which an SQL condition holds, in the catalog's order, as batches of at most `size` rows.

    Args:
        catalog: A catalog.parquet.
        where: The condition.
        columns: Names of columns of the catalog.
        size: The most rows in a batch.

    Raises:
        QueryError: The condition is wrong; some faults show only while rows are read.
        CatalogError: The catalog is damaged.
    """
    import duckdb

    connection = duckdb.connect(":memory:", config=_SETTINGS)
    connection.register("catalog", open_dataset(catalog))
    try:
        rows = connection.table("catalog").filter(where).project(", ".join(f'"{name}"' for name in columns))
    except duckdb.Error as error:
        raise _explained(where, error) from error
    return _stream(catalog, where, connection, rows, size)


def _stream(
    catalog: Path, where: str, connection: "duckdb.DuckDBPyConnection", rows: "duckdb.DuckDBPyRelation", size: int
) -> Iterator[pa.RecordBatch]:
    import duckdb

    try:
        for batch in rows.to_arrow_reader(size):
            check_values(catalog, batch)
            yield batch
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if "CRC checksum" in str(error) or isinstance(error, OSError):
            raise damaged(catalog, error) from error
        raise _explained(where, error) from error
    finally:
        connection.close()


def _explained(where: str, error: Exception) -> QueryError:
    """Return the error of a wrong condition, in terms of the catalog."""
    text = first_line(error)
    if column := re.search(r'Referenced column "(.*)" not found', text):
        return QueryError(f"where: {_unknown(column[1])}")
    reason = text.partition(": ")[2] or text
    hint = ""
    if re.search(r"\bcase\b", _STRING.sub("", where), re.IGNORECASE):
        hint = '. CASE is a word of SQL: write the column as "case", in double quotes'
    elif "syntax error" in reason:
        hint = ". Write a condition such as modality = 'CT' and area > 500"
    return QueryError(f"where: {reason}, in {where!r}{hint}")


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, CATALOG_SCHEMA.names, n=1)
    if near:
        return f"the catalog has no column {name!r}; did you mean {near[0]!r}?"
    return (
        f"the catalog has no column {name!r}. Text is written in single quotes, as in modality = 'CT'. "
        f"The columns: {', '.join(CATALOG_SCHEMA.names)}"
    )
