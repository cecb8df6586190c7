"""Enlarge logits of the model's square to a mask of the image's size, without torch.

Bilinear interpolation is above the threshold only near logits that are: everything else is skipped. The result equals
torch's `interpolate` (bilinear, align_corners=False) of the logits' crop: the same float32 positions and weights, first
across and then down.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from predict.engines.engine import LOGITS, BinaryMask
from predict.prepare import Fit

ABOVE_HALF = 1.5 * 2**-24
"""The greatest logit whose float32 sigmoid is not above 0.5, the threshold of LiteMedSAM's script."""
IN_CACHE = 1 << 16
"""Pixels computed at once: 256 KiB of float32 stay in a core's cache."""


class Taps(NamedTuple):
    """Along one axis: the two old pixels (before, after) around each new pixel, and the weights of both."""

    before: NDArray[np.intp]
    after: NDArray[np.intp]
    near: NDArray[np.float32]
    far: NDArray[np.float32]

    def part(self, start: int, stop: int) -> "Taps":
        """Return the taps of the new pixels from `start` to before `stop`."""
        return Taps(self.before[start:stop], self.after[start:stop], self.near[start:stop], self.far[start:stop])


class MaskPatch(NamedTuple):
    """A mask of an image that is empty outside of `mask`, whose first row and column are `top` and `left`."""

    top: int
    left: int
    mask: BinaryMask


def enlarge(logits: NDArray[np.float32], fit: Fit) -> BinaryMask:
    """Return the mask (H, W) of logits (256, 256) over the model's square."""
    mask = np.zeros((fit.height, fit.width), np.bool_)
    patch = enlarge_patch(logits, fit)
    if patch is not None:
        height, width = patch.mask.shape
        mask[patch.top : patch.top + height, patch.left : patch.left + width] = patch.mask
    return mask


def enlarge_patch(logits: NDArray[np.float32], fit: Fit) -> MaskPatch | None:
    """Return the patch of `enlarge`'s mask that holds all of it; None if the mask is empty."""
    if fit.size != LOGITS:
        taps = _taps(LOGITS, fit.size)
        logits = _mix_rows(_mix_columns(logits, taps), taps)
    cut = logits[: fit.rows, : fit.columns]
    left, top, width, height = cv2.boundingRect((cut > ABOVE_HALF).view(np.uint8))
    if not width:
        return None
    down, first_row = _touching(_taps(fit.rows, fit.height), top, top + height)
    across, first_column = _touching(_taps(fit.columns, fit.width), left, left + width)
    if not len(down.near) or not len(across.near):
        return None  # the image is so small that these logits are between its pixels
    low, high = down.before[0], down.after[-1] + 1
    rows = _mix_columns(cut[low:high], across)
    down = down._replace(before=down.before - low, after=down.after - low)
    mask = np.empty((len(down.near), rows.shape[1]), np.bool_)
    step = max(1, IN_CACHE // rows.shape[1])
    for start in range(0, len(mask), step):
        piece = down.part(start, start + step)
        np.greater(_mix_rows(rows, piece), np.float32(ABOVE_HALF), out=mask[start : start + step])
    return MaskPatch(first_row, first_column, mask)


def _taps(old: int, new: int) -> Taps:
    """Return the taps from `old` pixels to `new`, in float32, as torch computes them."""
    scale = np.float32(old) / np.float32(new)
    place = np.maximum(scale * (np.arange(new, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5), np.float32(0))
    before = np.minimum(place.astype(np.intp), old - 1)
    far = np.clip(place - before.astype(np.float32), 0, 1, dtype=np.float32)
    return Taps(before, np.minimum(before + 1, old - 1), np.float32(1) - far, far)


def _touching(taps: Taps, low: int, high: int) -> tuple[Taps, int]:
    """Return the taps of the new pixels that read any old pixel from `low` to before `high`, and the first's number."""
    first = int(np.searchsorted(taps.after, low, "left"))
    last = int(np.searchsorted(taps.before, high, "left"))
    return taps.part(first, last), first


def _mix_columns(rows: NDArray[np.float32], taps: Taps) -> NDArray[np.float32]:
    return rows[:, taps.before] * taps.near + rows[:, taps.after] * taps.far


def _mix_rows(rows: NDArray[np.float32], taps: Taps) -> NDArray[np.float32]:
    mixed = rows[taps.before]
    mixed *= taps.near[:, None]
    other = rows[taps.after]
    other *= taps.far[:, None]
    mixed += other
    return mixed
