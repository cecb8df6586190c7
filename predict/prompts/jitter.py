"""Boxes as a user draws them: somewhat wider than what they hold."""

import zlib

import numpy as np
from numpy.typing import NDArray


def jittered(
    boxes: NDArray[np.int64], shape: tuple[int, ...], jitter: int = 0, seed: int = 0, name: str = ""
) -> NDArray[np.int64]:
    """Return boxes whose sides in x and y are moved outwards, as the challenge does, but not out of the image.

    A box of one pixel comes out a pixel wider, as in the challenge.

    Args:
        boxes: (N, 4) of an image or (N, 6) of a volume; the last pixels are inside.
        shape: (H, W) or (D, H, W).
        jitter: The sides of a box move by one number from 0 to this, in pixels of an image 256 wide and high; the
            challenge takes 5.
        seed: Seed of the numbers.
        name: Name of the case: two cases with one seed get other numbers.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    shifts = rng.integers(0, jitter, len(boxes), endpoint=True)
    moved, half = boxes.copy(), boxes.shape[1] // 2
    for axis, length in ((0, shape[-1]), (1, shape[-2])):
        by = shifts * length // 256
        moved[:, axis] = np.maximum(0, boxes[:, axis] - by)
        high = np.minimum(length - 1, boxes[:, axis + half] + by)
        moved[:, axis + half] = np.maximum(high, moved[:, axis] + 1)  # which may be the border itself
    return moved
