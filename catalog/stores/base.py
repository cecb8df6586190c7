"""What a store is: how it writes the pixels of a case, and how it reads them back.

A corpus may mix stores: each path in its catalog has the suffix of the store that reads it.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]


class Place(NamedTuple):
    """Where a store put an image or a mask.

    `path` is relative to the corpus, with `/`; `position` counts inside a container, None for a file of its own.
    """

    path: str
    position: int | None


@dataclass(frozen=True)
class DatasetFolders:
    """Where a data set is kept: the corpus, the name, and a folder for the records of unfinished work."""

    root: Path
    dataset: str
    state: Path


@dataclass(frozen=True)
class HubConfig:
    """How Hugging Face `datasets` loads the images of a store, as a config of the dataset card.

    Attributes:
        data_files: Patterns of the files, relative to the corpus.
        features: Columns of Parquet files that hold encoded images: (name, type), the type as a card writes it.
        listed: True for image files, which `datasets` finds through the corpus's metadata.parquet.
    """

    data_files: tuple[str, ...]
    features: tuple[tuple[str, str], ...] = ()
    listed: bool = False


class CaseWriter(Protocol):
    """Writes the images and masks of one case."""

    def image(self, name: str, pixels: "Pixels") -> Place:
        """Write the slice `name`: grey (h, w) or RGB (h, w, 3)."""

    def mask(self, name: str, bits: "Pixels", width: int, rows: tuple[int, int] | None = None) -> Place:
        """Write a mask of the last slice.

        `bits` (h, ceil(width / 8)) are packed along the rows, and may be overwritten afterwards. `rows` is the range of
        rows that hold the mask, None: all of them.
        """

    def close(self) -> None:
        """Write whatever is still in memory: the case is complete."""

    def abort(self) -> None:
        """Remove everything that this case has written."""


class PixelSource(Protocol):
    """Reads the images and masks of one corpus, in any order; may be shared by threads.

    `reading.locate` turns a path of the catalog into a file, and refuses what is outside of the corpus.
    """

    def image(self, path: str, image_index: int | None) -> "Pixels":
        """Return an image, grey (h, w) or RGB (h, w, 3); CatalogError if it is missing or damaged."""

    def mask(self, path: str, mask_index: int | None, image_index: int | None) -> "Pixels":
        """Return a mask (h, w) of 0 and 255; CatalogError if it is missing or damaged."""


def _as_written(key: str, rows: "pa.Table") -> "pa.Table | None":
    return rows


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Finalised:
    """The result of `Store.finalise` or `Store.current`.

    `relocate(key, rows)` returns the catalog rows of a case with their final paths and positions, None where they have
    none yet. `sweep()` removes files that no row needs any more; it is called once the catalog with the final rows is
    on disk.
    """

    relocate: "Callable[[str, pa.Table], pa.Table | None]" = _as_written
    sweep: Callable[[], None] = _nothing


class Store(Protocol):
    """One way of keeping pixels. A case is known by its key, a name unique in its data set."""

    def open_case(self, folders: DatasetFolders, key: str) -> CaseWriter:
        """Return a writer for a case; OSError if files cannot be made."""

    def open_source(self, root: Path, cached: int) -> PixelSource:
        """Return a reader for the corpus at `root` that keeps at most `cached` decoded containers in memory."""

    def finalise(self, folders: DatasetFolders, keys: Sequence[str]) -> Finalised:
        """Bring a data set's files into their final form.

        `keys` are all finished cases, in the catalog's order, also those of other stores. May be interrupted anywhere
        and called again; what a catalog on disk refers to stays until `sweep`.
        """

    def current(self, folders: DatasetFolders, keys: Sequence[str]) -> Finalised:
        """Return what is final already; nothing is written, and `sweep` does nothing."""

    def discard(self, folders: DatasetFolders, finished: Collection[str], unfinished: set[tuple[str, str]]) -> None:
        """Remove the files of unfinished cases.

        `finished` are the keys of all finished cases; `unfinished` the (modality token, case id) of those of which
        images may be there: the first and the third part of their names.
        """
