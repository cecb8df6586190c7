"""Masks keep their place and size, by exact areas in rational numbers."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.resize import resize_mask


def disc(size, x, y, radius):
    """Return a mask (size, size) of a disc whose centre is at (x, y), in pixels from the upper left corner."""
    rows, columns = np.mgrid[:size, :size] + 0.5
    return np.hypot(columns - x, rows - y) < radius


def centroid(mask):
    """Return x, y of a mask's centre in pixels from the upper left corner."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


def overlap(old, new):
    """Return how much of each of `new` equal parts lies in each of `old`, (new, old), as fractions of a new part."""

    def common(i, j):
        low, high = max(Fraction(i, new), Fraction(j, old)), min(Fraction(i + 1, new), Fraction(j + 1, old))
        return max(Fraction(0), high - low) * new

    return np.array([[common(i, j) for j in range(old)] for i in range(new)], object)


@pytest.mark.parametrize("size", [256, 257, 384, 512, 640, 767, 1023, 1024, 1280, 1536, 1791, 2048])
def test_a_disc_keeps_its_centroid_and_area(size):
    rng = np.random.default_rng(size)
    shifts, areas, factor = [], [], size / 256
    for _ in range(60):
        x, y = rng.uniform(60, 196, 2) * factor
        mask = disc(size, x, y, rng.uniform(15, 55) * factor)
        small = resize_mask(mask, 256, 256)
        shifts.append(centroid(small) - centroid(mask) / factor)
        areas.append(small.sum() * factor**2 / mask.sum())
    # One disc moves by its rounding to pixels, all of them together do not.
    np.testing.assert_allclose(np.mean(shifts, 0), 0, atol=0.04 if size == 257 else 0.012)
    assert np.mean(areas) == pytest.approx(1, abs=0.01)


def test_opencvs_nearest_neighbour_does_not():
    mask = disc(1024, 500, 400, 130)
    small = cv2.resize(mask.view(np.uint8), (256, 256), interpolation=cv2.INTER_NEAREST)
    np.testing.assert_allclose(centroid(small) - centroid(mask) / 4, 3 / 8, atol=0.02)


@settings(max_examples=150)
@given(st.tuples(*[st.integers(1, 24)] * 4), st.integers(0, 2**31), st.sampled_from([0.02, 0.2, 0.5, 0.9]))
def test_each_pixel_is_decided_by_its_exact_area(sizes, seed, share):
    height, width, rows, columns = sizes
    mask = np.random.default_rng(seed).random((height, width)) < share
    covered = overlap(height, rows) @ mask.astype(int).astype(object) @ overlap(width, columns).T
    greatest = covered.max()
    limit = Fraction(1, 2) if greatest >= Fraction(1, 2) else greatest / 2
    expected = (covered >= limit) & (covered > 0)
    small = resize_mask(mask, rows, columns)
    np.testing.assert_array_equal(small, expected)
    assert small.any() == mask.any()


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_vessel_thinner_than_half_a_pixel_survives_where_it_is(width):
    mask = np.zeros((2048, 2048), np.uint8)
    mask[1001 : 1001 + width, 300:1700] = 255
    small = resize_mask(mask, 256, 256)
    assert set(np.nonzero(small)[0]) == {1001 // 8}
    assert small.sum() == pytest.approx(1400 / 8, abs=1)


def test_enlarging_shows_the_same_shape_and_one_size_is_unchanged():
    mask = np.random.default_rng(0).random((7, 9)) < 0.5
    np.testing.assert_array_equal(resize_mask(mask, 21, 45), np.kron(mask, np.ones((3, 5))) > 0)
    np.testing.assert_array_equal(resize_mask(mask, 7, 9), mask)
    assert not resize_mask(np.zeros((9, 9), np.uint8), 3, 3).any()
