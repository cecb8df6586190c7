"""The decoded pixels behind a catalog row, whichever store holds them; the suffix of the path tells which.

.png      a file an image and a file a mask
.npz      a file an image: `image`, and `masks` packed by numpy.packbits along the last axis
.parquet  a shard: a row an image, its PNG and those of its masks
"""

import zlib
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias
from zipfile import BadZipFile

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from catalog.errors import CatalogError

Pixels: TypeAlias = NDArray[np.uint8]


class PixelReader:
    """Reads images and masks of the corpus at `root`, in any order.

    The last `cached` containers (npz arrays, row groups of about 4 MB) are kept, so that the masks of an
    image, and its neighbours in a shard, cost no second read. No file stays open: a reader may be shared by
    threads, pickled, and carried over a fork.
    """

    def __init__(self, root: Path, cached: int = 8) -> None:
        self._root = root
        self._cached = cached
        self._array = lru_cache(cached)(self._read_array)
        self._shard = lru_cache(1024)(self._read_shard)
        self._group = lru_cache(cached)(self._read_group)

    def __reduce__(self) -> tuple[type["PixelReader"], tuple[Path, int]]:
        return PixelReader, (self._root, self._cached)

    def image(self, path: str, image_index: int | None = None) -> Pixels:
        """Return an image, grey (h, w) or RGB (h, w, 3), from the catalog's `image` and `image_index`.

        Raises CatalogError where the pixels are missing or cannot be decoded.
        """
        if path.endswith(".npz"):
            return self._array(path, "image").copy()
        png = self._row(path, "image", image_index).as_buffer() if path.endswith(".parquet") else self._file(path)
        pixels = _decoded(png, cv2.IMREAD_UNCHANGED, path)
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if pixels.ndim == 3 else pixels

    def mask(self, path: str, mask_index: int | None = None, image_index: int | None = None) -> Pixels:
        """Return a mask (h, w) of 0 and 255, from the catalog's `mask`, `mask_index` and `image_index`.

        Raises CatalogError where the pixels are missing or cannot be decoded.
        """
        if path.endswith(".npz"):
            packed = self._array(path, "masks")
            width = int(self._array(path, "mask_shape")[2])
            return np.unpackbits(packed[_position(mask_index, len(packed), path)], axis=-1, count=width) * 255
        if path.endswith(".parquet"):
            masks = self._row(path, "masks", image_index).values
            png = masks[_position(mask_index, len(masks), path)].as_buffer()
        else:
            png = self._file(path)
        return _decoded(png, cv2.IMREAD_GRAYSCALE, path)

    def _row(self, path: str, column: str, index: int | None) -> pa.Scalar:
        """Return the value of a shard's column at row `index`."""
        _, ends = self._shard(path)
        row = _position(index, int(ends[-1]) if len(ends) else 0, path)
        group = int(np.searchsorted(ends, row, side="right"))
        return self._group(path, column, group)[row - (int(ends[group - 1]) if group else 0)]

    def _read_shard(self, path: str) -> tuple[pq.FileMetaData, NDArray[np.int64]]:
        """Return a shard's metadata, and the row at which each of its row groups ends."""
        try:
            metadata = pq.read_metadata(self._located(path))
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, error) from error
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        return metadata, np.cumsum(sizes, dtype=np.int64)

    def _read_group(self, path: str, column: str, group: int) -> pa.Array:
        try:
            # With the metadata at hand, opening takes a twentieth of the time the row group takes.
            with pq.ParquetFile(self._located(path), metadata=self._shard(path)[0], memory_map=True) as shard:
                return shard.read_row_group(group, columns=[column], use_threads=False)[column].combine_chunks()
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, error) from error

    def _read_array(self, path: str, key: str) -> NDArray[np.uint8]:
        try:
            with np.load(self._located(path)) as arrays:
                array: NDArray[np.uint8] = arrays[key]
                return array
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            raise _unreadable(path, error) from error

    def _file(self, path: str) -> bytes:
        try:
            return self._located(path).read_bytes()
        except OSError as error:
            raise _unreadable(path, error) from error

    def _located(self, path: str) -> Path:
        relative = Path(path)
        if relative.is_absolute() or ".." in relative.parts:
            raise CatalogError(f"the catalog refers to {path!r}, outside of its corpus at {self._root}")
        return self._root / relative


def _decoded(png: bytes | pa.Buffer, flags: int, path: str) -> Pixels:
    data = np.frombuffer(png, np.uint8)
    pixels = cv2.imdecode(data, flags) if len(data) else None
    if pixels is None:
        raise _unreadable(path, "no PNG image")
    return np.asarray(pixels, np.uint8)


def _position(index: int | None, end: int, path: str) -> int:
    if index is None or not 0 <= index < end:
        raise CatalogError(f"{path} holds {end} entries, the catalog asks for number {index}: catalog and files differ")
    return index


def _unreadable(path: str, error: object) -> CatalogError:
    return CatalogError(f"{path} is missing or damaged ({error}): restore it, or curate its data set again")
