"""A DICOM series, or a part of one, as an input: the files of a stack of images and the grid they make."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from curate.inputs import Stamp, stamp

if TYPE_CHECKING:
    from curate.dicom.stacks import Stack

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class SeriesInput:
    """Images in order, each a frame of one of `files`, which are paths below `root`.

    `name` stands for them in messages and in the corpus, and gives away nothing of the patient. `images` holds (index
    of the file, number of the frame); of a mosaic with `tiles`, the number of the tile. `shape` is (k, j, i) or
    (k, j, i, 3), `itemsize` the bytes of a sample. `affine` (4 x 4) and `origins` (n x 3) are in RAS+, None and empty
    where the images have no position; `trouble` says why they are no even grid. `film` marks the frames of a film;
    `suv` asks for uptake values.
    """

    root: Path
    name: str
    files: tuple[str, ...]
    images: tuple[tuple[int, int], ...]
    shape: tuple[int, ...]
    itemsize: int
    affine: Rows | None = None
    origins: Rows = ()
    trouble: str = ""
    tiles: int = 0
    film: bool = False
    suv: bool = False
    notes: tuple[str, ...] = ()
    format: str = "dicom"

    @property
    def nbytes(self) -> int:
        """Bytes of the decoded images."""
        return prod(self.shape) * self.itemsize

    def stamps(self, companions: Sequence[str]) -> tuple[Stamp, ...]:
        """Return the stamp of each file."""
        return tuple(stamp(self.root, path) for path in self.files)

    @contextmanager
    def local(self) -> Iterator[Path]:
        """Yield the path of the first file; the others are below `root` as well."""
        yield self.root / self.files[0]


def series_input(root: Path, stack: "Stack", name: str, suv: bool = False) -> SeriesInput:
    """Return a stack of images as an input."""
    files = tuple(dict.fromkeys(image.instance.path for image in stack.images))
    numbers = {path: index for index, path in enumerate(files)}
    first = stack.first
    rows, columns = first.rows, first.columns
    if first.tiles:
        from curate.dicom.mosaic import layout_of

        layout = layout_of(rows, columns, first.tiles)
        rows, columns = layout.rows, layout.columns
    colour = (3,) if first.samples == 3 or first.photometric == "PALETTE COLOR" else ()
    grid = stack.grid
    notes = []
    if stack.duplicates:
        notes.append(f"{stack.duplicates} images were left out: another one is at the same position")
    if any(image.instance.burned_in for image in stack.images):
        notes.append("text is burned into the pixels (BurnedInAnnotation), possibly names")
    return SeriesInput(
        root=root,
        name=name,
        files=files,
        images=tuple((numbers[image.instance.path], image.frame.number) for image in stack.images),
        shape=(len(stack.images), rows, columns, *colour),
        itemsize=max(8, first.bits) // 8 if first.photometric != "PALETTE COLOR" else 1,
        affine=None if grid is None else _rows(grid.affine),
        origins=_rows(grid.origins) if grid is not None and grid.trouble else (),
        trouble="" if grid is None else grid.trouble,
        tiles=first.tiles,
        film=stack.is_film,
        suv=suv,
        notes=tuple(notes),
    )


def _rows(matrix: "object") -> Rows:
    return tuple(tuple(float(value) for value in row) for row in matrix)  # type: ignore[attr-defined]
