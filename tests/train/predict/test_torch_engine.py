"""Masks against torch's own sigmoid and the published model; one batch against box by box."""

import cv2
import numpy as np
import pytest
import torch

from train.models.presets import PRESETS
from train.predict.torch_engine import DECODED_AT_ONCE, enlarge, use_threads
from train.prepare import fit_to, prepare_boxes, prepare_pixels

from .conftest import IMAGES, read_image


def test_a_mask_is_where_the_sigmoid_exceeds_a_half():
    near = torch.arange(0x33000000, 0x33000000 + 256 * 256 * 384, 384, dtype=torch.int32).view(torch.float32)
    for logits in (near, -near, torch.linspace(-1e-6, 1e-6, 256 * 256)):
        mask = enlarge(logits.reshape(1, 1, 256, 256), fit_to(256, 256, 256))
        np.testing.assert_array_equal(mask, (torch.sigmoid(logits) > 0.5).reshape(256, 256).numpy())


def test_a_model_of_another_size_has_its_logits_spread_over_its_square():
    logits = torch.full((1, 1, 256, 256), -1.0)
    logits[..., 64:128, 32:64] = 1  # a quarter to a half down, an eighth to a quarter across the 1024 pixels
    mask = enlarge(logits, fit_to(2048, 1024, 1024))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert mask.shape == (2048, 1024)
    assert [rows[0], rows[-1]] == pytest.approx([512, 1023], abs=2)
    assert [columns[0], columns[-1]] == pytest.approx([256, 511], abs=2)


@pytest.mark.parametrize("name", IMAGES)
def test_masks_equal_the_published_models(name, ours, theirs, shared_data):
    case = read_image(shared_data, name)
    fit = fit_to(*case.shape, ours.size)
    embedding = ours.embed(prepare_pixels(case.pixels, fit))
    expected = theirs.image(case.pixels, case.boxes)
    labels = np.zeros_like(expected)
    for label, mask in enumerate(ours.masks(embedding, prepare_boxes(case.boxes, fit), fit), 1):
        labels[mask] = label
    assert set(np.unique(expected)) == set(range(len(case.boxes) + 1))
    np.testing.assert_array_equal(labels, expected)


def test_batches_of_boxes_equal_one_box_at_a_time(ours, shared_data):
    case = read_image(shared_data, "2DBox_CT_abdomen")
    fit = fit_to(*case.shape, ours.size)
    embedding = ours.embed(prepare_pixels(case.pixels, fit))
    boxes = np.tile(prepare_boxes(case.boxes, fit), (3, 1))[: DECODED_AT_ONCE + 2]
    boxes += np.arange(len(boxes))[:, None] % 3
    together = np.stack(list(ours.masks(embedding, boxes, fit)))
    one_by_one = np.stack([next(iter(ours.masks(embedding, box[None], fit))) for box in boxes])
    assert len(together) == DECODED_AT_ONCE + 2
    assert together.any((1, 2)).all()
    assert (together != one_by_one).mean() < 1e-6  # sums in another order: a pixel on the very edge may turn


def test_the_size_is_the_models(ours):
    assert ours.size == PRESETS["lite-medsam"].image_size == 256


def test_threads_are_set():
    before = torch.get_num_threads(), cv2.getNumThreads()
    use_threads(1)
    try:
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
