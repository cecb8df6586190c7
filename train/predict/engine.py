"""What prediction asks of the thing that runs a model."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from train.predict.inputs import Case
from train.prepare import Fit

Mask = NDArray[np.bool_]
Box = NDArray[np.int64]
Labels = NDArray[np.uint8 | np.uint16]

E = TypeVar("E")


class Engine(Protocol[E]):
    """Images to embeddings, embeddings and boxes to masks; `size` is the edge of the model's image in pixels."""

    @property
    def size(self) -> int: ...  # noqa: D102

    def embed(self, image: NDArray[np.float32]) -> E:
        """Return the embedding of an image (3, S, S) in [0, 1]."""
        ...

    def masks(self, embedding: E, boxes: Box, fit: Fit) -> Iterable[Mask]:
        """Return a mask (H, W) for each box (N, 4) in the model's pixels."""
        ...


def blank_labels(case: Case) -> Labels:
    """Return zeros in the shape of a case, of a dtype that holds a label for each of its boxes."""
    return np.zeros(case.shape, np.uint8 if len(case.boxes) < 256 else np.uint16)
