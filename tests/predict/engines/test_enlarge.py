"""Masks against torch's interpolation of all logits, pixel by pixel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from predict.engines.enlarge import ABOVE_HALF, enlarge, enlarge_patch
from predict.prepare import Fit, fit_to


def plainly(logits: np.ndarray, fit: Fit) -> np.ndarray:
    """The script's way: the model's square, its crop, the image's size, a sigmoid above a half."""
    square = torch.from_numpy(logits)[None, None]
    if fit.size != 256:
        square = interpolate(square, size=(fit.size, fit.size), mode="bilinear", align_corners=False)
    cut = square[..., : fit.rows, : fit.columns]
    full = interpolate(cut, size=(fit.height, fit.width), mode="bilinear", align_corners=False)
    return (torch.sigmoid(full) > 0.5)[0, 0].numpy()


def blobs(seed: int, count: int) -> np.ndarray:
    """Logits of a few discs and, where the count is large, of single pixels all over."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256].astype(np.float32)
    logits = np.full((256, 256), -random.uniform(0.1, 8), np.float32)
    for cy, cx, radius in random.uniform((0, 0, 0.2), (256, 256, 40), (count, 3)):
        logits = np.maximum(logits, np.float32(radius) - np.hypot(y - np.float32(cy), x - np.float32(cx)))
    return logits + random.normal(0, 0.3, logits.shape).astype(np.float32)


@settings(max_examples=60)
@given(
    st.integers(0, 2**32), st.integers(1, 1500), st.integers(1, 1500), st.integers(0, 5), st.sampled_from([256, 1024])
)
def test_masks_equal_torchs(seed, height, width, count, size):
    logits, fit = blobs(seed, count), fit_to(height, width, size)
    np.testing.assert_array_equal(enlarge(logits, fit), plainly(logits, fit))


@pytest.mark.parametrize("shape", [(3024, 4032), (2560, 1919), (256, 256), (255, 256)])
def test_large_and_equal_sizes_too(shape):
    logits, fit = blobs(0, 12), fit_to(*shape, 256)
    mask = enlarge(logits, fit)
    assert 0.01 < mask.mean() < 0.99
    np.testing.assert_array_equal(mask, plainly(logits, fit))


def test_a_mask_is_where_the_sigmoid_exceeds_a_half():
    near = torch.arange(0x33000000, 0x33000000 + 256 * 256 * 384, 384, dtype=torch.int32).view(torch.float32)
    for logits in (near, -near, torch.linspace(-1e-6, 1e-6, 256 * 256)):
        mask = enlarge(logits.reshape(256, 256).numpy(), fit_to(256, 256, 256))
        np.testing.assert_array_equal(mask, (torch.sigmoid(logits) > 0.5).reshape(256, 256).numpy())
    assert torch.sigmoid(torch.tensor(ABOVE_HALF, dtype=torch.float32)) == 0.5


def test_only_the_neighbourhood_is_computed():
    logits = np.full((256, 256), -1, np.float32)
    logits[100:110, 50:60] = 1
    part = enlarge_patch(logits, fit_to(1024, 1024, 256))
    assert part.mask.shape == (44, 44)  # between pixels 99 and 110, 4 times as large
    assert (part.top, part.left) == (398, 198)
    whole = np.zeros((1024, 1024), bool)
    whole[part.top : part.top + 44, part.left : part.left + 44] = part.mask
    np.testing.assert_array_equal(whole, enlarge(logits, fit_to(1024, 1024, 256)))
    assert whole.any()


def test_nothing_above_0_is_no_part():
    logits = np.full((256, 256), -1, np.float32)
    logits[200:] = 1  # in the padding of a wide image
    fit = fit_to(300, 600, 256)
    assert enlarge_patch(logits, fit) is None
    assert enlarge(logits, fit).shape == (300, 600)
    assert not enlarge(logits, fit).any()
