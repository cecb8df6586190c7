"""What a user tells of the cases in a folder: where their objects are, how to window them, what to score them by."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.imaging.window import NONE, Window
from predict.errors import CaseError, FolderError
from predict.inputs.case import Case
from predict.inputs.label_files import find_label, read_label_picture
from predict.inputs.truth import boxes_of, check_truth, numbered
from predict.prompts.checks import check_points
from predict.prompts.jitter import jittered
from predict.prompts.tables import Objects


@dataclass(frozen=True)
class Request:
    """What is known of each case, by its name.

    boxes: The objects of each picture or scan.
    points: Points (M, 4) of each picture: object, x, y, inside.
    masks: A folder of label pictures that say roughly where objects are.
    truth: A folder of label files to score by.
    score: Whether cases are scored.
    boxes_from_truth: Boxes are made from the reference labels.
    jitter, seed: Of such boxes, see `jittered`.
    window: How pictures and scans become 8-bit.

    Raises FolderError where a folder is none.
    """

    boxes: Mapping[str, Objects] = field(default_factory=dict)
    points: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    masks: Path | None = None
    truth: Path | None = None
    score: bool = False
    boxes_from_truth: bool = False
    jitter: int = 0
    seed: int = 0
    window: Window = NONE

    def __post_init__(self) -> None:
        for folder in (self.masks, self.truth):
            if folder is not None and not folder.is_dir():
                raise FolderError(f"{folder} is no folder; give the one that holds the label files")


def with_truth(case: Case, request: Request) -> Case:
    """Return a case with boxes from its truth if so asked; its truth is kept where it is scored.

    Raises:
        CaseError: there is no truth where one is needed, or it is not of the case's shape.
    """
    truth = case.truth
    if truth is None:
        if request.boxes_from_truth or request.score:
            raise CaseError(
                "there are no reference labels to " + ("score it by" if request.score else "take boxes from")
            )
        return case
    if request.boxes_from_truth:
        truth = numbered(check_truth(truth, case.shape))
        boxes = jittered(boxes_of(truth), case.shape, request.jitter, request.seed, case.name)
        case = replace(case, boxes=boxes)
    return replace(case, truth=check_truth(truth, case.shape) if request.score else None)


def with_hints(case: Case, request: Request, path: Path) -> Case:
    """Return a case of the file `path` with the points and the mask that were given for it.

    Raises:
        CaseError: they do not fit the image, or an object is left of which nothing is known.
    """
    points = request.points.get(case.name, case.points)
    found = None if request.masks is None else find_label(request.masks, path)
    if case.is_volume and (len(points) or found is not None):
        raise CaseError("it is a volume: points and masks prompt images alone, a volume takes boxes")
    hint = None if found is None else read_label_picture(found, case.shape)
    check_points(points, case.shape[-2:])
    count = max(len(case.boxes), int(points[:, 0].max(initial=0)), 0 if hint is None else int(hint.max()))
    if not count:
        raise CaseError(
            "nothing says where its objects are: give boxes (--boxes), points (--points) or masks (--masks)"
        )
    boxes, lacking = case.boxes, count - len(case.boxes)
    if lacking:
        boxes = np.vstack([boxes.astype(np.float64), np.full((lacking, boxes.shape[1]), np.nan)])
    told = {*points[:, 0].astype(int).tolist(), *(() if hint is None else np.unique(hint).tolist())}
    bare = [number for number in range(len(case.boxes) + 1, count + 1) if number not in told]
    if bare:
        raise CaseError(f"object {bare[0]} of {count} has neither a box, a point nor a mask")
    names = case.names + ("",) * lacking if case.names else ()
    return replace(case, boxes=boxes, points=points, hint=hint, names=names)
