"""Check boxes and points against the extent of their image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from predict.errors import CaseFault, InputError

MOST_BOXES = 65535
"""Labels have 16 bits at most."""
SHOWN = 3
Z = 2


def clip_boxes(boxes: NDArray[Any], shape: tuple[int, ...], through: int = Z) -> tuple[NDArray[Any], int]:
    """Return boxes that end at the border of their image, and how many reached past it.

    A box runs from its first pixel to its last, both inside it: one of a single pixel is valid.

    Args:
        boxes: (N, 4) of an image, (N, 6) of a volume; a row of nan is not a box.
        shape: (H, W) or (D, H, W).
        through: The axis from slice to slice, 0, 1, 2 for x, y, z; there a box must begin and end on slices.

    Raises:
        InputError: a box is not finite, is inverted, or is outside; the message names the first ones.
    """
    half = boxes.shape[1] // 2
    if len(boxes) > MOST_BOXES:
        raise InputError(CaseFault.BOX_COUNT, f"{len(boxes)} boxes, but labels end at {MOST_BOXES}: split the case")
    given = ~np.isnan(boxes).all(1) if boxes.dtype.kind == "f" else np.ones(len(boxes), bool)
    low, high = boxes[:, :half], boxes[:, half:]
    last = np.subtract(shape[::-1], 1)  # x, y, z
    if boxes.dtype.kind == "f":
        _refuse(boxes, given & ~np.isfinite(boxes).all(1), CaseFault.BOX_FORM, "not finite")
        if half == 3:
            slices = boxes[:, [through, through + 3]]
            _refuse(boxes, given & (slices != np.floor(slices)).any(1), CaseFault.BOX_FORM, "between two slices")
    order = "x0, y0, z0, x1, y1, z1" if half == 3 else "x0, y0, x1, y1"
    _refuse(boxes, (low > high).any(1), CaseFault.BOX_ORDER, f"inverted, the order is {order}")
    outside = ((high < 0) | (low > last)).any(1)
    what = "volume" if half == 3 else "image"
    _refuse(boxes, outside, CaseFault.BOX_OUTSIDE, f"outside the {what} of {size_of(shape)} pixels")
    past = ((low < 0) | (high > last)).any(1)
    if not past.any():
        return boxes, 0
    low, high = np.maximum(low, 0), np.minimum(high, last)  # those of nan stay so
    return np.concatenate([low, high], 1).astype(boxes.dtype), int(past.sum())


def check_points(points: NDArray[np.float64], shape: tuple[int, ...]) -> None:
    """Raise InputError where a point (M, 4) of a case is outside its image (H, W); it names the first ones."""
    places = points[:, 1:3]
    outside = ~((places >= 0) & (places <= np.subtract(shape[::-1], 1))).all(1)
    if outside.any():
        found = np.flatnonzero(outside)
        named = ", ".join(f"{points[i, 1:3].tolist()} of object {points[i, 0]:.0f}" for i in found[:SHOWN])
        message = f"point {named}{_more(found)}: outside the image of {size_of(shape)} pixels"
        raise InputError(CaseFault.POINT_OUTSIDE, message)


def size_of(shape: tuple[int, ...]) -> str:
    """Return `40 x 60`."""
    return " x ".join(str(length) for length in shape)


def _refuse(boxes: NDArray[Any], wrong: Any, fault: CaseFault, what: str) -> None:
    if not wrong.any():
        return
    found = np.flatnonzero(wrong)
    named = ", ".join(f"{i + 1} {boxes[i].tolist()}" for i in found[:SHOWN])
    raise InputError(fault, f"{'boxes' if len(found) > 1 else 'box'} {named}{_more(found)} of {len(boxes)}: {what}")


def _more(found: NDArray[np.int64]) -> str:
    return f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
