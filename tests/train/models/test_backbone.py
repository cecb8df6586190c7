import pytest
import torch

from predict.errors import ModelError
from predict.presets import preset
from train.models.cost import cost
from train.models.segmenter import build_encoder

pytestmark = pytest.mark.usefixtures("timm")


@pytest.mark.parametrize(
    "name",
    [
        "mobilenetv3_small_100",  # maps of strides 2 to 32
        "repvit_m0_9",  # strides 4 to 32
        "vit_tiny_patch16_224",  # one stride, a fixed image size
        "swin_tiny_patch4_window7_224",  # channels last, a fixed image size
        "hrnet_w18_small",  # a feature class of its own
    ],
)
@torch.no_grad()
def test_any_backbone_gives_an_embedding(name):
    encoder = build_encoder(preset(f"timm:{name}").encoder).eval()
    image = torch.rand(1, 3, 256, 256)
    embedding = encoder(image)
    assert embedding.shape == (1, 256, 64, 64)
    assert embedding.isfinite().all()
    # A change at the lower right must show there: it does only where the maps are laid out rightly.
    changed = image.clone()
    changed[..., 128:, 128:] = 0
    moved = (encoder(changed) - embedding).abs().mean((0, 1))
    assert moved[40:, 40:].mean() > moved[:24, :24].mean()


def test_every_used_map_takes_part():
    encoder = build_encoder(preset("timm:mobilenetv3_small_100").encoder)
    encoder(torch.rand(2, 3, 256, 256)).square().mean().backward()
    assert [name for name, parameter in encoder.named_parameters() if parameter.grad is None] == []


def test_the_neck_is_light():
    counted = cost(preset("timm:repvit_m0_9"))
    assert counted.gmacs < 9.42 / 3
    assert counted.encoder_params < 6e6


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_backbone", "has no model 'no_such_backbone'"),
        ("resnet_18", "Close are: resnet18"),
        ("hf_hub:someone/something", "has no model"),
        ("crossvit_9_240", "no feature maps of a 256 x 256 image"),
        ("vit_small_patch14_dinov2", "no feature maps of a 256 x 256 image"),
    ],
)
def test_what_cannot_be_built_is_told(name, message):
    with pytest.raises(ModelError, match=message):
        build_encoder(preset(f"timm:{name}").encoder)
