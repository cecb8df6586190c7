"""The deployed attention block against the model's own."""

from dataclasses import replace

import pytest
import torch

from predict.presets import PRESETS, TinyViTSpec
from train.models.deployed import Encoder
from train.models.deployed_tinyvit import RowBlock
from train.models.segmenter import Segmenter
from train.models.tinyvit import AttentionBlock


@pytest.mark.parametrize(
    ("height", "width"), [(14, 14), (16, 16), (9, 20)], ids=["whole windows", "padded windows", "oblong"]
)
@torch.no_grad()
def test_a_block_of_rows_in_double_to_the_last_digits(height, width, look_trained):
    block = look_trained(AttentionBlock(20, 5, 7)).double()
    x = torch.randn(2, 20, height, width).double()
    expected = block(x)
    found = RowBlock(block).double().eval()(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11 * expected.abs().max().item())
    torch.testing.assert_close(block(x), expected, rtol=0, atol=0)  # left alone
    # Each of what is folded away or left out says something in this block.
    for part in (block.attn.norm, block.attn.qkv, block.mlp.norm):
        kept = part.bias.clone()
        part.bias.zero_()
        assert (block(x) - expected).abs().max() > 1e-3
        part.bias.copy_(kept)


@torch.no_grad()
def test_the_whole_encoder_in_double_to_the_last_digits(look_trained):
    small = replace(PRESETS["lite-medsam"], encoder=TinyViTSpec((0, 1, 1, 1), widths=(16, 32, 40, 80)))
    model = look_trained(Segmenter(small)).double()
    keys = list(model.state_dict())
    encoder = Encoder(model).double().eval()
    assert sum(isinstance(module, RowBlock) for module in encoder.modules()) == 3
    assert not any(isinstance(module, AttentionBlock) for module in encoder.modules())
    image = torch.rand(1, 3, 256, 256).double()
    expected = model.embed(image).flatten(2).transpose(1, 2)
    torch.testing.assert_close(encoder(image), expected, rtol=0, atol=1e-11 * expected.abs().max().item())
    assert list(model.state_dict()) == keys
