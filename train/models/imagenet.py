"""ImageNet's weights for a timm backbone, out of an installable package that names them otherwise."""

import re

import torch

from predict.errors import ModelError
from predict.presets import TimmSpec
from train.models.backbone import TimmEncoder
from train.models.segmenter import Segmenter
from train.models.weights import bundled_file, read_checkpoint

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue, by which ImageNet's images are normed; ours come in [0, 1]."""
STAGES = (1, 2, 2, 3, 3, 4, 1)
"""Blocks in each stage of an EfficientNet-B0."""
LAYERS = {"_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw", "_project_conv": "conv_pwl"}
STEM = "conv_stem.weight"


def load_imagenet(model: Segmenter) -> None:
    """Start a model's backbone from ImageNet's weights.

    The norming of ImageNet's images is folded into the first convolution and its batch norm.

    Raises:
        ModelError: no such weights are known for the model.
        WeightsError: the package that has them is missing, or its file is not the published one.
    """
    spec, encoder = model.preset.encoder, model.image_encoder
    if not isinstance(spec, TimmSpec) or spec.pretrained is None or not isinstance(encoder, TimmEncoder):
        raise ModelError(
            f"no ImageNet weights are known for {model.preset.name}: start it from --weights, or at random"
        )
    found = read_checkpoint(bundled_file(model.preset.name, spec.pretrained)).tensors
    renamed = {timm_name(key): value for key, value in found.items()}
    own = encoder.backbone.state_dict()
    tensors = {key: renamed[key] for key in own}
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
    tensors[STEM] = tensors[STEM] / deviation
    tensors["bn1.running_mean"] = tensors["bn1.running_mean"] + (tensors[STEM] * mean).sum((1, 2, 3))
    encoder.backbone.load_state_dict(tensors, strict=True)


def timm_name(key: str) -> str:
    """Return timm's name of a tensor of efficientnet_pytorch's."""
    if key == "_conv_stem.weight":
        return STEM
    if key.startswith("_bn0."):
        return key.replace("_bn0", "bn1")
    block = re.match(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
    if block is None:
        return f"head.{key}"
    number, layer = int(block[1]), block[2]
    stage = 0
    while number >= STAGES[stage]:
        number, stage = number - STAGES[stage], stage + 1
    # The first stage does not expand, so that timm counts its layers from one less.
    if layer.startswith("_bn"):
        name = f"bn{int(layer[3]) + (stage > 0)}"
    else:
        name = {**LAYERS, "_project_conv": "conv_pw"}[layer] if stage == 0 else LAYERS[layer]
    return f"blocks.{stage}.{number}.{name}.{block[3]}"
