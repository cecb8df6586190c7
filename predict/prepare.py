"""Prepare pixels and boxes as LiteMedSAM's script does (bowang-lab/MedSAM, CVPR24_LiteMedSAM_infer.py)."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Fit:
    """How an image of `height` x `width` fits into the model's square of `size`: upper left, `rows` x `columns`."""

    height: int
    width: int
    size: int
    rows: int
    columns: int


def fit_to(height: int, width: int, size: int) -> Fit:
    """Return the fit whose longer edge is `size` pixels."""
    scale = size / max(height, width)
    return Fit(height, width, size, max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5)))


def prepare_pixels(pixels: NDArray[np.uint8], fit: Fit) -> NDArray[np.float32]:
    """Return (3, S, S) in [0, 1] of an image (H, W) or (H, W, 3): resized by area, then stretched, then zero-padded.

    The extremes are those of the resized image, of all channels together.
    """
    small = cv2.resize(pixels, (fit.columns, fit.rows), interpolation=cv2.INTER_AREA)
    low, high = int(small.min()), int(small.max())
    levels = ((np.arange(256) - low) / max(high - low, 1e-8)).astype(np.float32)
    padded = np.zeros((3, fit.size, fit.size), np.float32)
    padded[:, : fit.rows, : fit.columns] = levels[small if small.ndim == 2 else small.transpose(2, 0, 1)]
    return padded


def prepare_boxes(boxes: NDArray[Any], fit: Fit) -> NDArray[np.int64]:
    """Return boxes (N, 4) in the model's pixels: scaled in their own dtype, then truncated."""
    return (boxes * (fit.size / max(fit.height, fit.width))).astype(np.int64)
