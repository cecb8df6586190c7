"""Arrays of pixels and boxes: each shape with one meaning is accepted, others are refused with what is allowed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from predict.errors import CaseFault, InputError

IMAGE_FORMS = "(H, W), (H, W, 1), (H, W, 3) or RGBA (H, W, 4)"
VOLUME_FORMS = "(D, H, W), (D, H, W, 1), (D, H, W, 3) or RGBA (D, H, W, 4)"
BOX_FORMS = "(4,) or (N, 4) on an image: x0, y0, x1, y1; (6,) or (N, 6) in a volume: x0, y0, z0, x1, y1, z1"


def as_boxes(boxes: NDArray[Any]) -> NDArray[Any]:
    """Return boxes (4,), (N, 4), (6,) or (N, 6) as (N, 4) or (N, 6).

    Raises:
        InputError: they have another shape, or are not finite numbers.
    """
    if boxes.dtype.kind not in "iuf":
        raise InputError(CaseFault.BOX_FORM, f"boxes are {boxes.dtype}; they must be numbers")
    if boxes.shape == (0,):
        boxes = boxes.reshape(0, 4)
    rows = boxes[None] if boxes.ndim == 1 else boxes
    if rows.ndim != 2 or rows.shape[1] not in (4, 6):
        raise InputError(CaseFault.BOX_FORM, f"boxes are {shape_of(boxes)}; they must be {BOX_FORMS}")
    if rows.dtype.kind == "f" and not np.isfinite(rows).all():
        raise InputError(CaseFault.BOX_FORM, f"box {rows[~np.isfinite(rows).all(1)][0].tolist()}: not finite")
    return rows


def as_pixels(pixels: NDArray[Any], volume: bool, what: str = "pixels") -> NDArray[Any]:
    """Return pixels of an image as (H, W) or (H, W, 3), of a volume as (D, H, W) or (D, H, W, 3); alpha is dropped.

    Raises:
        InputError: they have another shape, or none at all.
    """
    plain = 3 if volume else 2
    channels = pixels.shape[plain] if pixels.ndim == plain + 1 else None
    if not pixels.size or pixels.ndim not in (plain, plain + 1) or channels not in (None, 1, 3, 4):
        with_boxes = (
            f"with boxes of {6 if volume else 4} numbers they must be {VOLUME_FORMS if volume else IMAGE_FORMS}"
        )
        raise InputError(CaseFault.FORM, f"{what} are {shape_of(pixels)}; {with_boxes}")
    if channels == 1:
        return pixels[..., 0]
    return pixels[..., :3] if channels == 4 else pixels


def shape_of(array: NDArray[Any]) -> str:
    """Return `(40, 60, 3)`, or `(4,)` for a row."""
    return str(tuple(array.shape))
