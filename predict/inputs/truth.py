"""Reference labels: their check, and boxes from them as the challenge makes them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from predict.engines.engine import LabelArray, blank_labels
from predict.errors import CaseFault, InputError
from predict.prompts.checks import MOST_BOXES, size_of

SHOWN = 5


def check_truth(truth: NDArray[Any], shape: tuple[int, ...]) -> LabelArray:
    """Return reference labels as they are; raise InputError where they are not labels, or of another shape."""
    if truth.shape != shape:
        sizes = f"{size_of(truth.shape)} pixels, the image has {size_of(shape)}"
        raise InputError(CaseFault.LABEL_GRID, f"the reference labels have {sizes}")
    _check_ids(truth)
    return truth


def numbered(truth: NDArray[Any]) -> LabelArray:
    """Return label ids, whichever they are, as 1 to N in their order; 0 stays the background.

    Raises:
        InputError: they are not whole numbers from 0 on, or there is nothing but background.
    """
    _check_ids(truth)
    ids = np.unique(truth)
    ids = ids[ids > 0]
    if not len(ids):
        raise InputError(CaseFault.NO_REFERENCE, "there is no object in the reference labels")
    if len(ids) > MOST_BOXES:
        raise InputError(CaseFault.BOX_COUNT, f"{len(ids)} reference labels, but labels end at {MOST_BOXES}: split it")
    labels = blank_labels(truth.shape, len(ids))
    labels[...] = np.searchsorted(ids, truth, side="right")
    return labels


def boxes_of(labels: LabelArray) -> NDArray[np.int64]:
    """Return a tight box for each label 1 to N: x0, y0, x1, y1 of (H, W), x0, y0, z0, x1, y1, z1 of (D, H, W).

    Each label must occur; the last pixels are inside. In a volume x and y are those of the middle one of the slices
    that hold the label, since propagation begins there (read: JunMa11/CVPR-MedSegFMCompetition, get_boxes.py; its
    middle is that of the voxels).
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


def order_fault(truth: LabelArray, boxes: NDArray[Any]) -> str | None:
    """Return why label k of the reference may not be object k, whose box is row k - 1; None: it fits.

    `boxes` are inside the image, in its own axes.
    """
    ids = [label for label in np.unique(truth).tolist() if label]
    advice = "label k is compared with object k: renumber the labels in the order of the boxes"
    strange = [label for label in ids if label > len(boxes)]
    if strange:
        return f"the reference has the labels {_listed(ids)}, the objects are 1 to {len(boxes)}; {advice}"
    half = boxes.shape[1] // 2
    apart = []
    for label in ids:
        box = boxes[label - 1]
        if not np.isnan(box.astype(np.float64)).any():
            window = tuple(
                slice(int(low), int(high) + 1) for low, high in zip(box[:half][::-1], box[half:][::-1], strict=True)
            )
            if not (truth[window] == label).any():
                apart.append(label)
    if apart:
        return f"label {_listed(apart)} of the reference is outside of the box of the same number; {advice}"
    return None


def _listed(labels: list[int]) -> str:
    more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
    return f"{', '.join(map(str, labels[:SHOWN]))}{more}"


def _check_ids(truth: NDArray[Any]) -> None:
    if truth.dtype.kind not in "iub" or truth.min(initial=0) < 0:
        message = f"the reference labels are {truth.dtype}; they must be whole numbers from 0 on"
        raise InputError(CaseFault.LABEL_FILE, message)
