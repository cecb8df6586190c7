import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.imaging.slices import plane_spacing, square_size, stack, too_narrow

SIZE = {"z": 4, "y": 5, "x": 6}


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "int64", "float64"]
)
@pytest.mark.parametrize(("axis", "rows", "columns"), [("z", "y", "x"), ("y", "z", "x"), ("x", "z", "y")])
def test_every_slice_is_a_plane_of_the_volume(axis: str, rows: str, columns: str, dtype: str) -> None:
    volume = np.random.default_rng(1).permutation(120).reshape(4, 5, 6).astype(dtype)
    stacked = stack(volume, axis)
    assert stacked.dtype == dtype
    assert stacked.shape == (SIZE[axis], SIZE[rows], SIZE[columns])
    for number in range(SIZE[axis]):
        for row in range(SIZE[rows]):
            for column in range(SIZE[columns]):
                place = {axis: number, rows: row, columns: column}
                assert stacked[number, row, column] == volume[place["z"], place["y"], place["x"]]


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_colour_keeps_its_channels(axis: str) -> None:
    colour = np.random.default_rng(2).integers(0, 255, (4, 5, 6, 3)).astype(np.uint8)
    expected = np.stack([stack(np.ascontiguousarray(colour[..., n]), axis) for n in range(3)], axis=-1)
    np.testing.assert_array_equal(stack(colour, axis), expected)


def test_spacing_goes_with_the_axes() -> None:
    zyx = (3.0, 2.0, 1.0)
    assert plane_spacing(zyx, "z") == (2.0, 1.0, 3.0)
    assert plane_spacing(zyx, "y") == (3.0, 1.0, 2.0)
    assert plane_spacing(zyx, "x") == (3.0, 2.0, 1.0)
    assert plane_spacing(None, "x") == (None, None, None)


@pytest.mark.parametrize(
    ("height", "width", "dropped"),
    [
        (256, 512, False),
        (255, 512, True),
        (512, 255, True),
        (512, 256, False),
        (1, 2, False),
        (1, 3, True),
        (7, 7, False),
    ],
)
def test_the_short_edge_under_half_the_long_edge_is_dropped(height: int, width: int, dropped: bool) -> None:
    assert too_narrow(height, width) is dropped


def test_square_pixels_of_the_finer_spacing() -> None:
    assert square_size(20, 100, (5.0, 1.0, 1.0)) == (100, 100)
    assert square_size(100, 20, (0.5, 2.0, None)) == (100, 80)
    assert square_size(30, 40, (0.7, 0.7, 5.0)) == (30, 40)
    assert square_size(30, 40, (None, None, None)) == (30, 40)


@given(st.integers(1, 900), st.integers(1, 900), st.floats(0.05, 10), st.floats(0.05, 10))
def test_square_pixels_keep_the_extent(height: int, width: int, row: float, column: float) -> None:
    new_height, new_width = square_size(height, width, (row, column, None))
    finer = min(row, column)
    assert (new_height, new_width) >= (height, width)
    assert abs(new_height * finer - height * row) <= finer / 2 * (1 + 1e-9)
    assert abs(new_width * finer - width * column) <= finer / 2 * (1 + 1e-9)
