"""Against the script's own formulas, spelled with OpenCV and NumPy on three channels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predict.engines.enlarge import enlarge
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


@pytest.mark.parametrize("size", [100, 256, 257, 511, 512, 768, 1023, 1280, 2048])
def test_pixels_and_masks_keep_their_place_on_the_way_to_the_model_and_back(size):
    """The centre of a soft disc in the model's square and of what its logits paint, in pixels of the image."""
    rng = np.random.default_rng(size)
    fit, factor = fit_to(size, size, 256), size / 256
    rows, columns = np.mgrid[:size, :size] + 0.5
    for _ in range(5):
        x, y = rng.uniform(80, 170, 2) * factor
        soft = np.clip(60 - np.hypot(columns - x, rows - y) / factor, 0, 30) / 30
        model = prepare_pixels((255 * soft).astype(np.uint8), fit)[0]
        grid = np.arange(256) + 0.5
        centre = np.array([model.sum(0) @ grid, model.sum(1) @ grid]) / model.sum()
        np.testing.assert_allclose(centre * factor, [x, y], atol=0.02 * factor)

        logits = (40 - np.hypot(grid[None] - x / factor, grid[:, None] - y / factor)).astype(np.float32)
        painted = np.nonzero(enlarge(logits, fit))
        np.testing.assert_allclose([painted[1].mean() + 0.5, painted[0].mean() + 0.5], [x, y], atol=0.1)
