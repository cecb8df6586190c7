"""Where slices and masks go: PNG files, one npz a slice, or Parquet shards.

A store writes one case. `image` starts a slice, `mask` adds to it; both say under which path, and at which position
inside it, the pixels are found. Only `close` makes the case whole; `abort` takes back what was written.
"""

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

STORES = ("png", "npz", "shards")


class Place(NamedTuple):
    """A path relative to the corpus, with `/`, and the position inside a container; None for a file of its own."""

    path: str
    position: int | None


class Store(Protocol):
    """What the pipeline asks of a store."""

    def image(self, name: str, pixels: NDArray[np.uint8]) -> Place:
        """Start the slice `name`: grey (h, w) or RGB (h, w, 3)."""

    def mask(self, name: str, bits: NDArray[np.uint8], width: int) -> Place:
        """Add a mask to the slice started last; `bits` (h, ceil(width / 8)) may be overwritten after the call."""

    def close(self) -> None:
        """Write what is still held back."""

    def abort(self) -> None:
        """Remove what this case has written."""


def open_store(kind: str, root: Path, dataset: str, piece: Path) -> Store:
    """Return the store `kind` for one case of `dataset` in the corpus at `root`.

    `piece` is where a shard keeps the case's images until cases are packed together.
    """
    if kind == "png":
        from catalog.stores.png import PngStore

        return PngStore(root, dataset)
    if kind == "npz":
        from catalog.stores.npz import NpzStore

        return NpzStore(root, dataset)
    from catalog.stores.shards import ShardStore

    return ShardStore(piece)
