import pytest
import torch
from torch import nn

from predict.presets import PRESETS
from train.models.cost import parameters
from train.models.repvit import RepVGGDW, RepViTBlock, reparameterise, squeeze
from train.models.segmenter import build_encoder


@pytest.mark.parametrize(("name", "fused"), [("repvit-m0.6", 2_415_520), ("rep-medsam", 6_463_840)])
@torch.no_grad()
def test_reparameterised_equals_the_unfused(name, fused):
    encoder = build_encoder(PRESETS[name].encoder)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            nn.init.uniform_(module.weight, 0.5, 1)
    x = torch.rand(1, 3, 256, 256)
    encoder(x)  # in training: the norms take their statistics from what they see
    light = reparameterise(encoder)
    assert parameters(light) == fused
    assert not any(isinstance(module, nn.BatchNorm2d) for module in light.modules())
    # In single precision both have the rounding of some fifty convolutions, at single places up to 1e-4.
    difference = light(x) - encoder.eval()(x)
    assert difference.square().mean().sqrt() < 1e-5


@pytest.mark.parametrize("name", ["repvit-m0.6", "rep-medsam"])
@torch.no_grad()
def test_reparameterising_is_exact(name, look_trained):
    encoder = look_trained(build_encoder(PRESETS[name].encoder)).double()
    x = torch.rand(1, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(reparameterise(encoder)(x), encoder(x), rtol=0, atol=1e-10)


def test_reparameterising_leaves_the_model_trainable():
    encoder = build_encoder(PRESETS["repvit-m0.6"].encoder)
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    reparameterise(encoder)
    assert encoder.training
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())


@torch.no_grad()
def test_a_token_mixer_equals_timms(timm, look_trained):
    from timm.models.repvit import RepVggDw

    theirs = look_trained(RepVggDw(24, 3, legacy=False))
    ours = RepVGGDW(24).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 24, 9, 9)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("width", "hidden"), [(40, 8), (56, 16), (80, 24), (160, 40), (320, 80)])
def test_gates_are_as_wide_as_timms(width, hidden, timm):
    from timm.layers import SqueezeExcite

    theirs = SqueezeExcite(width, 0.25)
    ours = squeeze(width)
    assert ours.fc1.out_channels == hidden
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, width, 4, 4)
    torch.testing.assert_close(ours(x), theirs(x))


def test_a_change_of_width_has_no_residual():
    assert "channel_mixer.m.0.c.weight" in RepViTBlock(8, 8, 1, gated=True).state_dict()
    assert "channel_mixer.0.c.weight" in RepViTBlock(8, 16, 1, gated=True).state_dict()
    assert "channel_mixer.m.0.c.weight" in RepViTBlock(8, 16, 2, gated=True).state_dict()


@torch.no_grad()
def test_a_fresh_encoder_sees_its_image():
    encoder = build_encoder(PRESETS["repvit-m0.6"].encoder)
    black, white = encoder(torch.stack([torch.zeros(3, 64, 64), torch.rand(3, 64, 64)]))
    assert (black - white).abs().max() > 0.1
