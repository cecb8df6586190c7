"""A view of an image: the part that is kept, resized to the model's square, its pixels changed, flipped and turned.

A view is drawn by its image's hash and its number alone, so that a teacher's embedding of it can be stored once and the
same view be made again for the student.
"""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from predict.prepare import fit_to, prepare_boxes, prepare_mask, prepare_pixels
from train.data.augment import Symmetry, apply_symmetry, change_pixels, draw_crop, draw_symmetry, move_box
from train.data.augmentations import Augmentation

HASH = "image_hash"
"""The catalog column that views and stored embeddings go by."""
MASK_SIZE = 256
"""Edge of the masks, as of the decoder's logits, whatever the size of the image."""


class View(NamedTuple):
    """A prepared image, and how a mask of its source gets there."""

    image: NDArray[np.float32]
    """(3, S, S) in [0, 1], zero-padded."""
    crop: tuple[int, int, int, int]
    """x0, y0, x1, y1 of the part of the source, half open."""
    inside: NDArray[np.int64]
    """x0, y0, x1, y1 of the part's first and last pixels in the square; the rest of it is padding."""
    symmetry: Symmetry

    def mask(self, mask: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
        """Return what the view shows of a mask (H, W): (256, 256) of 0 and 1, and its box in the square of S.

        None where it shows nothing of it.
        """
        x0, y0, x1, y1 = self.crop
        part = mask[y0:y1, x0:x1]
        x, y, width, height = cv2.boundingRect(part)
        if not width:
            return None
        size = self.image.shape[-1]
        box = prepare_boxes(np.array([[x, y, x + width - 1, y + height - 1]]), fit_to(y1 - y0, x1 - x0, size))[0]
        small = prepare_mask(part, fit_to(y1 - y0, x1 - x0, MASK_SIZE))
        return apply_symmetry(small, self.symmetry), move_box(box, self.symmetry, size)


def draw_view(pixels: NDArray[np.uint8], table: Sequence[Augmentation], size: int, rng: np.random.Generator) -> View:
    """Return a view of an image (H, W) or (H, W, 3) in the square of `size`, by the table; none: the image as it is."""
    x0, y0, x1, y1 = draw_crop(table, pixels.shape[0], pixels.shape[1], rng)
    part = np.ascontiguousarray(pixels[y0:y1, x0:x1])
    fit = fit_to(y1 - y0, x1 - x0, size)
    image = prepare_pixels(part, fit)
    inside = image[:, : fit.rows, : fit.columns]
    inside[:] = change_pixels(inside, table, rng)
    symmetry = draw_symmetry(table, rng)
    corners = move_box(np.array([0, 0, fit.columns - 1, fit.rows - 1]), symmetry, size)
    return View(apply_symmetry(image, symmetry), (x0, y0, x1, y1), corners, symmetry)


def numbered_view(
    pixels: NDArray[np.uint8], table: Sequence[Augmentation], size: int, image_hash: str, number: int
) -> View:
    """Return view `number` of the image of a hash; number 0 is the image as it is."""
    rng = np.random.default_rng([zlib.crc32(image_hash.encode()), number])
    return draw_view(pixels, table if number else (), size, rng)


def view_key(image_hash: str, number: int) -> str:
    """Return the key of a view's embedding in a store."""
    return f"{image_hash}.{number}" if number else image_hash
