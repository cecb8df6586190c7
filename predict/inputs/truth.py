"""Boxes from a reference segmentation, as the challenge makes them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from predict.engines.engine import Labels, blank_labels
from predict.errors import CaseError
from predict.prompts.checks import size_of

MOST_LABELS = 65535


def check_truth(truth: NDArray[Any], shape: tuple[int, ...]) -> Labels:
    """Return reference labels as they are; raises CaseError where they are no labels, or of another shape."""
    if truth.shape != shape:
        raise CaseError(f"the reference labels have {size_of(truth.shape)} pixels, the image has {size_of(shape)}")
    _check_ids(truth)
    return truth


def numbered(truth: NDArray[Any]) -> Labels:
    """Return label ids, whichever they are, as 1 to N in their order; 0 stays the background.

    Raises CaseError where they are no whole numbers from 0 on, or where there is nothing but background.
    """
    _check_ids(truth)
    ids = np.unique(truth)
    ids = ids[ids > 0]
    if not len(ids):
        raise CaseError("there is no object in the reference labels")
    if len(ids) > MOST_LABELS:
        raise CaseError(f"the reference has {len(ids)} labels; labels go to {MOST_LABELS}: split the case")
    labels = blank_labels(truth.shape, len(ids))
    labels[...] = np.searchsorted(ids, truth, side="right")
    return labels


def boxes_of(labels: Labels) -> NDArray[np.int64]:
    """Return a tight box a label 1 to N: x0, y0, x1, y1 of (H, W), x0, y0, z0, x1, y1, z1 of (D, H, W), all inside.

    Each label must occur. In a volume x, y are those of the middle one of the slices that hold the label, for that is
    where a box's way begins (read: JunMa11/CVPR-MedSegFMCompetition, get_boxes.py; its middle is that of the voxels).
    """
    places = np.nonzero(labels)
    ids = labels[places]
    order = np.argsort(ids, kind="stable")
    starts = np.flatnonzero(np.diff(ids[order].astype(np.int64), prepend=0))
    boxes = []
    for part in np.split(order, starts[1:]):
        *z, y, x = (axis[part] for axis in places)
        if z:
            slices = np.unique(z[0])
            here = z[0] == slices[(len(slices) - 1) // 2]
            y, x = y[here], x[here]
        low, high = [x.min(), y.min()], [x.max(), y.max()]
        boxes.append([*low, slices[0], *high, slices[-1]] if z else [*low, *high])
    return np.array(boxes, np.int64)


def _check_ids(truth: NDArray[Any]) -> None:
    if truth.dtype.kind not in "iub" or truth.min(initial=0) < 0:
        raise CaseError(f"the reference labels are {truth.dtype}; they must be whole numbers from 0 on")
