"""A corpus on disk: its catalog in batches or as a data frame, and its images with their masks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from catalog import frames
from catalog.errors import CatalogError
from catalog.schema import CATALOG_SCHEMA, DROPS_SCHEMA, check_columns
from catalog.table_file import BATCH_ROWS, check_table, scan_table
from catalog.tables import CATALOG_FILE, DROPS_FILE
from catalog.whole_cases import whole_cases

if TYPE_CHECKING:
    import pandas
    import polars

    from catalog.image_records import CorpusImage


@dataclass(frozen=True)
class Corpus:
    """A corpus whose catalog exists and has a known version; `catalog.open` returns one.

    Attributes:
        catalog: The path of catalog.parquet.
        rows: The number of its rows: masks, and images without any mask.
    """

    catalog: Path
    rows: int

    @classmethod
    def open(cls, path: str | Path) -> "Corpus":
        """Open the corpus in a folder, or the one that a catalog.parquet belongs to.

        Raises:
            CatalogError: There is no corpus, or one of another schema version.
        """
        path = Path(path).absolute()  # Arrow takes a relative path with a colon for a URI
        catalog = path
        if path.is_dir():
            catalog = path / CATALOG_FILE
            if not catalog.is_file():
                raise CatalogError(
                    f"{path} is not a corpus: it has no {CATALOG_FILE}; it {_listing(path)}. "
                    "Give the folder that `curate run` wrote to with --out"
                )
        return cls(catalog, check_table(catalog, CATALOG_SCHEMA))

    def __len__(self) -> int:
        return self.rows

    @property
    def root(self) -> Path:
        """The folder that the catalog's `image` and `mask` paths are relative to."""
        return self.catalog.parent

    @property
    def drops(self) -> Path | None:
        """The table of what was dropped; None if there is only a catalog."""
        path = self.root / DROPS_FILE
        return path if path.is_file() else None

    @property
    def datasets(self) -> list[str]:
        """The names of the data sets in the corpus, sorted."""
        names: set[str] = set()
        for batch in scan_table(self.catalog, ["dataset"], encoded=True):
            names.update(batch["dataset"].unique().to_pylist())
        return sorted(names)

    def to_arrow(self, where: str | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Return rows of the catalog, in its order, as an Arrow table.

        Args:
            where: A condition in SQL over the catalog's columns, such as `modality = 'CT' and area > 500`; None: all
                rows. The column `case` is written `"case"`, since CASE is a word of SQL.
            columns: The columns to return; None: all.

        Raises:
            QueryError: `where` or a column is wrong; the message names the nearest column.
            CatalogError: The catalog is damaged.
        """
        return frames.to_arrow(self.catalog, where, columns)

    def to_pandas(self, where: str | None = None, columns: Sequence[str] | None = None) -> "pandas.DataFrame":
        """Return rows of the catalog as a pandas data frame; arguments and errors as `to_arrow`.

        Types are pandas' nullable ones: a missing `slice` is NA in a column of Int32, an unfilled `split` is NA in a
        column of strings, and no number becomes a float.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        return frames.to_pandas(self.to_arrow(where, columns))

    def to_polars(self, where: str | None = None, columns: Sequence[str] | None = None) -> "polars.DataFrame":
        """Return rows of the catalog as a Polars data frame; arguments and errors as `to_arrow`.

        Raises:
            MissingPackageError: Polars is not installed.
        """
        return frames.to_polars(self.to_arrow(where, columns))

    def images(self, where: str | None = None) -> "Iterator[CorpusImage]":
        """Yield images with their masks, in the catalog's order, from any store; only one is in memory at a time.

        Args:
            where: A condition in SQL on the masks to take, as in `to_arrow`; images without such a row are left out.

        Raises:
            QueryError: `where` is wrong.
            CatalogError: The catalog is damaged.
        """
        from catalog.image_records import iter_images

        return iter_images(self.root, frames.batches(self.catalog, where, None, size=1 << 12))

    def batches(
        self, columns: Sequence[str], where: pc.Expression | None = None, size: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows for which `where` holds, in the catalog's order, as batches of at most `size` rows.

        A condition on `dataset` or `case` skips the parts of the file that cannot have such rows.

        Raises:
            QueryError: A column does not exist.
            CatalogError: The catalog is damaged.
        """
        check_columns(columns)
        return scan_table(self.catalog, columns, where=where, size=size)

    def whole_cases(self, columns: Sequence[str], rows: int = 1 << 18) -> Iterator[pa.Table]:
        """Yield all rows as tables of about `rows` rows; a case is in one table only.

        Strings that repeat are dictionary-encoded; `dataset` and `case` are added to `columns`.

        Raises:
            QueryError: A column does not exist.
            CatalogError: The catalog is damaged, or not sorted by data set and case.
        """
        columns = list(dict.fromkeys(["dataset", "case", *columns]))
        check_columns(columns)
        return whole_cases(self.catalog, scan_table(self.catalog, columns, encoded=True), rows)

    def drop_batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of drops.parquet, strings dictionary-encoded; none if there is only a catalog.

        Raises:
            CatalogError: The table is damaged, or of another version.
        """
        if self.drops is not None:
            check_table(self.drops, DROPS_SCHEMA)
            yield from scan_table(self.drops, columns, encoded=True)


def open_corpus(path: str | Path) -> Corpus:
    """Open the corpus in a folder, or the one that a catalog.parquet belongs to.

    Raises:
        CatalogError: There is no corpus, or one of another schema version.
    """
    return Corpus.open(path)


def _listing(folder: Path, shown: int = 5) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    if not names:
        return "is empty"
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"holds {', '.join(names[:shown])}{more}"
