"""The challenge's scorer against published figures, the correct one against shapes whose score is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from predict.errors import ScoreError
from predict.scoring.metrics import SCORERS, correct, cvpr24, dice, score_mask, slab_dice, surface_dice


def disc(radius, size=256):
    y, x = np.mgrid[:size, :size] - size // 2
    return (x * x + y * y < radius * radius).astype(np.uint8)


labels = st.one_of(array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=9)).flatmap(
    lambda shape: st.tuples(*[arrays(np.uint8, shape, elements=st.integers(0, 3))] * 2)
)


@pytest.mark.parametrize(("radius", "published"), [(53, 0.984), (55, 0.946), (60, 0.857), (70, 0.706)])
def test_2d_nsd_of_the_challenge_is_that_of_a_slab(radius, published):
    dsc, nsd = cvpr24(disc(50), disc(radius))
    assert nsd == pytest.approx(published, abs=0.0006)
    assert nsd > dsc


@pytest.mark.parametrize(("radius", "expected"), [(50, 1), (51, 1), (55, 0), (60, 0), (70, 0)])
def test_correct_2d_nsd_is_that_of_the_contour(radius, expected):
    assert correct(disc(50), disc(radius)).nsd == expected


def test_contours_three_pixels_apart_touch_only_at_stair_corners():
    assert correct(disc(50), disc(53)).nsd < 0.05


def test_tolerance_is_in_mm():
    truth, found = disc(50), disc(53)
    assert score_mask(truth > 0, found > 0, (0.5, 0.5)).nsd == 1
    assert score_mask(truth > 0, found > 0, (0.5, 0.5), tolerance=1).nsd < 0.05
    assert score_mask(truth > 0, found > 0, tolerance=4).nsd == 1


def test_the_challenge_swaps_the_axes_of_the_spacing():
    truth, moved_x, moved_z = (np.zeros((20, 20, 20), np.uint8) for _ in range(3))
    truth[5:15, 5:15, 5:15] = moved_x[5:15, 5:15, 6:16] = moved_z[6:16, 5:15, 5:15] = 1
    spacing = 5, 1, 1  # z, y, x: one voxel along x is 1 mm, along z it is 5
    assert correct(truth, moved_x, spacing).nsd == 1
    assert cvpr24(truth, moved_x, spacing).nsd < 0.91
    assert correct(truth, moved_z, spacing).nsd < 0.91
    assert cvpr24(truth, moved_z, spacing).nsd == 1
    assert cvpr24(truth, moved_x, spacing).nsd == round(correct(truth, moved_x, spacing[::-1]).nsd, 4)


def test_spacing_plays_no_part_in_the_challenges_2d():
    assert cvpr24(disc(50), disc(55), (9, 0.1)) == cvpr24(disc(50), disc(55))


def test_the_challenge_computes_no_nsd_for_a_poor_case():
    truth, found = np.zeros((2, 100, 100), np.uint8)
    truth[10:20, 10:20] = 1
    found[10:20, 10:30] = found[40:60, 40:50] = found[60:90, 40:60] = 1
    assert cvpr24(truth, found) == (round(200 / 1100, 4), 0)
    assert correct(truth, found).nsd > 0


def test_a_gap_in_the_label_ids():
    truth = disc(20)
    truth[:9, :9] = 3
    dsc, nsd = cvpr24(truth, truth)
    assert np.isnan(dsc)
    assert nsd == 0
    assert correct(truth, truth) == (1, 1)


def test_a_missed_and_an_invented_label():
    truth, found = disc(20), disc(20)
    truth[:9, :9] = 2
    found[-9:, -9:] = 3
    assert correct(truth, found) == pytest.approx((1 / 3, 1 / 3))
    assert correct(truth, found, labels=[1, 2]) == pytest.approx((1 / 2, 1 / 2))
    assert cvpr24(truth, found) == (0.5, 0.5)
    assert correct(truth, found, labels=[1, 7]) == (1, 1)


def test_nothing_to_score_is_nan():
    empty = np.zeros((8, 8), np.uint8)
    assert np.isnan(correct(empty, empty)).all()
    assert np.isnan(cvpr24(empty, empty).dsc)
    assert correct(empty, disc(3, 8)) == (0, 0)
    assert correct(disc(3, 8), empty) == (0, 0)


def test_the_256th_label_of_uint8_counts():
    truth = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(3, 0).repeat(3, 1)
    assert cvpr24(truth, truth) == (1, 1)


def test_a_mask_at_the_edge_of_the_image_has_a_contour_there():
    full = np.ones((9, 9), bool)
    assert surface_dice(full, full, (1, 1)) == 1
    assert surface_dice(full, np.pad(np.ones((3, 3), bool), 3), (1, 1), 1) == 0


@settings(max_examples=50)
@given(labels)
def test_dice_is_overlap_over_mean_size(pair):
    a, b = (set(map(tuple, np.argwhere(array))) for array in pair)
    expected = 2 * len(a & b) / (len(a) + len(b)) if a or b else np.nan
    np.testing.assert_equal(dice(pair[0] > 0, pair[1] > 0), expected)


@settings(max_examples=50)
@given(labels, st.sampled_from(list(SCORERS)))
def test_scores_lie_between_0_and_1_and_a_perfect_one_is_1(pair, scorer):
    truth, found = pair
    for score in SCORERS[scorer](truth, found):
        assert np.isnan(score) or 0 <= score <= 1
    same = SCORERS["correct"](truth, truth)
    assert same == (1, 1) or not truth.any()


@settings(max_examples=50)
@given(labels, st.integers(0, 2**31))
def test_correct_does_not_depend_on_the_order_of_axes(pair, seed):
    truth, found = pair
    rng = np.random.default_rng(seed)
    axes = rng.permutation(truth.ndim)
    spacing = rng.uniform(0.5, 4, truth.ndim)
    expected = correct(truth, found, spacing)
    turned = correct(truth.transpose(axes), found.transpose(axes), spacing[axes])
    np.testing.assert_allclose(turned, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("shape", "spacing", "tolerance", "told"),
    [
        ((8, 9), None, 2, r"\(8, 9\)"),
        ((8, 8), (1, 1, 1), 2, "2 axes"),
        ((8, 8), (1, 0), 2, "positive"),
        ((8, 8), (1, float("nan")), 2, "positive"),
        ((8, 8), None, -1, "tolerance of -1"),
    ],
)
@pytest.mark.parametrize("scorer", SCORERS)
def test_what_does_not_fit_is_told(scorer, shape, spacing, tolerance, told):
    with pytest.raises(ScoreError, match=told):
        SCORERS[scorer](np.zeros((8, 8), np.uint8), np.zeros(shape, np.uint8), spacing, tolerance)


@settings(max_examples=150)
@given(
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12).flatmap(
        lambda shape: st.tuples(*[arrays(bool, shape)] * 2)
    ),
    st.sampled_from([0, 1, 1.5, 2, 4]),
)
def test_a_slab_in_the_plane_is_the_slab_in_space(pair, tolerance):
    truth, found = pair
    expected = surface_dice(truth[..., None], found[..., None], (1, 1, 1), tolerance)
    np.testing.assert_allclose(slab_dice(truth, found, tolerance), expected, rtol=1e-12)


@settings(max_examples=50)
@given(array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=9).flatmap(
    lambda shape: st.tuples(*[arrays(np.uint8, shape, elements=st.integers(0, 3))] * 2)
))  # fmt: skip
def test_a_case_of_the_challenge_is_the_mean_of_its_labels_as_slabs_in_space(pair):
    truth, found = pair
    masks = [(truth[..., None] == i, found[..., None] == i) for i in range(1, int(truth.max()) + 1)]
    dsc = np.mean([dice(*pair) for pair in masks]) if masks else np.nan
    nsd = np.mean([surface_dice(*pair, (1, 1, 1)) for pair in masks]) if dsc > 0.2 else 0
    np.testing.assert_allclose(cvpr24(truth, found), (dsc, nsd), atol=0.00005001)
