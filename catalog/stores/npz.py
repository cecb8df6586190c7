"""The store `npz`: one NumPy file for each image and its masks, read by a plain numpy.load.

Keys: `image` uint8 (h, w) or (h, w, 3); `masks` uint8 (n, h, ceil(w / 8)), packed by numpy.packbits along the last
axis; `mask_shape` int64 (n, h, w); `mask_names` (n,) the masks' full names, which hold class and instance.
"""

import zlib
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from catalog.codecs.npz import encode_npz
from catalog.stores.base import DatasetFolders, Finalised, Place
from catalog.stores.png import remove_files
from catalog.stores.reading import check_position, locate, unreadable

Pixels = NDArray[np.uint8]

_FOLDER = "images"


class NpzStore:
    """`images/<dataset>/<image>.npz`."""

    def open_case(self, folders: DatasetFolders, key: str) -> "NpzWriter":
        """Return a writer; files go to their final place at once."""
        return NpzWriter(folders.root, folders.dataset)

    def open_source(self, root: Path, cached: int) -> "NpzSource":
        """Return a reader that caches the arrays of the last files."""
        return NpzSource(root, cached)

    def finalise(self, folders: DatasetFolders, keys: Sequence[str]) -> Finalised:
        """Do nothing: files are final as they are written."""
        return Finalised()

    def current(self, folders: DatasetFolders, keys: Sequence[str]) -> Finalised:
        """Every place is final as written."""
        return Finalised()

    def discard(self, folders: DatasetFolders, finished: Collection[str], unfinished: set[tuple[str, str]]) -> None:
        """Remove the files of unfinished cases."""
        remove_files(folders.root / _FOLDER / folders.dataset, ".npz", unfinished)


class NpzWriter:
    """Writes one case; a slice is in memory until the next one begins."""

    def __init__(self, root: Path, dataset: str) -> None:
        self._root = root
        self._folder = f"{_FOLDER}/{dataset}/"
        (root / self._folder).mkdir(parents=True, exist_ok=True)
        self._path = ""
        self._pixels: Pixels | None = None
        self._masks: list[Pixels] = []
        self._names: list[str] = []
        self._written: list[str] = []

    def image(self, name: str, pixels: Pixels) -> Place:
        """Start a slice; the previous one is written."""
        self.close()
        self._path, self._pixels, self._masks, self._names = f"{self._folder}{name}.npz", pixels, [], []
        return Place(self._path, None)

    def mask(self, name: str, bits: Pixels, width: int, rows: tuple[int, int] | None = None) -> Place:
        """Add a mask to the slice."""
        self._masks.append(bits.copy())
        self._names.append(name)
        return Place(self._path, len(self._masks) - 1)

    def close(self) -> None:
        """Write the last slice."""
        if self._pixels is None:
            return
        height, width = self._pixels.shape[:2]
        arrays = {
            "image": self._pixels,
            "masks": np.stack(self._masks) if self._masks else np.zeros((0, height, -(-width // 8)), np.uint8),
            "mask_shape": np.array([len(self._masks), height, width], np.int64),
            "mask_names": np.array(self._names, np.str_),
        }
        self._written.append(self._path)
        (self._root / self._path).write_bytes(encode_npz(arrays))
        self._pixels = None

    def abort(self) -> None:
        """Remove what was written."""
        for path in self._written:
            (self._root / path).unlink(missing_ok=True)


class NpzSource:
    """Reads npz files of any writer; the last arrays stay in memory, so that an image's masks cost one read."""

    def __init__(self, root: Path, cached: int) -> None:
        self._root = root
        self._array = lru_cache(cached)(self._read)

    def image(self, path: str, image_index: int | None) -> Pixels:
        """Return an image."""
        return self._array(path, "image").copy()

    def mask(self, path: str, mask_index: int | None, image_index: int | None) -> Pixels:
        """Return a mask."""
        packed = self._array(path, "masks")
        width = int(self._array(path, "mask_shape")[2])
        return np.unpackbits(packed[check_position(mask_index, len(packed), path)], axis=-1, count=width) * 255

    def _read(self, path: str, key: str) -> Pixels:
        try:
            with np.load(locate(self._root, path)) as arrays:
                array: Pixels = arrays[key]
                return array
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            raise unreadable(path, error) from error
