"""A corpus on disk, opened and read in batches: its catalog, and what was dropped on the way."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from catalog.errors import CatalogError
from catalog.schema import CATALOG_SCHEMA, DROPS_SCHEMA, SCHEMA_VERSION, SORT_COLUMNS, VERSION_KEY
from catalog.tables import CATALOG_FILE, DROPS_FILE


@dataclass(frozen=True)
class Corpus:
    """A corpus whose catalog is there and of this version; `rows` counts masks, and images without any."""

    catalog: Path
    rows: int

    @classmethod
    def open(cls, path: str | Path) -> "Corpus":
        """Open the corpus in a folder, or the one a catalog.parquet belongs to.

        Raises CatalogError where there is no corpus, or one of another schema version.
        """
        path = Path(path)
        if path.is_dir():
            catalog = path / CATALOG_FILE
            if not catalog.is_file():
                raise CatalogError(
                    f"{path} is not a corpus: there is no {CATALOG_FILE} in it, but {_listing(path)}. "
                    "Give the folder that `curate run` wrote to with --out"
                )
        else:
            catalog = path
        return cls(catalog, _checked(catalog, CATALOG_SCHEMA))

    @property
    def root(self) -> Path:
        """The folder that the catalog's `image` and `mask` paths are relative to."""
        return self.catalog.parent

    @property
    def drops(self) -> Path | None:
        """The table of what was dropped; None where the catalog lies alone."""
        path = self.root / DROPS_FILE
        return path if path.is_file() else None

    def batches(
        self, columns: Sequence[str], where: pc.Expression | None = None, size: int = 1 << 17
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows that `where` holds for, in the catalog's order, as batches of at most `size` rows.

        A condition on `dataset` or `case` skips the parts of the file that cannot hold such rows.
        Raises CatalogError for a column that no catalog has.
        """
        check_columns(columns)
        return _scan(self.catalog, columns, where=where, size=size)

    def whole_cases(self, columns: Sequence[str], rows: int = 1 << 18) -> Iterator[pa.Table]:
        """Yield all rows as tables of about `rows` rows that no case is split over.

        Strings are dictionary-encoded; `dataset` and `case` are added to `columns`. Raises CatalogError where
        the catalog is not sorted by these two, for what is counted a case at a time would be wrong.
        """
        columns = list(dict.fromkeys(["dataset", "case", *columns]))
        check_columns(columns)
        before: pa.RecordBatch | None = None
        held, count = list[pa.RecordBatch](), 0
        for batch in _scan(self.catalog, columns, encoded=True):
            starts = self._case_starts(before, batch)
            before = batch[len(batch) - 1 :]
            if len(starts) and count + (cut := int(starts[-1])) >= rows:
                yield _table([*held, batch[:cut]])
                held, count, batch = [], 0, batch[cut:]
            held.append(batch)
            count += len(batch)
        if count:
            yield _table(held)

    def _case_starts(self, before: pa.RecordBatch | None, batch: pa.RecordBatch) -> NDArray[np.int64]:
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
                f"{self.catalog} is not sorted by dataset and case: {dataset[i + 1]}, {case[i + 1]} comes "
                f"after {dataset[i]}, {case[i]}. Sort it by {', '.join(SORT_COLUMNS)} and write it again"
            )
        return starts

    def drop_batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of drops.parquet, strings dictionary-encoded; none where the catalog lies alone."""
        if self.drops is not None:
            _checked(self.drops, DROPS_SCHEMA)
            yield from _scan(self.drops, columns, encoded=True)


def check_columns(columns: Sequence[str]) -> None:
    """Raise CatalogError, with the nearest name there is, if a catalog has no such column."""
    for column in columns:
        if column not in CATALOG_SCHEMA.names:
            near = difflib.get_close_matches(column, CATALOG_SCHEMA.names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise CatalogError(
                f"the catalog has no column {column!r}{hint} Its columns: {', '.join(CATALOG_SCHEMA.names)}"
            )


def _checked(path: Path, schema: pa.Schema) -> int:
    """Return the number of rows of a table of ours; raise CatalogError if it is not one of this version."""
    if not path.is_file():
        raise CatalogError(f"{path} does not exist: give a corpus folder or its {CATALOG_FILE}")
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise CatalogError(f"{path} is no Parquet file ({error}): give a corpus's {CATALOG_FILE}") from error
    found = metadata.schema.to_arrow_schema()
    version = (found.metadata or {}).get(VERSION_KEY)
    if version is None:
        raise CatalogError(f"{path} is a Parquet file, but not of a corpus: it carries no schema version")
    if version != SCHEMA_VERSION.encode():
        raise CatalogError(
            f"{path} is of schema version {version.decode(errors='replace')}, this medcorpus reads version "
            f"{SCHEMA_VERSION}: use the medcorpus that wrote it, or curate again into a new folder"
        )
    if lacking := [name for name in schema.names if name not in found.names]:
        raise CatalogError(f"{path} lacks the columns {', '.join(lacking)}: curate it again")
    return int(metadata.num_rows)


def _scan(
    path: Path,
    columns: Sequence[str],
    *,
    encoded: bool = False,
    where: pc.Expression | None = None,
    size: int = 1 << 17,
) -> Iterator[pa.RecordBatch]:
    # Dictionary-encoded reading is quick, but a filter then skips nothing: hence one or the other.
    schema = pq.read_schema(path)
    strings = [name for name in columns if encoded and pa.types.is_string(schema.field(name).type)]
    dataset = ds.dataset(path, format=ds.ParquetFileFormat(dictionary_columns=strings))
    batches: Iterator[pa.RecordBatch] = dataset.to_batches(
        columns=list(columns),
        filter=where,
        batch_size=size,
        # Reading further ahead gains no time and costs hundreds of MB.
        batch_readahead=1,
        fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=False),
    )
    return batches


def _table(batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()


def _listing(folder: Path, shown: int = 5) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    if not names:
        return "nothing at all"
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
