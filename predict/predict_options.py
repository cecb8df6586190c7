"""How cases are segmented, and where results go."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from predict.propagation.embeddings import MEMORY
from predict.propagation.volume import Propagation

Overlaps = Literal["smallest", "last", "layers"]
"""Where objects overlap: which one has the pixel in the label map, or one file for each object."""


@dataclass(frozen=True)
class PredictOptions:
    """The options of a run.

    out: The folder of labels.
    propagation: How boxes go from slice to slice.
    memory: Bytes that kept embeddings may take.
    min_iou: Objects with a lower expected IoU are not drawn.
    overlaps: What becomes of pixels that several objects have.
    overlay: The folder of pictures to look at; None: none are drawn.
    score: Cases are scored by the reference labels they come with.
    """

    out: Path
    propagation: Propagation = "clean"
    memory: int = MEMORY
    min_iou: float | None = None
    overlaps: Overlaps = "smallest"
    overlay: Path | None = None
    score: bool = False
