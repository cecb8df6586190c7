"""Hashes of decoded pixels: equal pixels have equal hashes, whatever encoder or store wrote them."""

from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray


def image_hash(pixels: NDArray[np.uint8]) -> str:
    """Return the hash of `pixels` (h, w) or (h, w, 3): 16 hex digits of xxh3-64, seeded with the shape.

    The seed is height * 2**32 + width * 4 + channels, so that a reshaped image has another hash.
    """
    height, width, channels = (*pixels.shape, 1)[:3]
    return xxhash.xxh3_64_hexdigest(np.ascontiguousarray(pixels).data, seed=(height << 32) + width * 4 + channels)


def mask_hash(mask: NDArray[Any]) -> str:
    """Return the hash of a mask (h, w), 16 hex digits; every value but 0 is foreground."""
    return bits_hash(np.packbits(mask != 0, axis=-1), mask.shape[1])


def bits_hash(bits: NDArray[np.uint8], width: int) -> str:
    """Return the hash of a mask packed 8 pixels a byte along its rows (numpy.packbits), seeded with its shape."""
    return xxhash.xxh3_64_hexdigest(bits.data, seed=(len(bits) << 32) + width)
