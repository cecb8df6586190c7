"""RepViT encoders (Wang et al. 2024): the student repvit-m0.6 and Rep-MedSAM's, in the published names.

In training a 3 x 3 runs beside a 1 x 1 and the identity; `reparameterise` folds the three into one.
"""

from copy import deepcopy
from typing import cast

from torch import Tensor, nn
from torch.nn.functional import pad

from predict.presets import RepViTSpec
from train.models.layers import ConvBN, SqueezeExcite, affine, like, sam_neck


class RepVGGDW(nn.Module):
    """A 3 x 3 and a 1 x 1 by channel, and the identity, added and normed."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = ConvBN(width, width, 3, groups=width)
        self.conv1 = nn.Conv2d(width, width, 1, groups=width)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        out: Tensor = self.bn(self.conv(x) + self.conv1(x) + x)
        return out

    def fused(self) -> nn.Conv2d:
        """One 3 x 3 convolution that does what the branches do in evaluation."""
        scale, shift = affine(self.conv.bn)
        weight = self.conv.c.weight * scale + pad(self.conv1.weight + 1, (1, 1, 1, 1))
        bias = shift + cast(Tensor, self.conv1.bias)
        scale, shift = affine(self.bn)
        return like(self.conv.c, weight * scale, bias * scale.flatten() + shift)


class Residual(nn.Module):
    """The input plus `m` of it."""

    def __init__(self, m: nn.Module) -> None:
        super().__init__()
        self.m = m

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same."""
        out: Tensor = x + self.m(x)
        return out


def squeeze(width: int) -> SqueezeExcite:
    """A gate of a quarter of the width, rounded to 8 (to the nearest, at least 8)."""
    return SqueezeExcite(width, max(8, (width // 4 + 4) // 8 * 8))


class RepViTBlock(nn.Module):
    """Mix the places (token mixer), then the channels (channel mixer)."""

    def __init__(self, inputs: int, outputs: int, stride: int, gated: bool) -> None:
        super().__init__()
        gate = squeeze(inputs) if gated else nn.Identity()
        if stride == 1:
            self.token_mixer = nn.Sequential(RepVGGDW(inputs), gate)
        else:
            self.token_mixer = nn.Sequential(
                ConvBN(inputs, inputs, 3, stride, groups=inputs), gate, ConvBN(inputs, outputs)
            )
            inputs = outputs
        # A last norm of 0 makes a residual block start as the identity; without a residual it would block all.
        last = ConvBN(2 * inputs, outputs, zero=inputs == outputs)
        mixer = nn.Sequential(ConvBN(inputs, 2 * inputs), nn.GELU(), last)
        self.channel_mixer = Residual(mixer) if inputs == outputs else mixer

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        out: Tensor = self.channel_mixer(self.token_mixer(x))
        return out


class RepViT(nn.Module):
    """Images (B, 3, 256, 256) to embeddings (B, 256, 64, 64)."""

    def __init__(self, spec: RepViTSpec) -> None:
        super().__init__()
        width, stride = spec.stages[0].width, spec.stem_stride
        stem = nn.Sequential(ConvBN(3, width // 2, 3, stride), nn.GELU(), ConvBN(width // 2, width, 3, stride))
        self.features = nn.ModuleList([stem])
        for stage in spec.stages:
            for i, gated in enumerate(stage.squeeze):
                step = stage.stride if i == 0 else 1
                self.features.append(RepViTBlock(width, stage.width, step, gated == "1"))
                width = stage.width
        self.neck = sam_neck(width)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 256, 256) to (B, 256, 64, 64)."""
        x = images
        for block in self.features:
            x = block(x)
        out: Tensor = self.neck(x)
        return out


def reparameterise(model: nn.Module) -> nn.Module:
    """A copy in evaluation in which every convolution has its norm and its parallel branches folded in.

    The outputs equal those of `model` in evaluation to rounding. It is for inference: its keys are its own.
    """
    fused = deepcopy(model).eval()
    _fold_children(fused)
    return fused


def _fold_children(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, ConvBN | RepVGGDW):
            module.add_module(name, child.fused())
        else:
            _fold_children(child)
