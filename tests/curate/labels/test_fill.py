from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.labels.fill import fill_outlines
from curate.readers import read

Page = NDArray[np.bool_]


def ellipse(
    shape: tuple[int, int],
    centre: tuple[int, int],
    axes: tuple[int, int],
    angle: float = 0,
    start: float = 0,
    end: float = 360,
    thickness: int = 1,
) -> Page:
    """Return an ellipse's line, or (thickness -1) the ellipse; centre and axes in x, y."""
    page = np.zeros(shape, np.uint8)
    cv2.ellipse(page, centre, axes, angle, start, end, 1, thickness)
    return page.astype(bool)


def ragged(line: Page) -> Page:
    """Return a thick line with some holes of 3 x 3 in it, which closing does not fill."""
    middle = np.argwhere(ndimage.binary_erosion(line, np.ones((5, 5))))
    holes = np.zeros_like(line)
    holes[tuple(middle[:: len(middle) // 4].T)] = True
    return line & ~ndimage.binary_dilation(holes, np.ones((3, 3)))


def dice(a: Page, b: Page) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@settings(max_examples=60)
@given(
    axes=st.tuples(st.integers(9, 38), st.integers(9, 28)),
    angle=st.integers(0, 179),
    thickness=st.sampled_from([1, 2, 3, 5]),
)
def test_a_closed_outline_is_filled_as_scipy_fills_it(axes: tuple[int, int], angle: int, thickness: int) -> None:
    line = ellipse((100, 120), (60, 50), axes, angle, thickness=thickness)
    filled = fill_outlines(line, "head.png")
    assert filled.dtype == bool
    closed = ndimage.binary_closing(np.pad(line, 2), np.ones((3, 3)))[2:-2, 2:-2]
    np.testing.assert_array_equal(filled, ndimage.binary_fill_holes(closed))
    assert dice(filled, ellipse((100, 120), (60, 50), axes, angle, thickness=-1) | line) > 0.97


def test_several_outlines() -> None:
    shape = (90, 160)
    left = {"centre": (40, 45), "axes": (25, 30)}
    right = {"centre": (115, 45), "axes": (30, 20)}
    lines = ellipse(shape, **left) | ellipse(shape, **right)
    expected = ellipse(shape, **left, thickness=-1) | ellipse(shape, **right, thickness=-1)
    assert dice(fill_outlines(lines, "cells.png"), expected) > 0.995


def test_an_outline_inside_another_is_filled_with_it() -> None:
    outer = ellipse((100, 100), (50, 50), (40, 40))
    both = outer | ellipse((100, 100), (50, 50), (15, 15))
    np.testing.assert_array_equal(fill_outlines(both, "x.png"), fill_outlines(outer, "x.png"))


@pytest.mark.parametrize("centre", [(60, 0), (60, 99), (0, 50), (119, 50)])
def test_the_border_closes_what_it_cuts_off(centre: tuple[int, int]) -> None:
    line = ellipse((100, 120), centre, (38, 30))
    expected = ellipse((100, 120), centre, (38, 30), thickness=-1)
    assert dice(fill_outlines(line, "head.png"), expected) > 0.97


def test_small_gaps_are_closed() -> None:
    line = ellipse((100, 120), (60, 50), (40, 30))
    whole = fill_outlines(line, "head.png")
    broken = line.copy()
    broken[50, 100] = broken[20, 60] = False
    assert dice(fill_outlines(broken, "head.png"), whole) > 0.999


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(ellipse((100, 120), (60, 50), (40, 30), start=0, end=300), id="a gap"),
        pytest.param(
            ellipse((100, 120), (60, 50), (58, 48), start=20, end=340), id="a gap in one as large as the page"
        ),
        pytest.param(ragged(ellipse((100, 120), (60, 50), (55, 45), 0, 20, 340, thickness=5)), id="a ragged one"),
        pytest.param(ragged(ellipse((100, 120), (60, 50), (35, 25), 0, 20, 340, thickness=5)), id="a small ragged one"),
        pytest.param(ellipse((100, 120), (4, 4), (38, 30)), id="cut off by a corner"),
        pytest.param(ellipse((60, 200), (100, 30), (60, 50)), id="cut off by two opposite borders"),
        pytest.param(ellipse((100, 120), (60, 50), (30, 20), thickness=-1), id="filled already"),
        pytest.param(np.eye(60, 70, dtype=bool), id="a line"),
        pytest.param(np.pad(np.ones((1, 1), bool), 9), id="a dot"),
        pytest.param(np.ones((9, 9), bool), id="all"),
    ],
)
def test_what_encloses_nothing_is_refused(line: Page) -> None:
    with pytest.raises(CaseError, match=r"^head.png: an outline of \d+ pixels encloses nothing; close it") as caught:
        fill_outlines(line, "head.png")
    assert caught.value.reason is Reason.LABELS


def test_one_open_outline_among_closed_ones_is_refused() -> None:
    lines = ellipse((90, 160), (40, 45), (25, 30)) | ellipse((90, 160), (115, 45), (30, 20), start=0, end=290)
    with pytest.raises(CaseError):
        fill_outlines(lines, "cells.png")


def test_no_outline_no_region() -> None:
    assert not fill_outlines(np.zeros((20, 30), bool), "empty.png").any()


def test_the_page_is_not_written_to() -> None:
    line = ellipse((50, 50), (25, 25), (15, 15))
    line.flags.writeable = False
    fill_outlines(line, "x.png")


def test_real_fetal_heads(shared_data: Path) -> None:
    """Closed ellipses fill as SciPy fills them; the head of 787_HC leaves the image, which SciPy leaves empty."""
    paths = sorted((shared_data / "HC18/training_set").glob("*_Annotation.png"))
    assert len(paths) == 80
    for path in paths[::8]:
        line = read(path).voxels[0] >= 128
        closed = ndimage.binary_closing(np.pad(line, 2), np.ones((3, 3)))[2:-2, 2:-2]
        np.testing.assert_array_equal(fill_outlines(line, path.name), ndimage.binary_fill_holes(closed))
    cut = shared_data / "HC18/training_set/787_HC_Annotation.png"
    filled = fill_outlines(read(cut).voxels[0] >= 128, cut.name)
    assert 0.4 < filled.mean() < 0.5
