"""Logits of the model's square to a mask of the image's size, without torch, and only where there is something.

Bilinear interpolation gives nothing above the threshold where none of the four logits around is: what lies beyond the
neighbourhood of positive logits is never computed. What is computed equals torch's `interpolate` (bilinear,
align_corners=False) of the logits' crop: the same float32 places and weights, across first and then down.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from predict.engines.engine import LOGITS, Labels, Mask
from predict.prepare import Fit

ABOVE_HALF = 1.5 * 2**-24
"""Logits above it, and none below, have a float32 sigmoid above 0.5, which is what LiteMedSAM's script asks for."""
IN_CACHE = 1 << 16
"""Pixels that are worked on at once: 256 KiB of float32 stay in a core's cache."""


class Taps(NamedTuple):
    """Along one axis: which two of the pixels (before, after) each new pixel lies between, and the weight of each."""

    before: NDArray[np.intp]
    after: NDArray[np.intp]
    near: NDArray[np.float32]
    far: NDArray[np.float32]

    def part(self, start: int, stop: int) -> "Taps":
        """Return the taps of the new pixels from `start` to before `stop`."""
        return Taps(self.before[start:stop], self.after[start:stop], self.near[start:stop], self.far[start:stop])


class Part(NamedTuple):
    """A mask that is empty but for the pixels from `top` and `left` on: `mask` is what stands there."""

    top: int
    left: int
    mask: Mask

    def paint(self, labels: Labels, label: int) -> None:
        """Set the mask's pixels of an image (H, W) to the label, unless they have a greater one."""
        height, width = self.mask.shape
        there = labels[self.top : self.top + height, self.left : self.left + width]
        np.maximum(there, labels.dtype.type(label), out=there, where=self.mask)


def enlarge(logits: NDArray[np.float32], fit: Fit) -> Mask:
    """Return the mask (H, W) that logits (256, 256) draw over the model's square."""
    mask = np.zeros((fit.height, fit.width), np.bool_)
    part = enlarge_part(logits, fit)
    if part is not None:
        height, width = part.mask.shape
        mask[part.top : part.top + height, part.left : part.left + width] = part.mask
    return mask


def enlarge_part(logits: NDArray[np.float32], fit: Fit) -> Part | None:
    """Return what `enlarge` would, as its part that holds all of it; None if it is empty."""
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
        return None  # an image shrunk by so much that these logits lie between its pixels
    low, high = down.before[0], down.after[-1] + 1
    rows = _mix_columns(cut[low:high], across)
    down = down._replace(before=down.before - low, after=down.after - low)
    mask = np.empty((len(down.near), rows.shape[1]), np.bool_)
    step = max(1, IN_CACHE // rows.shape[1])
    for start in range(0, len(mask), step):
        piece = down.part(start, start + step)
        np.greater(_mix_rows(rows, piece), np.float32(ABOVE_HALF), out=mask[start : start + step])
    return Part(first_row, first_column, mask)


def _taps(old: int, new: int) -> Taps:
    """Return the taps from `old` pixels to `new`, all in float32 as torch reckons them."""
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
