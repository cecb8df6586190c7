"""The protocol of an engine, and the prompts and masks that it exchanges."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

BinaryMask = NDArray[np.bool_]
BoxCorners = NDArray[np.int64]
LabelArray = NDArray[np.uint8 | np.uint16]

LOGITS = 256
"""Rows and columns of the logits of every model, whatever its image size."""
CORNERS = (2, 3)
"""Kinds of a box's first and second corner; the kind of a point is its sign."""
NO_POINT = -1
"""Kind of a token that stands for no point."""

E = TypeVar("E")


@dataclass(frozen=True)
class Prompts:
    """Prompts of N objects, one row each, in pixels of the model's square image; None: not given.

    boxes: (N, 4), x0, y0, x1, y1.
    points: (N, P, 2), x, y.
    signs: (N, P): 1 a point inside the object, 0 outside, -1 no point, where an object has fewer than others.
    masks: (N, 256, 256), logits over the square.
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
        """Return positions (N, T, 2) in the model's pixels and the kind of each (N, T), as SAM orders them.

        Points come before the box's corners; without a box, a `NO_POINT` ends the row. The points of a row are filled
        up to 1, 2, 4, 8, ... with `NO_POINT`: engines compile a graph for each number of tokens.
        """
        places, kinds = [], []
        if self.points is not None:
            assert self.signs is not None
            more = padded_count(self.points.shape[1]) - self.points.shape[1]
            places.append(np.pad(self.points.astype(np.float32), ((0, 0), (0, more), (0, 0))))
            kinds.append(np.pad(self.signs.astype(np.int64), ((0, 0), (0, more)), constant_values=NO_POINT))
        if self.boxes is not None:
            places.append(self.boxes.reshape(-1, 2, 2).astype(np.float32))
            kinds.append(np.broadcast_to(np.array(CORNERS, np.int64), (len(self), 2)))
        else:
            places.append(np.zeros((len(self), 1, 2), np.float32))
            kinds.append(np.full((len(self), 1), NO_POINT, np.int64))
        return np.concatenate(places, 1), np.concatenate(kinds, 1)


class MaskLogits(NamedTuple):
    """Masks of N prompts: `logits` (N, 256, 256), the mask where they are above 0, and the expected `iou` (N,)."""

    logits: NDArray[np.float32]
    iou: NDArray[np.float32]


class Engine(Protocol[E]):
    """Turns images into embeddings, and embeddings with prompts into masks.

    `size` is the edge of the model's square image in pixels; `precision` is f32, bf16 or int8.
    """

    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def precision(self) -> str: ...  # noqa: D102

    def embed(self, image: NDArray[np.float32]) -> E:
        """Return the embedding of an image (3, S, S) in [0, 1]; later calls leave it as it is."""
        ...

    def decode(self, embedding: E, prompts: Prompts) -> Iterator[MaskLogits]:
        """Yield the masks of the prompts on an embedding, in order, a batch of objects at a time.

        Exhaust the iterator before the next call of the engine.
        """
        ...


def padded_count(points: int) -> int:
    """Return the number of points that a row of `points` is filled up to: the next power of two, 0 of none."""
    return 1 << (points - 1).bit_length() if points else 0


def blank_labels(shape: tuple[int, ...], count: int) -> LabelArray:
    """Return a label map of zeros: uint8 where it holds the labels 1 to `count`, else uint16."""
    return np.zeros(shape, np.uint8 if count < 256 else np.uint16)
