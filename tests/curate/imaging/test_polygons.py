"""Polygons to masks: against the definition, pixel by pixel, and against scikit-image and Matplotlib."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path as Outline
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from curate.imaging.polygons import fill_even_odd

SHAPE = (20, 24)


def _square(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((1.5, 2.5, 4.5, 5.5), (2, 3, 4, 5)),
        ((2, 3, 4, 5), (2, 3, 3, 4)),  # a centre on a left or upper edge is inside, on a right or lower one not
        ((-5, -5, 100, 100), (0, 0, 23, 19)),  # cut off at every border
        ((-5, 3, 2.5, 4.5), (0, 3, 2, 4)),
        ((20.5, 15.5, 99, 99), (21, 16, 23, 19)),
    ],
)
def test_rectangles(box: tuple[float, ...], expected: tuple[int, int, int, int]) -> None:
    found = fill_even_odd([_square(*box)], SHAPE)
    x0, y0, x1, y1 = expected
    rows, columns = np.nonzero(found)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (x0, y0, x1, y1)
    assert found.sum() == (x1 - x0 + 1) * (y1 - y0 + 1)


@pytest.mark.parametrize("box", [(-9, 2, -3, 8), (30, 2, 40, 8), (2, -9, 8, -3), (2, 30, 8, 40), (2.1, 2.1, 2.9, 2.9)])
def test_polygons_without_a_pixel(box: tuple[float, ...]) -> None:
    assert not fill_even_odd([_square(*box)], SHAPE).any()
    assert not fill_even_odd([], SHAPE).any()


def test_a_polygon_inside_another_is_a_hole_and_one_inside_that_is_not() -> None:
    boxes = [_square(1.5, 1.5, 15.5, 15.5), _square(3.5, 3.5, 12.5, 12.5), _square(6.5, 6.5, 8.5, 8.5)]
    areas = [fill_even_odd(boxes[:n], SHAPE).sum() for n in (1, 2, 3)]
    assert areas == [14 * 14, 14 * 14 - 9 * 9, 14 * 14 - 9 * 9 + 2 * 2]


def test_a_keyhole_is_a_hole_too() -> None:
    outer, inner = _square(1.5, 1.5, 15.5, 15.5), _square(3.5, 3.5, 12.5, 12.5)[::-1]
    keyhole = np.concatenate([outer, outer[:1], inner, inner[:1]])  # the bridge is walked both ways
    assert np.array_equal(fill_even_odd([keyhole], SHAPE), fill_even_odd([outer, inner], SHAPE))


def test_neighbours_share_no_pixel_and_leave_none() -> None:
    left = np.array([[0, 0], [10.3, 0], [7.7, 19], [0, 19]])
    right = np.array([[10.3, 0], [23, 0], [23, 19], [7.7, 19]])
    both = fill_even_odd([left], SHAPE).astype(int) + fill_even_odd([right], SHAPE)
    assert both[:19, :23].min() == both.max() == 1


_corners = st.lists(
    st.tuples(st.floats(-6, 30, allow_nan=False, width=32), st.floats(-6, 26, allow_nan=False, width=32)),
    min_size=3,
    max_size=12,
)


@given(_corners)
def test_against_the_rule_itself(corners: list[tuple[float, float]]) -> None:
    """A ray from each pixel's centre to the right crosses an odd number of edges."""
    polygon = np.array(corners, np.float64)
    found = fill_even_odd([polygon], SHAPE)
    for row in range(SHAPE[0]):
        for column in range(0, SHAPE[1], 5):
            odd = False
            for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
                if y0 > y1:
                    x0, y0, x1, y1 = x1, y1, x0, y0
                if y0 <= row < y1 and column < x0 + (row - y0) * (x1 - x0) / (y1 - y0):
                    odd = not odd
            assert found[row, column] == odd, (row, column)


@pytest.mark.parametrize("seed", range(20))
def test_against_scikit_image_and_matplotlib(seed: int) -> None:
    """No corner is on a pixel's centre: then there is one answer for simple polygons."""
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
    radii = rng.uniform(3, 14, 12)
    polygon = np.stack([11.37 + radii * np.cos(angles), 9.41 + radii * np.sin(angles)], axis=1)
    found = fill_even_odd([polygon], SHAPE)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    centres = np.stack([x.ravel(), y.ravel()], axis=1)
    assert np.array_equal(found.ravel(), Outline(np.vstack([polygon, polygon[:1]])).contains_points(centres))
    assert np.array_equal(found, polygon2mask(SHAPE, polygon[:, ::-1]))


def test_very_many_contours_do_not_wrap() -> None:
    square = _square(1.5, 1.5, 9.5, 9.5)
    assert fill_even_odd([square] * 513, SHAPE).sum() == 64
    assert not fill_even_odd([square] * 512, SHAPE).any()
