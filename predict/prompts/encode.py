"""The prompts of an image's objects, in the model's pixels."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from predict.engines.engine import LOGITS, NO_POINT, LabelArray, Prompts, padded_count
from predict.inputs.case import PromptedCase
from predict.prepare import Fit, fit_to, prepare_boxes

SURE = 10.0
"""Logits of a mask prompt inside the mask, and their negative outside: about the extremes of a model's own logits."""
HINTS_AT_ONCE = 32
"""Mask prompts made at once, 256 KiB each."""


def object_prompts(case: PromptedCase, fit: Fit) -> Iterator[tuple[NDArray[np.int64], Prompts]]:
    """Yield the labels of an image's objects with their prompts, a group for each combination of prompts.

    Objects with a box are never in one group with objects without, nor those whose points are filled up to another
    number: what comes of an object does not depend on the others.
    """
    count = len(case.boxes)
    has_box = ~np.isnan(case.boxes).any(1) if case.boxes.dtype.kind == "f" else np.ones(count, bool)
    owner = case.points[:, 0].astype(np.int64) - 1
    points = np.array([padded_count(held) for held in np.bincount(owner, minlength=count).tolist()], np.int64)
    has_hint = np.zeros(count, bool)
    if case.hint is not None:
        has_hint[np.unique(case.hint[case.hint > 0]).astype(np.int64) - 1] = True
    kinds, kind_of = np.unique(np.stack([has_box, points, has_hint], 1), axis=0, return_inverse=True)
    for kind, (box, held, hint) in enumerate(kinds.tolist()):
        numbers = np.flatnonzero(kind_of.reshape(-1) == kind)
        boxes = prepare_boxes(case.boxes[numbers], fit) if box else None
        places, signs = _points(case, numbers, held, fit) if held else (None, None)
        step = HINTS_AT_ONCE if hint else count
        for start in range(0, len(numbers), step):
            part = slice(start, start + step)
            yield (
                numbers[part] + 1,
                Prompts(
                    boxes=None if boxes is None else boxes[part],
                    points=None if places is None else places[part],
                    signs=None if signs is None else signs[part],
                    masks=_hints(case.hint, numbers[part] + 1) if case.hint is not None and hint else None,
                ),
            )


def _points(
    case: PromptedCase, numbers: NDArray[np.int64], held: int, fit: Fit
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the points (N, P, 2) of objects, from 0, and their signs (N, P), rows filled up to `held` points."""
    places = np.zeros((len(numbers), held, 2), np.float32)
    signs = np.full((len(numbers), held), NO_POINT, np.int64)
    scale = fit.size / max(fit.height, fit.width)
    for row, number in enumerate(numbers.tolist()):
        own = case.points[case.points[:, 0] == number + 1]
        places[row, : len(own)] = own[:, 1:3] * scale
        signs[row, : len(own)] = own[:, 3]
    return places, signs


def _hints(hint: LabelArray, labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return logits (N, 256, 256) of where the labels are in (H, W): positive where most of a pixel is the object."""
    height, width = hint.shape
    fit = fit_to(height, width, LOGITS)
    logits = np.full((len(labels), LOGITS, LOGITS), -SURE, np.float32)
    for row, label in zip(logits, labels, strict=True):
        inside = (hint == label).astype(np.float32)
        small = cv2.resize(inside, (fit.columns, fit.rows), interpolation=cv2.INTER_AREA)
        row[: fit.rows, : fit.columns] = SURE * (2 * small - 1)
    return logits
