"""Whether boxes and points are numbers that lie inside their image, with an extent."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from predict.errors import CaseError

MOST_BOXES = 65535
"""Labels are 16 bits wide at most."""
SHOWN = 3
Z = 2


def check_boxes(boxes: NDArray[Any], shape: tuple[int, ...], through: int = Z) -> None:
    """Check boxes (N, 4) of an image (H, W), (N, 6) of a volume (k, j, i); rows of nan are no boxes.

    Every box has an extent and lies inside; its far side may lie on the edge itself. Only along the axis `through` (0,
    1, 2: i, j, k) from slice to slice may it begin and end at one place, and must it do so on slices.

    Raises:
        CaseError: a box is not so; the message names the first ones.
    """
    half = boxes.shape[1] // 2
    if len(boxes) > MOST_BOXES:
        raise CaseError(f"there are {len(boxes)} boxes; labels go to {MOST_BOXES}: split the case")
    given = ~np.isnan(boxes).all(1) if boxes.dtype.kind == "f" else np.ones(len(boxes), bool)
    low, high = boxes[:, :half], boxes[:, half:]
    extent = shape[::-1]  # x, y, z
    if boxes.dtype.kind == "f":
        _refuse(boxes, given & ~np.isfinite(boxes).all(1), "not finite")
        if half == 3:
            slices = boxes[:, [through, through + 3]]
            _refuse(boxes, given & (slices != np.floor(slices)).any(1), "between two slices")
    _refuse(boxes, (low > high).any(1), "inverted: x0, y0, z0, x1, y1, z1 is the order" if half == 3
            else "inverted: x0, y0, x1, y1 is the order")  # fmt: skip
    flat = np.arange(half) != through  # a z range of one slice is not empty
    _refuse(boxes, ((low == high) & flat).any(1), "empty")
    outside = (low < 0) | (high > extent) | (low >= extent)
    _refuse(boxes, outside.any(1), f"outside the {'volume' if half == 3 else 'image'} of {size_of(shape)} pixels")


def check_points(points: NDArray[np.float64], shape: tuple[int, ...]) -> None:
    """Check points (M, 4) as a case has them: each lies inside its image (H, W).

    Raises CaseError that names the first ones that do not.
    """
    places = points[:, 1:3]
    outside = ~((places >= 0) & (places <= np.subtract(shape[::-1], 1))).all(1)
    if outside.any():
        found = np.flatnonzero(outside)
        named = ", ".join(f"{points[i, 1:3].tolist()} of object {points[i, 0]:.0f}" for i in found[:SHOWN])
        raise CaseError(f"point {named}{_more(found)}: outside the image of {size_of(shape)} pixels")


def size_of(shape: tuple[int, ...]) -> str:
    """Return `40 x 60`."""
    return " x ".join(str(length) for length in shape)


def _refuse(boxes: NDArray[Any], wrong: Any, what: str) -> None:
    if not wrong.any():
        return
    found = np.flatnonzero(wrong)
    named = ", ".join(f"{i + 1} {boxes[i].tolist()}" for i in found[:SHOWN])
    raise CaseError(f"{'boxes' if len(found) > 1 else 'box'} {named}{_more(found)} of {len(boxes)}: {what}")


def _more(found: NDArray[np.int64]) -> str:
    return f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
