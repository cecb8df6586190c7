"""What a student imitates: the teacher's embeddings, computed at each step or stored before, and its mask logits."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from catalog.samples import Samples
from predict.presets import EMBEDDING, GRID
from train.data.augment import apply_symmetry
from train.data.dataset import Item, as_symmetry
from train.data.views import HASH, view_key
from train.embeddings.store import EmbeddingCache
from train.errors import RequestError
from train.models.segmenter import Segmenter


class Taught(NamedTuple):
    """What the teacher gives for a batch."""

    embedding: Tensor
    """(B, 256, 64, 64)."""
    logits: Tensor | None = None
    """(B, 1, 256, 256), of the batch's boxes; None unless they are imitated."""


class Target(Protocol):
    """Gives what the teacher makes of a batch."""

    def __call__(self, samples: Samples, batch: Item, *, masks: bool = True) -> Taught:
        """Return it for a batch of these samples, on the batch's device; logits only with `masks`."""
        ...


class LiveTarget:
    """Runs the teacher on the images that the student sees.

    Args:
        teacher: The teacher.
        size: The edge of the student's image in pixels.
        device: Where both run.
        decodes: Also draw the teacher's masks.

    Raises:
        RequestError: teacher and student take images of different sizes, or the embedding has another shape.
    """

    def __init__(self, teacher: Segmenter, size: int, device: torch.device, *, decodes: bool = False) -> None:
        name = teacher.preset.name
        if teacher.preset.image_size != size:
            raise RequestError(
                f"{name} takes images of {teacher.preset.image_size} pixels, the student of {size}: store its "
                "embeddings first with `train embed`"
            )
        self._teacher = teacher.eval().requires_grad_(False).to(device)
        self._decodes = decodes
        with torch.inference_mode():
            check_shape(name, self._teacher.embed(torch.zeros(1, 3, size, size, device=device)).shape[1:])

    @torch.no_grad()
    def __call__(self, samples: Samples, batch: Item, *, masks: bool = True) -> Taught:
        """Return the teacher's embeddings, and its logits where they are asked for."""
        embedding = self._teacher.embed(batch.image)
        return Taught(embedding, self._teacher.decode(embedding, batch.box)[0] if masks and self._decodes else None)


class StoredTarget:
    """Reads embeddings from a folder.

    Args:
        cache: The folder.
        flipped: An embedding of the image as it is gets flipped and turned with its image; else it is used as stored.
            Those of numbered views are flipped already.
        teacher: Its decoder draws masks on the stored embeddings; None: masks are not imitated.
    """

    def __init__(self, cache: EmbeddingCache, *, flipped: bool = True, teacher: Segmenter | None = None) -> None:
        self._cache = cache
        self._flipped = flipped
        self._teacher = None if teacher is None else teacher.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, samples: Samples, batch: Item, *, masks: bool = True) -> Taught:
        """Return the stored embeddings of the batch's views, float16, and the teacher's logits where asked for."""
        numbers = batch.view.tolist()
        hashes = [samples.table[HASH][row].as_py() for row in batch.row.tolist()]
        stored = self._cache.batch([view_key(*pair) for pair in zip(hashes, numbers, strict=True)])
        if self._flipped:
            stored = torch.stack(
                [
                    one if number else apply_symmetry(one, as_symmetry(row))
                    for one, row, number in zip(stored, batch.symmetry, numbers, strict=True)
                ]
            )
        stored = stored.to(batch.image.device, non_blocking=True)
        if self._teacher is None or not masks:
            return Taught(stored)
        return Taught(stored, self._teacher.to(stored.device).decode(stored.float(), batch.box)[0])


def check_shape(name: str, shape: torch.Size | tuple[int, ...]) -> None:
    """Raise RequestError where an embedding is not 256 x 64 x 64."""
    if tuple(shape) != (EMBEDDING, GRID, GRID):
        raise RequestError(
            f"an embedding of {name} is {' x '.join(map(str, shape))}, the student's {EMBEDDING} x {GRID} x {GRID}: "
            "choose another teacher"
        )
