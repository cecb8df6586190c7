"""The Parquet tables of a corpus, checked when they are opened and read in batches."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from catalog.errors import CatalogError
from catalog.schema import REQUIRED, SCHEMA_VERSION, UNIQUE_COLUMNS, VERSION_KEY

BATCH_ROWS = 1 << 17


def check_table(path: Path, schema: pa.Schema) -> int:
    """Return the number of rows of a table of a corpus.

    Raises:
        CatalogError: The file is missing, not a Parquet file, not a corpus's, of another schema version, or its columns
            are not those of `schema`.
    """
    if not path.is_file():
        raise CatalogError(f"{path} does not exist. Give a corpus folder or its catalog.parquet")
    try:
        metadata = pq.read_metadata(path)
        found = metadata.schema.to_arrow_schema()
    except (pa.ArrowException, OSError) as error:
        raise CatalogError(f"{path} is not a Parquet file ({error}). Give a corpus's catalog.parquet") from error
    version = (found.metadata or {}).get(VERSION_KEY)
    if version is None:
        raise CatalogError(f"{path} is a Parquet file, but not of a corpus: it has no schema version")
    if version != SCHEMA_VERSION.encode():
        raise CatalogError(
            f"{path} has schema version {version.decode(errors='replace')}, but this medcorpus reads version "
            f"{SCHEMA_VERSION}. Use the medcorpus that wrote it, or curate again into a new folder"
        )
    _check_columns(path, found, schema)
    return int(metadata.num_rows)


def _check_columns(path: Path, found: pa.Schema, schema: pa.Schema) -> None:
    if missing := [name for name in schema.names if name not in found.names]:
        raise CatalogError(f"{path} lacks the columns {', '.join(missing)}. Curate it again")
    if twice := [name for name, count in Counter(found.names).items() if count > 1]:
        raise CatalogError(f"{path} has the column {twice[0]} twice. Write it again with one of them")
    for field in schema:
        kind = found.field(field.name).type
        if kind != field.type:
            raise CatalogError(
                f"{path}: the column {field.name} is {kind}, expected {field.type}. Cast it, or curate again"
            )


def open_dataset(path: Path, encoded: Sequence[str] = ()) -> ds.Dataset:
    """Return a table for scanning; page checksums are verified, and the columns in `encoded` dictionary-encoded."""
    # Reading whole column chunks ahead (pre_buffer) gains no time and costs hundreds of MB.
    options = ds.ParquetFragmentScanOptions(pre_buffer=False, page_checksum_verification=True)
    return ds.dataset(
        path, format=ds.ParquetFileFormat(dictionary_columns=list(encoded), default_fragment_scan_options=options)
    )


def scan_table(
    path: Path,
    columns: Sequence[str],
    *,
    encoded: bool = False,
    where: pc.Expression | None = None,
    size: int = BATCH_ROWS,
) -> Iterator[pa.RecordBatch]:
    """Yield rows in the table's order, as batches of at most `size` rows.

    Args:
        path: The table.
        columns: The columns to read.
        encoded: Dictionary-encode strings that repeat. Faster to read, but then `where` skips no part of the file.
        where: Only rows for which this holds.
        size: The most rows in a batch.

    Raises:
        CatalogError: The file is damaged, or a value is missing that every row must have.
    """
    schema = pq.read_schema(path)
    repeating = [name for name in columns if encoded and name not in UNIQUE_COLUMNS]
    strings = [name for name in repeating if pa.types.is_string(schema.field(name).type)]
    batches = open_dataset(path, strings).to_batches(
        columns=list(columns), filter=where, batch_size=size, batch_readahead=1
    )
    try:
        for batch in batches:
            check_values(path, batch)
            yield batch
    except (pa.ArrowException, OSError) as error:
        raise damaged(path, error) from error


def check_values(path: Path, batch: pa.RecordBatch) -> None:
    """Raise CatalogError if a value is missing that every row must have."""
    for name in batch.schema.names:
        if name in REQUIRED and batch[name].null_count:
            raise CatalogError(f"{path} has a row without a value in the column {name}. Curate it again")


def damaged(path: Path, error: Exception) -> CatalogError:
    """Return the error of a table that cannot be read to its end."""
    return CatalogError(f"{path} is damaged ({first_line(error)}). Restore it, or run curate again")


def first_line(error: Exception) -> str:
    """Return the first line of an error's message."""
    return next(iter(str(error).splitlines()), "")
