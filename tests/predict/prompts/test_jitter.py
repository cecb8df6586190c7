"""Boxes that are wider than what they hold."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from predict.inputs.truth import boxes_of, numbered
from predict.prompts.jitter import jittered

LABELS = array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=9).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 1, 3, 200]))
)


@settings(max_examples=50)
@given(LABELS, st.integers(0, 9), st.integers(0, 2**31))
def test_jitter_moves_outwards_within_the_image(truth, jitter, seed):
    if not truth.any():
        return
    labels = numbered(truth)
    shape = tuple(100 * length for length in labels.shape)
    tight = boxes_of(labels)
    half = tight.shape[1] // 2
    moved = jittered(tight, shape, jitter, seed, "case")
    assert (moved[:, :2] <= tight[:, :2]).all()
    assert (moved[:, half : half + 2] >= tight[:, half : half + 2]).all()
    assert (moved[:, :2] >= 0).all()
    assert (moved[:, half : half + 2] < shape[:-3:-1]).all()
    assert (moved[:, :2] < moved[:, half : half + 2]).all()
    np.testing.assert_array_equal(moved[:, 2:half], tight[:, 2:half])  # z
    assert (tight[:, :2] - moved[:, :2] <= jitter * np.array(shape[:-3:-1]) / 256).all()
    np.testing.assert_array_equal(moved, jittered(tight, shape, jitter, seed, "case"))


def test_jitter_differs_by_case_and_seed_and_reaches_its_end():
    tight = np.tile([[100, 100, 120, 120]], (200, 1))
    moved = jittered(tight, (256, 512), 5)
    assert set((100 - moved[:, 1]).tolist()) == {0, 1, 2, 3, 4, 5}
    np.testing.assert_array_equal(100 - moved[:, 0], 2 * (100 - moved[:, 1]))
    assert (moved != jittered(tight, (256, 512), 5, seed=1)).any()
    assert (moved != jittered(tight, (256, 512), 5, name="other")).any()


def test_a_lone_pixel_gets_a_box_with_an_extent():
    assert jittered(np.array([[3, 0, 3, 0], [9, 9, 9, 9]]), (10, 10)).tolist() == [[3, 0, 4, 1], [9, 9, 10, 10]]
