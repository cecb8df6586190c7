"""The decoded pixels behind a catalog row, whichever store keeps them."""

from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from catalog.stores.base import PixelSource
from catalog.stores.registry import store_of_path

Pixels: TypeAlias = NDArray[np.uint8]


class PixelReader:
    """Reads images and masks of the corpus at `root`, in any order.

    Each store keeps its last `cached` containers (npz arrays, row groups of about 4 MB) in memory, so that the masks
    of an image, and its neighbours in a shard, cost no second read. No file stays open: a reader may be shared by
    threads, pickled, and carried over a fork.
    """

    def __init__(self, root: Path, cached: int = 8) -> None:
        self._root = root
        self._cached = cached
        self._sources: dict[str, PixelSource] = {}

    def __reduce__(self) -> tuple[type["PixelReader"], tuple[Path, int]]:
        return PixelReader, (self._root, self._cached)

    def image(self, path: str, image_index: int | None = None) -> Pixels:
        """Return an image, grey (h, w) or RGB (h, w, 3), from the catalog's `image` and `image_index`.

        Raises:
            CatalogError: The pixels are missing or damaged, or no store reads the path.
        """
        return self._source(path).image(path, image_index)

    def mask(self, path: str, mask_index: int | None = None, image_index: int | None = None) -> Pixels:
        """Return a mask (h, w) of 0 and 255, from the catalog's `mask`, `mask_index` and `image_index`.

        Raises:
            CatalogError: The pixels are missing or damaged, or no store reads the path.
        """
        return self._source(path).mask(path, mask_index, image_index)

    def _source(self, path: str) -> PixelSource:
        record = store_of_path(path)
        if record.name not in self._sources:
            self._sources[record.name] = record.load().open_source(self._root, self._cached)
        return self._sources[record.name]
