"""Losses against their formulas in NumPy, in double precision."""

import numpy as np
import pytest
import torch

from train.learning.losses import dice_loss, embedding_loss, mask_losses, reached_dsc, reached_iou


@pytest.fixture
def drawn():
    """Logits (3, 1, 256, 256), expected IoU, and masks: half, a little, nothing of the image."""
    rng = np.random.default_rng(0)
    masks = np.zeros((3, 1, 256, 256))
    masks[0, :, :, 128:] = 1
    masks[1, :, 10:20, 30:33] = 1
    logits = rng.normal(0, 4, masks.shape) + 3 * (masks - 0.5)
    return logits, rng.random((3, 1)), masks


def as_torch(*arrays):
    return [torch.from_numpy(array).float() for array in arrays]


def test_mask_losses_follow_their_formulas(drawn):
    logits, iou, masks = drawn
    likely = 1 / (1 + np.exp(-logits))
    dice = [
        1 - (2 * (p * m).sum() + 1e-5) / ((p * p).sum() + (m * m).sum() + 1e-5)
        for p, m in zip(likely, masks, strict=True)
    ]
    bce = -(masks * np.log(likely) + (1 - masks) * np.log(1 - likely)).mean()
    reached = []
    for logit, mask in zip(logits, masks, strict=True):
        drawn_, wanted = logit > 0, mask > 0
        reached.append((drawn_ & wanted).sum() / (drawn_ | wanted).sum())
    found = mask_losses(*as_torch(logits, iou, masks))
    assert found.keys() == {"dice", "bce", "boundary", "iou"}
    assert float(found["dice"]) == pytest.approx(np.mean(dice), rel=1e-5)
    assert float(found["bce"]) == pytest.approx(bce, rel=1e-5)
    assert float(found["iou"]) == pytest.approx(np.mean((iou[:, 0] - reached) ** 2), rel=1e-5)


def test_the_dsc_is_that_of_the_drawn_masks(drawn):
    logits, _, masks = drawn
    expected = [
        2 * ((a > 0) & (b > 0)).sum() / ((a > 0).sum() + (b > 0).sum()) for a, b in zip(logits, masks, strict=True)
    ]
    np.testing.assert_allclose(reached_dsc(*as_torch(logits, masks)), expected, rtol=1e-5, atol=1e-7)


def test_nothing_found_where_nothing_is_counts_as_right():
    nothing = torch.zeros(1, 1, 256, 256)
    assert float(reached_iou(nothing - 50, nothing)) == float(reached_dsc(nothing - 50, nothing)) == 1
    assert float(dice_loss(nothing, nothing)) == pytest.approx(0, abs=1e-6)


def test_a_perfect_mask_costs_nothing_and_its_opposite_all(drawn):
    masks = torch.from_numpy(drawn[2][:2]).float()
    sure = 60 * (masks - 0.5)
    right, wrong = (mask_losses(logits, torch.ones(2, 1), masks) for logits in (sure, -sure))
    assert {name: float(value) for name, value in right.items()} == pytest.approx(dict.fromkeys(right, 0), abs=1e-5)
    assert float(wrong["dice"]) == pytest.approx(1, abs=1e-5)
    assert float(wrong["bce"]) == pytest.approx(30, rel=1e-5)
    assert float(wrong["iou"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_single(kind, drawn):
    """65,536 pixels do not fit into float16, whose largest number is 65,504."""
    logits, iou, masks = as_torch(*drawn)
    logits = logits.to(kind)
    found, exact = mask_losses(logits, iou.to(kind), masks), mask_losses(logits.float(), iou.to(kind).float(), masks)
    for name, value in found.items():
        assert value.dtype == torch.float32
        assert torch.equal(value, exact[name])
    far = torch.full((1, 256, 64, 64), 300.0, dtype=kind)
    assert float(embedding_loss(far, -far)) == 360_000


def test_the_embedding_loss_is_the_mean_square():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 2, 256, 64, 64)).astype(np.float32)
    expected = ((one.astype(float) - other) ** 2).mean()
    assert float(embedding_loss(*as_torch(one, other))) == pytest.approx(expected, rel=1e-5)
