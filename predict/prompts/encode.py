"""What is known of an image's objects, in the model's pixels."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from predict.engines.engine import LOGITS, Labels, Prompts
from predict.inputs.case import Case
from predict.prepare import Fit, fit_to, prepare_boxes

SURE = 10.0
"""Logits of a mask prompt are this inside and its negative outside: about as far as a model's own go."""
HINTS_AT_ONCE = 32
"""Mask prompts made at once, 256 KiB each."""


def object_prompts(case: Case, fit: Fit) -> Iterator[tuple[NDArray[np.int64], Prompts]]:
    """Yield the labels of an image's objects with their prompts, a group for each way in which objects are known.

    An object that has a box is never asked for together with one that has none, nor one of two points with one of
    three, so that what comes of an object depends on no other one.
    """
    count = len(case.boxes)
    has_box = ~np.isnan(case.boxes).any(1) if case.boxes.dtype.kind == "f" else np.ones(count, bool)
    owner = case.points[:, 0].astype(np.int64) - 1
    points = np.bincount(owner, minlength=count)
    has_hint = np.zeros(count, bool)
    if case.hint is not None:
        has_hint[np.unique(case.hint[case.hint > 0]).astype(np.int64) - 1] = True
    kinds, kind_of = np.unique(np.stack([has_box, points, has_hint], 1), axis=0, return_inverse=True)
    for kind, (box, held, hint) in enumerate(kinds.tolist()):
        numbers = np.flatnonzero(kind_of.reshape(-1) == kind)
        table = case.points[np.isin(owner, numbers)]
        table = table[np.argsort(table[:, 0], kind="stable")].reshape(len(numbers), held, 4)
        boxes = prepare_boxes(case.boxes[numbers], fit) if box else None
        places = (table[..., 1:3] * (fit.size / max(fit.height, fit.width))).astype(np.float32) if held else None
        signs = table[..., 3].astype(np.int64) if held else None
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


def _hints(hint: Labels, labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return logits (N, 256, 256) of where the labels are in (H, W): positive where most of a pixel is the object."""
    height, width = hint.shape
    fit = fit_to(height, width, LOGITS)
    logits = np.full((len(labels), LOGITS, LOGITS), -SURE, np.float32)
    for row, label in zip(logits, labels, strict=True):
        inside = (hint == label).astype(np.float32)
        small = cv2.resize(inside, (fit.columns, fit.rows), interpolation=cv2.INTER_AREA)
        row[: fit.rows, : fit.columns] = SURE * (2 * small - 1)
    return logits
