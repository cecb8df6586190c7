"""The rules a component must pass, and what a nearest resize leaves of it, against OpenCV and scikit-image."""

from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label as skimage_label

from catalog.drop_reasons import Reason
from curate.masks.components import END_RUN, FIRST_RUN, connected_components
from curate.masks.select import SIDE, Mask, find_masks, nearest_taps

ONE = np.array([0, 1], np.int32)
DEFAULT = 100.0  # the release's rule: 100 pixels at 256 x 256


def drawn(mask: Mask, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    out = np.zeros(shape, np.uint8)
    for y, start, end in mask.runs.tolist():
        out[y, start:end] = 1
    return out


def parts_by_opencv(mask: NDArray[np.uint8]) -> int:
    """What SAM-Med2D's loader sees: the nearest resize to 256 x 256, then its 8-connected parts."""
    small = cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    return int(skimage_label(small, connectivity=2).max())


# ---- the size rule ----


@pytest.mark.parametrize(
    "shape", [(256, 256), (512, 512), (100, 300), (37, 41), (1024, 640), (1, 2000), (255, 257), (2000, 1500)]
)
def test_size_rule_at_the_threshold(shape: tuple[int, int]) -> None:
    """0.153 % of the slice: the least area kept is the least integer not under it."""
    exact = Fraction(100, 65536) * shape[0] * shape[1]
    least = -(-exact.numerator // exact.denominator)
    for area, kept in ((least - 1, False), (least, True), (least + 1, True)):
        if area == 0:
            continue
        plane = np.zeros(shape, np.uint8)
        plane.reshape(-1)[:area] = 1  # whole rows and a part of one: a single piece
        masks, dropped = find_masks(plane, ONE, False, DEFAULT)
        if kept:
            assert [mask.area for mask in masks] == [area]
            assert dropped == []
        else:
            assert masks == []
            assert [(one.reason, one.value) for one in dropped] == [(Reason.SMALL, area)]
            assert dropped[0].threshold == float(exact)


def test_equal_to_the_threshold_is_kept() -> None:
    """Slices whose threshold is a whole number of pixels: 100 of 256 x 256, 400 of 512 x 512."""
    for side, area in ((256, 100), (512, 400), (1024, 1600)):
        plane = np.zeros((side, side), np.uint8)
        plane[0, :area] = 1
        plane[1, : max(0, area - side)] = 1
        masks, dropped = find_masks(plane, ONE, False, DEFAULT)
        assert [mask.area for mask in masks] == [area]
        assert dropped == []


def test_min_area_of_zero_keeps_a_pixel() -> None:
    plane = np.zeros((10, 10), np.uint8)
    plane[4, 4] = 1
    masks, dropped = find_masks(plane, ONE, False, 0)
    assert [(mask.area, mask.x0, mask.y0, mask.x1, mask.y1) for mask in masks] == [(1, 4, 4, 5, 5)]
    assert dropped == []


@pytest.mark.parametrize("shape", [(1, 1), (256, 256), (300, 500), (3, 700)])
def test_a_mask_is_never_all_foreground(shape: tuple[int, int]) -> None:
    plane = np.full(shape, 3, np.uint16)
    masks, dropped = find_masks(plane, np.array([0, 0, 0, 5], np.int32), False, DEFAULT)
    assert masks == []
    assert [(one.label, one.instance, one.reason) for one in dropped] == [(5, 0, Reason.WHOLE_SLICE)]
    if shape != (1, 1):
        plane[0, 0] = 0
        masks, dropped = find_masks(plane, np.array([0, 0, 0, 5], np.int32), False, DEFAULT)
        assert len(masks) == 1
        assert dropped == []


def test_a_region_over_the_whole_slice_is_dropped_and_its_part_stays() -> None:
    plane = np.ones((64, 64), np.uint8)
    plane[:32] = 2
    masks, dropped = find_masks(plane, np.array([0, 1, 1], np.int32), False, DEFAULT)
    assert not masks
    assert dropped[0].reason == Reason.WHOLE_SLICE
    masks, dropped = find_masks(plane, np.array([0, 0, 1], np.int32), False, DEFAULT)
    assert [mask.area for mask in masks] == [32 * 64]


def test_no_foreground_gives_nothing() -> None:
    assert find_masks(np.zeros((20, 30), np.uint8), ONE, False, DEFAULT) == ([], [])


def test_instances_count_what_is_kept_and_drops_count_all() -> None:
    plane = np.zeros((256, 256), np.uint8)
    plane[0, 0] = 1  # too small: number 0
    plane[10:30, 10:30] = 1
    plane[10, 100] = 1  # too small: number 2
    plane[40:60, 0:20] = 1
    plane[100:120, 100:120] = 2
    masks, dropped = find_masks(plane, np.array([0, 1, 2], np.int32), False, DEFAULT)
    assert [(m.label, m.instance, m.y0, m.x0) for m in masks] == [(1, 0, 10, 10), (1, 1, 40, 0), (2, 0, 100, 100)]
    assert [(d.label, d.instance, d.reason) for d in dropped] == [(1, 0, Reason.SMALL), (1, 2, Reason.SMALL)]


@given(seed=st.integers(0, 2**32 - 1), min_area=st.sampled_from([0.0, 20.0, 100.0, 400.0]))
@settings(max_examples=40)
def test_every_component_is_kept_or_dropped(seed: int, min_area: float) -> None:
    rng = np.random.default_rng(seed)
    plane = (ndimage.gaussian_filter(rng.random((90, 120)), 2) > 0.5).astype(np.uint8)
    plane[:, 60:] *= 2
    classes = np.array([0, 1, 2], np.int32)
    masks, dropped = find_masks(plane, classes, False, min_area)
    total = len(connected_components(plane, classes).table)
    assert len(masks) + len(dropped) == total
    threshold = min_area / 65536 * plane.size
    assert all(mask.area >= threshold for mask in masks)
    assert all(one.value < threshold for one in dropped if one.reason == Reason.SMALL)
    for label in (1, 2):
        of_label = [mask for mask in masks if mask.label == label]
        assert [mask.instance for mask in of_label] == list(range(len(of_label)))
        together = sum((drawn(mask, plane.shape) for mask in of_label), np.zeros(plane.shape, np.uint8))
        assert together.max(initial=0) <= 1
        assert ((plane == label) >= together).all()
        for mask in of_label:
            inside = np.argwhere(drawn(mask, plane.shape))
            assert inside.min(0).tolist() == [mask.y0, mask.x0]
            assert (inside.max(0) + 1).tolist() == [mask.y1, mask.x1]
            assert len(inside) == mask.area


# ---- the nearest resize to 256 x 256 ----


@pytest.mark.parametrize("first", range(1, 2101, 300))
def test_taps_are_those_of_opencv(first: int) -> None:
    """Along rows, along columns, and in the 8-bit image a loader resizes."""
    for size in range(first, min(first + 300, 2101)):
        taps = nearest_taps(size)
        line = np.arange(size, dtype=np.uint16)
        along = cv2.resize(line[None], (SIDE, 1), interpolation=cv2.INTER_NEAREST)[0]
        down = cv2.resize(np.ascontiguousarray(line[:, None]), (1, SIDE), interpolation=cv2.INTER_NEAREST)[:, 0]
        low = (line % 256).astype(np.uint8)
        square = cv2.resize(
            np.ascontiguousarray(np.broadcast_to(low, (7, size))), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST
        )
        assert (taps == along).all(), size
        assert (taps == down).all(), size
        assert (square == (taps % 256)).all(), size


def test_up_to_256_every_source_pixel_is_taken() -> None:
    """Why a slice that is enlarged needs no count: neighbours stay neighbours, nothing vanishes."""
    for size in range(1, SIDE + 1):
        taps = nearest_taps(size)
        assert (np.unique(taps) == np.arange(size)).all()
        assert (np.diff(taps) >= 0).all()


@pytest.mark.parametrize(
    "shape",
    [
        (256, 256), (257, 257), (300, 300), (512, 512), (777, 401), (1024, 1024), (1500, 600),
        (100, 900), (900, 100), (256, 700), (700, 256), (255, 1000), (3, 2000), (2000, 3), (1, 999), (999, 1),
        (64, 64), (200, 256), (256, 31), (13, 7),
    ],
)  # fmt: skip
def test_parts_are_those_opencv_leaves(shape: tuple[int, int]) -> None:
    """Thin and ragged pieces, in slices larger and smaller than 256 in either direction."""
    rng = np.random.default_rng(shape[0] * 10007 + shape[1])
    height, width = shape
    seen = 0
    for density in (0.35, 0.45, 0.6):
        noise = (rng.random(shape) < density).astype(np.uint8)
        lines = np.zeros(shape, np.uint8)
        for _ in range(6):
            ends = rng.integers(0, [width, height], (2, 2)).tolist()
            cv2.line(lines, tuple(ends[0]), tuple(ends[1]), 1)
        for plane in (noise, lines):
            masks, dropped = find_masks(plane, ONE, False, 0)
            counts = rng.permutation(len(masks))[:12]
            largest = max(range(len(masks)), key=lambda n: masks[n].area) if masks else 0
            for n in {*counts.tolist(), largest} if masks else ():
                assert masks[n].parts_at_256 == parts_by_opencv(drawn(masks[n], shape)), masks[n][:7]
                seen += 1
            check_vanished(plane, dropped)
    assert seen > 3


def check_vanished(plane: NDArray[np.uint8], dropped: list[Any]) -> None:
    """Count the pieces nothing is left of, on the resize of the image of all pieces' numbers."""
    numbers = skimage_label(plane, connectivity=2).astype(np.float32)
    small = cv2.resize(numbers, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    left = np.count_nonzero(np.unique(small))
    assert sum(one.reason == Reason.VANISHES for one in dropped) == int(numbers.max()) - left


@given(height=st.integers(1, 700), width=st.integers(1, 700), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_parts_of_any_size(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    plane = np.zeros((height, width), np.uint8)
    points = rng.integers(-5, [width + 5, height + 5], (9, 2))
    cv2.polylines(plane, [points.astype(np.int32)], True, 1)
    masks, dropped = find_masks(plane, ONE, False, 0)
    for mask in masks:
        assert mask.parts_at_256 == parts_by_opencv(drawn(mask, plane.shape))
    check_vanished(plane, [one for one in dropped if one.reason != Reason.WHOLE_SLICE])


def test_a_thin_line_between_the_taps_vanishes() -> None:
    plane = np.zeros((512, 512), np.uint8)
    plane[101] = 1  # 512 to 256 takes even rows
    masks, dropped = find_masks(plane, ONE, False, DEFAULT)
    assert masks == []
    assert [(one.reason, one.value, one.threshold) for one in dropped] == [(Reason.VANISHES, 0, 1)]


def test_a_thin_diagonal_falls_apart() -> None:
    """A third of the size takes the pixels whose row and column are multiples of 3: (6n, 3n), none next to another."""
    plane = np.zeros((768, 768), np.uint8)
    steps = np.arange(768)
    plane[steps, steps // 2] = 1
    masks, _ = find_masks(plane, ONE, False, 0)
    assert [mask.parts_at_256 for mask in masks] == [parts_by_opencv(plane)] == [128]


def test_runs_belong_to_the_mask() -> None:
    plane = np.zeros((400, 300), np.uint8)
    plane[5:50, 7:90] = 1
    plane[200:300, 100:200] = 1
    masks, _ = find_masks(plane, ONE, False, DEFAULT)
    found = connected_components(plane, ONE)
    for mask, one in zip(masks, found.table, strict=True):
        assert (mask.runs == found.runs[one[FIRST_RUN] : one[END_RUN]]).all()
