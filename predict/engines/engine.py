"""What prediction asks of the thing that runs a model, and what it is asked with."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Box = NDArray[np.int64]
Labels = NDArray[np.uint8 | np.uint16]

LOGITS = 256
"""Rows and columns of the logits of every model, whatever its image size."""
CORNERS = (2, 3)
"""The kinds of a box's first and second corner; a point's kind is its sign."""
NO_POINT = -1

E = TypeVar("E")


@dataclass(frozen=True)
class Prompts:
    """What is known of N objects, a row each, places in the model's pixels; None: not given.

    `boxes` (N, 4) are x0, y0, x1, y1. `points` (N, P, 2) are x, y with `signs` (N, P): 1 inside the object, 0 outside,
    -1 no point, where an object has fewer than others. `masks` (N, 256, 256) are logits over the model's square.
    """

    boxes: NDArray[np.int64] | None = None
    points: NDArray[np.float32] | None = None
    signs: NDArray[np.int64] | None = None
    masks: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return next((len(rows) for rows in (self.boxes, self.points, self.masks) if rows is not None), 0)

    def part(self, start: int, stop: int) -> "Prompts":
        """Return the objects from `start` to before `stop`."""
        rows = (getattr(self, field.name) for field in fields(self))
        return Prompts(*(None if one is None else one[start:stop] for one in rows))

    def tokens(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return places (N, T, 2) in the model's pixels and the kind of each (N, T), as SAM orders them.

        Points stand before the box's corners; without a box, a `NO_POINT` ends the row.
        """
        places, kinds = [], []
        if self.points is not None:
            assert self.signs is not None
            places.append(self.points.astype(np.float32))
            kinds.append(self.signs.astype(np.int64))
        if self.boxes is not None:
            places.append(self.boxes.reshape(-1, 2, 2).astype(np.float32))
            kinds.append(np.broadcast_to(np.array(CORNERS, np.int64), (len(self), 2)))
        else:
            places.append(np.zeros((len(self), 1, 2), np.float32))
            kinds.append(np.full((len(self), 1), NO_POINT, np.int64))
        return np.concatenate(places, 1), np.concatenate(kinds, 1)


class Decoded(NamedTuple):
    """What N prompts draw: `logits` (N, 256, 256), above 0 the mask, and `iou` (N,), as the model expects it."""

    logits: NDArray[np.float32]
    iou: NDArray[np.float32]


class Engine(Protocol[E]):
    """Images to embeddings, embeddings and prompts to masks.

    `size` is the edge of the model's image in pixels; `precision` is f32, bf16 or int8: what it computes in.
    """

    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def precision(self) -> str: ...  # noqa: D102

    def embed(self, image: NDArray[np.float32]) -> E:
        """Return the embedding of an image (3, S, S) in [0, 1]: an array of its own, which may be kept."""
        ...

    def decode(self, embedding: E, prompts: Prompts) -> Iterator[Decoded]:
        """Yield what the prompts draw on an embedding, in order, a batch of objects at a time.

        All is to be taken before the engine is asked for something else.
        """
        ...


def blank_labels(shape: tuple[int, ...], count: int) -> Labels:
    """Return zeros of a shape, of a dtype that holds the labels 1 to `count`."""
    return np.zeros(shape, np.uint8 if count < 256 else np.uint16)
