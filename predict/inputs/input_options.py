"""What the user gives with the cases: prompts, reference labels, a window."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from curate.imaging.window import NONE, Window
from predict.inputs.label_files import LabelFolder
from predict.prompts.tables import NamedBoxes


@dataclass(frozen=True)
class InputOptions:
    """Prompts by the name of their case, and how cases are read.

    boxes: The objects of each picture or scan.
    points: Points (M, 4) of each picture: object, x, y, inside.
    whole: A picture without prompts is one object, with the whole image as its box.
    masks: Label pictures that say roughly where objects are.
    truth: Label files to score by.
    score: Cases are scored.
    boxes_from_truth: Boxes are made from the reference labels.
    jitter, seed: Widen such boxes, see `jittered`.
    window: How intensities become 8 bits.
    strict: Refuse a case where otherwise it would be changed, with a note.
    """

    boxes: Mapping[str, NamedBoxes] = field(default_factory=dict)
    points: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    whole: bool = False
    masks: LabelFolder | None = None
    truth: LabelFolder | None = None
    score: bool = False
    boxes_from_truth: bool = False
    jitter: int = 0
    seed: int = 0
    window: Window = NONE
    strict: bool = False
