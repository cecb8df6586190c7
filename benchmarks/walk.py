"""How the challenge's baseline makes images and boxes ready, and how a box walks through a volume, in other words.

bowang-lab/MedSAM, branch LiteMedSAM, CVPR24_LiteMedSAM_infer.py, 23 May 2024. Both peers stand on it.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 256
MARGIN = 3

Array = NDArray[Any]


def ways(box: list[int], depth: int) -> list[tuple[int, int | None]]:
    """Slices in the script's order, each with the neighbour whose mask makes its box; None: the given box."""
    z0, z1 = box[2], box[5]
    middle = int((z1 - z0) / 2 + z0)
    up = [(z, z - 1) for z in range(middle + 1, min(z1 + 1, depth))]
    return [(middle, None), *up, *((z, z + 1) for z in range(middle - 1, max(-1, z0 - 1), -1))]


def shrunk(pixels: Array) -> Array:
    """The longest side to 256 by area."""
    scale = SIZE / max(pixels.shape[:2])
    height, width = (int(length * scale + 0.5) for length in pixels.shape[:2])
    resized: Array = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return resized


def prepare(pixels: Array) -> tuple[Array, tuple[int, int]]:
    """An image (H, W) or (H, W, 3) as (1, 3, 256, 256), shrunk, stretched, padded; and the rows and columns used."""
    small = shrunk(np.repeat(pixels[..., None], 3, -1) if pixels.ndim == 2 else pixels)
    rows, columns = small.shape[:2]
    stretched = (small - small.min()) / np.clip(small.max() - small.min(), a_min=1e-8, a_max=None)
    padded = np.pad(stretched, ((0, SIZE - rows), (0, SIZE - columns), (0, 0)))
    return np.ascontiguousarray(padded.transpose(2, 0, 1)[None], np.float32), (rows, columns)


def scaled(box: Array, shape: tuple[int, ...]) -> Array:
    """A box x0, y0, x1, y1 in the model's pixels, cut off after the point."""
    ratio = SIZE / max(shape[:2])
    return np.array([int(place * ratio) for place in box])


def box_of(labels: Array) -> Array | None:
    """The box of a slice's mask, which holds its label, after a resize by area, and the margin; None if empty."""
    small = shrunk(labels)
    if not small.any():
        return None
    rows, columns = np.nonzero(small)
    low = np.maximum(0, [columns.min() - MARGIN, rows.min() - MARGIN])
    return np.concatenate([low, np.minimum(SIZE, [columns.max() + MARGIN, rows.max() + MARGIN])])
