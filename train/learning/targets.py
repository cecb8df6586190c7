"""What a student's embedding is to become: the teacher's, computed at each step or stored before."""

from typing import Protocol

import torch
from torch import Tensor

from catalog.samples import Samples
from predict.presets import EMBEDDING, GRID
from train.data.augment import apply_symmetry
from train.data.dataset import Item, as_symmetry
from train.embeddings.embed import HASH
from train.embeddings.store import EmbeddingCache
from train.errors import RequestError
from train.models.segmenter import Segmenter


class Target(Protocol):
    """Gives the teacher's embeddings (B, 256, 64, 64) of a batch."""

    def __call__(self, samples: Samples, batch: Item) -> Tensor:
        """Return them for a batch of these samples, on the batch's device."""
        ...


class LiveTarget:
    """Runs the teacher on the very images that the student sees.

    Raises:
        RequestError: the teacher takes images of another size than the student, or gives another embedding.
    """

    def __init__(self, teacher: Segmenter, size: int, device: torch.device) -> None:
        name = teacher.preset.name
        if teacher.preset.image_size != size:
            raise RequestError(
                f"{name} takes images of {teacher.preset.image_size} pixels, the student of {size}: store its "
                "embeddings first, by `train embed`"
            )
        self._teacher = teacher.eval().requires_grad_(False).to(device)
        with torch.inference_mode():
            check_shape(name, self._teacher.embed(torch.zeros(1, 3, size, size, device=device)).shape[1:])

    @torch.no_grad()
    def __call__(self, samples: Samples, batch: Item) -> Tensor:
        """Return the embeddings of the batch's images."""
        return self._teacher.embed(batch.image)


class StoredTarget:
    """Reads embeddings from a folder; they are of the images as they are in the corpus.

    Args:
        cache: The folder.
        flipped: An embedding is flipped and turned with its image; else it is taken as it was stored.
    """

    def __init__(self, cache: EmbeddingCache, *, flipped: bool = True) -> None:
        self._cache = cache
        self._flipped = flipped

    def __call__(self, samples: Samples, batch: Item) -> Tensor:
        """Return the stored embeddings of the batch's images, float16."""
        keys = [samples.table[HASH][row].as_py() for row in batch.row.tolist()]
        stored = self._cache.batch(keys)
        if self._flipped:
            stored = torch.stack(
                [apply_symmetry(one, as_symmetry(row)) for one, row in zip(stored, batch.symmetry, strict=True)]
            )
        return stored.to(batch.image.device, non_blocking=True)


def check_shape(name: str, shape: torch.Size | tuple[int, ...]) -> None:
    """Raise RequestError where an embedding is not 256 x 64 x 64."""
    if tuple(shape) != (EMBEDDING, GRID, GRID):
        raise RequestError(
            f"an embedding of {name} is {' x '.join(map(str, shape))}, the student's {EMBEDDING} x {GRID} x {GRID}: "
            "take another teacher"
        )
