"""The store `png`: one PNG file an image and one a mask, the layout of SA-Med2D-20M."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.codecs.png import decode_image, decode_mask, encode_bits, encode_image
from catalog.stores.base import DatasetFolders, Finalised, Place
from catalog.stores.reading import locate, unreadable

Pixels = NDArray[np.uint8]

_IMAGES, _MASKS = "images", "masks"


class PngStore:
    """`images/<dataset>/<image>.png` and `masks/<dataset>/<mask>.png`."""

    def open_case(self, folders: DatasetFolders, key: str) -> "PngWriter":
        """Return a writer; files go to their final place at once."""
        return PngWriter(folders.root, folders.dataset)

    def open_source(self, root: Path, cached: int) -> "PngSource":
        """Return a reader; nothing is cached."""
        return PngSource(root)

    def finalise(self, folders: DatasetFolders, keys: Sequence[str]) -> Finalised:
        """Do nothing: files are final as they are written."""
        return Finalised()

    def current(self, folders: DatasetFolders, keys: Sequence[str]) -> Finalised:
        """Every place is final as written."""
        return Finalised()

    def discard(self, folders: DatasetFolders, finished: Collection[str], unfinished: set[tuple[str, str]]) -> None:
        """Remove the images and masks of unfinished cases."""
        for kind in (_IMAGES, _MASKS):
            remove_files(folders.root / kind / folders.dataset, ".png", unfinished)


class PngWriter:
    """Writes one case. Files are not flushed one by one: the case's fragment decides what counts after a power cut."""

    def __init__(self, root: Path, dataset: str) -> None:
        self._root = root
        self._images, self._masks = f"{_IMAGES}/{dataset}/", f"{_MASKS}/{dataset}/"
        self._written: list[str] = []
        for folder in (self._images, self._masks):
            (root / folder).mkdir(parents=True, exist_ok=True)

    def image(self, name: str, pixels: Pixels) -> Place:
        """Write a slice."""
        return self._write(f"{self._images}{name}.png", encode_image(pixels))

    def mask(self, name: str, bits: Pixels, width: int, rows: tuple[int, int] | None = None) -> Place:
        """Write a mask."""
        return self._write(f"{self._masks}{name}.png", encode_bits(bits, width, rows))

    def close(self) -> None:
        """Do nothing: everything is written."""

    def abort(self) -> None:
        """Remove what was written."""
        for path in self._written:
            (self._root / path).unlink(missing_ok=True)

    def _write(self, path: str, data: bytes) -> Place:
        self._written.append(path)
        with open(f"{self._root}/{path}", "wb", buffering=0) as file:  # noqa: PTH123 - pathlib costs as much as the file
            rest = memoryview(data)
            while rest:  # on a full disk a write may be short; only the next one fails
                rest = rest[file.write(rest) :]
        return Place(path, None)


class PngSource:
    """Reads PNG files of any writer."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def image(self, path: str, image_index: int | None) -> Pixels:
        """Return an image."""
        return self._checked(path, decode_image(self._read(path)))

    def mask(self, path: str, mask_index: int | None, image_index: int | None) -> Pixels:
        """Return a mask."""
        return self._checked(path, decode_mask(self._read(path)))

    def _read(self, path: str) -> bytes:
        try:
            return locate(self._root, path).read_bytes()
        except OSError as error:
            raise unreadable(path, error) from error

    def _checked(self, path: str, pixels: Pixels | None) -> Pixels:
        if pixels is None:
            raise unreadable(path, "not a PNG image")
        return pixels


def remove_files(folder: Path, suffix: str, unfinished: set[tuple[str, str]]) -> None:
    """Remove the files in a folder whose names begin with the token and, third, the id of an unfinished case."""
    if not unfinished:
        return
    for path in folder.glob(f"*{suffix}"):
        token, _, case, *_ = [*path.name.split("--"), "", ""]
        if (token, case) in unfinished:
            path.unlink()
