"""Hashes are of decoded pixels and their shape, and of nothing else."""

import io

import cv2
import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from PIL import Image

from catalog.hashes import bits_hash, image_hash, mask_hash

images = arrays(
    np.uint8,
    st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda shape: st.sampled_from([shape, (*shape, 3)])),
)
masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=30))


@given(images)
def test_an_images_hash_is_xxh3_of_its_bytes_seeded_with_its_shape(pixels: NDArray[np.uint8]) -> None:
    height, width = pixels.shape[:2]
    channels = 3 if pixels.ndim == 3 else 1
    seed = height * 2**32 + width * 4 + channels
    assert image_hash(pixels) == xxhash.xxh3_64(pixels.tobytes(), seed=seed).hexdigest()
    assert len(image_hash(pixels)) == 16


@given(masks)
def test_a_masks_hash_is_that_of_its_bits(mask: NDArray[np.bool_]) -> None:
    height, width = mask.shape
    bits = np.packbits(mask, axis=-1)
    wanted = xxhash.xxh3_64(bits.tobytes(), seed=height * 2**32 + width).hexdigest()
    assert bits_hash(bits, width) == wanted
    for values in (mask, mask.astype(np.uint8), mask * np.uint8(255), mask * np.int32(-3), mask.astype(np.float32)):
        assert mask_hash(values) == wanted


@given(images)
def test_layout_in_memory_does_not_matter(pixels: NDArray[np.uint8]) -> None:
    wanted = image_hash(pixels)
    assert image_hash(np.asfortranarray(pixels)) == wanted
    doubled = np.repeat(np.repeat(pixels, 2, axis=0), 2, axis=1)
    assert image_hash(doubled[::2, ::2]) == wanted
    assert mask_hash(doubled[::2, ::2, ...].reshape(pixels.shape[0], -1)) == mask_hash(
        pixels.reshape(pixels.shape[0], -1)
    )


def test_the_same_bytes_in_another_shape_have_another_hash() -> None:
    data = np.zeros(36, np.uint8)
    shapes = [(6, 6), (4, 9), (9, 4), (12, 3), (3, 12), (36, 1), (1, 36), (4, 3, 3), (3, 4, 3), (12, 1, 3), (1, 12, 3)]
    assert len({image_hash(data.reshape(shape)) for shape in shapes}) == len(shapes)
    empty = {mask_hash(np.zeros((height, width), bool)) for height in (1, 2, 8, 16) for width in (1, 2, 8, 16)}
    assert len(empty) == 16, "equal bits, other shapes"


@given(images, st.data())
def test_one_pixel_makes_another_hash(pixels: NDArray[np.uint8], data: st.DataObject) -> None:
    other = pixels.copy()
    place = data.draw(st.integers(0, other.size - 1))
    other.reshape(-1)[place] ^= data.draw(st.integers(1, 255))
    assert image_hash(other) != image_hash(pixels)


@pytest.mark.parametrize("shape", [(30, 41), (30, 41, 3)])
def test_encoders_do_not_matter(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    by_opencv = cv2.imdecode(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1], cv2.IMREAD_UNCHANGED)
    assert (
        image_hash(np.asarray(Image.open(buffer))) == image_hash(np.asarray(by_opencv, np.uint8)) == image_hash(pixels)
    )


def test_values_that_must_never_change() -> None:
    """Catalogs on disk hold them."""
    assert image_hash(np.arange(12, dtype=np.uint8).reshape(3, 4)) == "4cdd20e9f87260a5"
    assert mask_hash(np.eye(9, dtype=bool)) == "88353636da51585c"
