"""Against the script's own formulas, spelled with OpenCV and NumPy on three channels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predict.prepare import fit_to, prepare_boxes, prepare_pixels

from .conftest import IMAGES, read_image, script_pixels

SIDE = st.integers(8, 700)


@settings(max_examples=60)
@given(SIDE, SIDE, st.integers(0, 255), st.integers(0, 255), st.booleans(), st.integers(0, 2**31))
def test_pixels_are_the_scripts(height, width, low, high, colour, seed):
    low, high = min(low, high), max(low, high)
    shape = (height, width, 3) if colour else (height, width)
    pixels = np.random.default_rng(seed).integers(low, high, shape, np.uint8, endpoint=True)
    prepared = prepare_pixels(pixels, fit_to(height, width, 256))
    expected = script_pixels(pixels if colour else np.stack([pixels] * 3, -1))
    np.testing.assert_array_equal(prepared, expected[0].numpy())
    assert prepared.flags.c_contiguous


@pytest.mark.parametrize("name", IMAGES)
def test_real_pixels_are_the_scripts(name, shared_data):
    pixels = read_image(shared_data, name).pixels
    prepared = prepare_pixels(pixels, fit_to(*pixels.shape[:2], 256))
    np.testing.assert_array_equal(prepared, script_pixels(pixels)[0].numpy())
    assert (prepared.min(), prepared.max()) == (0, 1)


def test_a_blank_image_is_zeros():
    prepared = prepare_pixels(np.full((40, 30), 77, np.uint8), fit_to(40, 30, 256))
    assert prepared.shape == (3, 256, 256)
    assert not prepared.any()


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [(512, 512, 256, 256), (290, 320, 232, 256), (480, 560, 219, 256), (3024, 4032, 192, 256), (1, 1000, 1, 256)],
)
def test_the_longer_edge_is_256(height, width, rows, columns):
    fit = fit_to(height, width, 256)
    assert (fit.rows, fit.columns) == (rows, columns)


@settings(max_examples=60)
@given(
    SIDE,
    SIDE,
    st.sampled_from(["uint8", "uint16", "int32", "int64", "float32", "float64"]),
    st.integers(0, 2**31),
)
def test_boxes_are_cut_off_as_in_the_script(height, width, dtype, seed):
    extent = np.minimum(np.tile([width, height], 2), 255)
    boxes = (np.random.default_rng(seed).random((9, 4)) * extent).astype(dtype)
    expected = np.zeros_like(boxes)
    for row, column in np.ndindex(*boxes.shape):
        expected[row, column] = int(boxes[row, column] * (256 / max(height, width)))
    np.testing.assert_array_equal(prepare_boxes(boxes, fit_to(height, width, 256)), expected)
