"""Prepare pixels, boxes and masks for a model.

Pixels and boxes are prepared as in LiteMedSAM's script (bowang-lab/MedSAM, CVPR24_LiteMedSAM_infer.py).
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.resize import resize_mask


@dataclass(frozen=True)
class Fit:
    """The placement of a `height` x `width` image in the model's square: its upper left `rows` x `columns` pixels."""

    height: int
    width: int
    size: int
    rows: int
    columns: int


def fit_to(height: int, width: int, size: int) -> Fit:
    """Return the placement whose longer edge is `size` pixels."""
    scale = size / max(height, width)
    return Fit(height, width, size, max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5)))


def prepare_pixels(pixels: NDArray[np.uint8], fit: Fit) -> NDArray[np.float32]:
    """Resize an image (H, W) or (H, W, 3) by area, stretch it to [0, 1] and zero-pad it to (3, S, S).

    The stretch uses the extremes of the resized image over all channels.
    """
    small = cv2.resize(pixels, (fit.columns, fit.rows), interpolation=cv2.INTER_AREA)
    low, high = int(small.min()), int(small.max())
    levels = ((np.arange(256) - low) / max(high - low, 1e-8)).astype(np.float32)
    padded = np.zeros((3, fit.size, fit.size), np.float32)
    padded[:, : fit.rows, : fit.columns] = levels[small if small.ndim == 2 else small.transpose(2, 0, 1)]
    return padded


def prepare_mask(mask: NDArray[np.bool_] | NDArray[np.uint8], fit: Fit) -> NDArray[np.uint8]:
    """Return a mask (H, W) as (S, S) of 0 and 1: resized by area (see `resize_mask`), then zero-padded."""
    padded = np.zeros((fit.size, fit.size), np.uint8)
    padded[: fit.rows, : fit.columns] = resize_mask(mask, fit.rows, fit.columns)
    return padded


def prepare_boxes(boxes: NDArray[Any], fit: Fit) -> NDArray[np.int64]:
    """Scale boxes (N, 4) to the model's pixels in their own dtype and truncate them, as the script does."""
    return (boxes * (fit.size / max(fit.height, fit.width))).astype(np.int64)
