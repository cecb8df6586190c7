"""The box with which the next slice of a volume is prompted, from this slice's mask."""

import cv2
import numpy as np
from numpy.typing import NDArray

from predict.engines.engine import LOGITS, BinaryMask, BoxCorners
from predict.prepare import Fit

MARGIN = 3
"""Pixels, of 256, by which the box of a mask is widened on every side."""


def clean_box(logits: NDArray[np.float32], fit: Fit) -> BoxCorners | None:
    """Return the box of the logits (256, 256) above 0 in the model's pixels, with the margin; None if none is."""
    scale = fit.size // LOGITS
    x, y, width, height = cv2.boundingRect(
        (logits[: -(-fit.rows // scale), : -(-fit.columns // scale)] > 0).view(np.uint8)
    )
    if not width:
        return None
    x1, y1 = min((x + width) * scale, fit.columns) - 1, min((y + height) * scale, fit.rows) - 1
    return _widen(x * scale, y * scale, x1, y1, fit.size)


def official_box(mask: BinaryMask, label: np.uint8 | np.uint16, fit: Fit) -> BoxCorners | None:
    """Return the box of a mask (H, W) as LiteMedSAM's script does: of what is left of it after a resize by area."""
    labelled = np.where(mask, label, label.dtype.type(0))
    small = cv2.resize(labelled, (fit.columns, fit.rows), interpolation=cv2.INTER_AREA)
    x, y, width, height = cv2.boundingRect((small > 0).view(np.uint8))
    return _widen(x, y, x + width - 1, y + height - 1, fit.size) if width else None


def _widen(x0: int, y0: int, x1: int, y1: int, size: int) -> BoxCorners:
    margin = MARGIN * size // 256
    # As in the script, the far corner may be one past the last pixel.
    return np.array([max(0, x0 - margin), max(0, y0 - margin), min(size, x1 + margin), min(size, y1 + margin)])
