"""Embeddings of a volume's slices that are needed a second time."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic

from predict.engines.engine import E

EMBEDDING_BYTES = 256 * 64 * 64 * 4
MEMORY = 512 << 20
"""Default of the bytes that kept embeddings may take: 128 slices."""


class SliceEmbeddings(Generic[E]):
    """Compute embeddings of slices; keep the latest ones, as many as `memory` bytes hold, at least one."""

    def __init__(self, encode: Callable[[int], E], memory: int) -> None:
        self._encode = encode
        self._capacity = max(1, memory // EMBEDDING_BYTES)
        self._kept: OrderedDict[int, E] = OrderedDict()

    def get(self, z: int, again: bool) -> E:
        """Return the embedding of slice `z`; keep it where it is needed `again`."""
        embedding = self._kept.pop(z) if z in self._kept else self._encode(z)
        if again:
            self._kept[z] = embedding
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return embedding
