from dataclasses import replace

import pytest
import torch
from torch import nn

from predict.presets import PRESETS, preset
from train.models.cost import cost, parameters
from train.models.segmenter import Segmenter


def test_counts_convolutions_as_a_hook_does():
    """Rep-MedSAM is convolutions only, so a hook on each must come to the same work."""
    work = 0

    def count(module, inputs, output):
        nonlocal work
        work += output.numel() * module.weight[0].numel()

    with torch.device("meta"):
        encoder = Segmenter(PRESETS["rep-medsam"]).image_encoder
        for module in encoder.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(count)
        encoder(torch.empty(1, 3, 256, 256))
    assert cost(PRESETS["rep-medsam"]).gmacs == pytest.approx(work / 1e9, rel=1e-6)


def test_counts_attention_by_hand():
    """One block of SAM's ViT at full width, less the same model without it."""
    full = preset("db-sam:none")
    one = replace(full.encoder, depth=1, global_blocks=(0,))
    none = replace(full.encoder, depth=0, global_blocks=())
    difference = cost(replace(full, encoder=one)).gmacs - cost(replace(full, encoder=none)).gmacs
    tokens, width, side = 64 * 64, 768, 64
    expected = tokens * 12 * width**2 + 2 * tokens**2 * width + 2 * tokens * side * width
    assert difference == pytest.approx(expected / 1e9, rel=1e-6)


def test_buffers_are_no_parameters():
    assert parameters(nn.BatchNorm2d(7)) == 14


def test_parts_add_up():
    counted = cost(PRESETS["swift-medsam-v2"])
    with torch.device("meta"):
        assert counted.total_params == parameters(Segmenter(PRESETS["swift-medsam-v2"]))
