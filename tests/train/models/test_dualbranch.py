from itertools import product

import pytest
import torch

from predict.presets import DualBranchSpec
from train.models.cost import parameters
from train.models.dualbranch import Adapter, DualBranch, Fusion
from train.models.vit import ImageEncoderViT

SWITCHES = [dict(zip(("channel", "cross", "fusion"), on, strict=True)) for on in product((False, True), repeat=3)]
SMALL = {"width": 24, "depth": 3, "heads": 1, "global_blocks": (0, 2)}


def small(**switches):
    return DualBranchSpec(**SMALL, **switches)


@pytest.mark.parametrize("switches", SWITCHES)
def test_counts_by_its_parts(switches):
    w, stages = 768, 4
    linear = w * w + w
    channel = 2 * w + 9 * w + 2 * w * w // 4 + w * w
    attention = 2 * linear + w * 12 * 4 * 3 + 12 * 4 * 3
    cross = 3 * 2 * w + attention + 2 * 4 * w * w + 5 * w
    conv = 27 * 256 + 256 * 256 + 9 * 256 * 512 + 512 * 512 + 512 * w + 2 * (2 * 256 + 2 * 512) + w
    fusion = 2 * (2 * w * 64 + 2 * 64) + 2 * w
    # Without the fusion the convolution branch is not updated after the last exchange.
    blocks = 2 * stages if switches["fusion"] else 2 * stages - 1
    expected = (
        switches["channel"] * 12 * channel
        + switches["cross"] * blocks * cross
        + switches["fusion"] * fusion
        + (switches["cross"] or switches["fusion"]) * conv
    )
    assert (channel, cross, conv) == (893_184, 6_018_960, 1_911_296)
    with torch.device("meta"):
        assert parameters(Adapter(DualBranchSpec(**switches))) == expected
        assert parameters(DualBranch(DualBranchSpec(**switches))) == 89_670_912 + expected


@pytest.mark.parametrize("switches", SWITCHES)
def test_no_part_is_idle(switches):
    torch.manual_seed(0)
    encoder = DualBranch(small(**switches, drop_path=0.0))
    for parameter in encoder.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    image = torch.rand(1, 3, 1024, 1024)
    embedding = encoder(image)
    assert embedding.shape == (1, 256, 64, 64)
    embedding.square().mean().backward()
    idle = [name for name, parameter in encoder.named_parameters() if parameter.grad is None]
    assert not idle


@torch.no_grad()
def test_without_its_modules_it_is_sams_encoder(look_trained):
    plain = look_trained(ImageEncoderViT(small()))
    encoder = DualBranch(small(channel=False, cross=False, fusion=False))
    encoder.load_state_dict(plain.state_dict(), strict=True)
    image = torch.rand(1, 3, 1024, 1024)
    assert torch.equal(encoder.eval()(image), plain(image))


@torch.no_grad()
def test_each_branch_reads_the_other_as_it_was(look_trained):
    encoder = look_trained(DualBranch(small()))
    vit, conv = torch.randn(2, 1, 64, 64, 24)
    new_vit, new_conv = encoder._exchange(0, vit, conv)
    assert torch.equal(new_vit, encoder.adapter.to_vit[0](vit, conv))
    assert torch.equal(new_conv, encoder.adapter.to_conv[0](conv, vit))


@pytest.mark.parametrize(("push", "expected"), [(1e4, "vit"), (-1e4, "conv")])
@torch.no_grad()
def test_the_gate_opens_for_the_vit(push, expected):
    fusion = Fusion(24)
    for branch in (fusion.vit, fusion.conv):
        branch[2].bias.fill_(1.0)
        branch[3].weight.fill_(push)
        branch[2].weight.zero_()
    branches = {"vit": torch.randn(1, 4, 4, 24), "conv": torch.randn(1, 4, 4, 24)}
    torch.testing.assert_close(fusion(**branches), fusion.norm(branches[expected]))


@torch.no_grad()
def test_the_convolution_branch_sees_the_image_at_256():
    branch = DualBranch(small(channel=False)).eval().adapter.conv
    image = torch.rand(1, 3, 256, 256)
    enlarged = image.repeat_interleave(4, 2).repeat_interleave(4, 3)
    seen = []
    branch.layers[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    assert branch(enlarged).shape == (1, 64, 64, 24)
    torch.testing.assert_close(seen[0], image)
