"""Any timm backbone as an image encoder: its feature maps under a light neck to 256 x 64 x 64."""

from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from predict.errors import ModelError
from predict.presets import EMBEDDING, GRID, TimmSpec
from train.models.layers import ConvBN, LayerNorm2d
from train.models.repvit import RepViTBlock
from train.models.timm_library import load_timm

SIDE = 4 * GRID
"""Pixels of the image, each way."""
FINEST = 4
"""Feature maps finer than the embedding's stride are left out."""


class Pyramid(nn.Module):
    """Feature maps of several strides, each to one width and to 64 x 64, added, refined by RepViT blocks and mixed."""

    def __init__(self, channels: list[int], width: int, blocks: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(ConvBN(inputs, width) for inputs in channels)
        self.refine = nn.Sequential(*(RepViTBlock(width, width, 1, gated=False) for _ in range(blocks)))
        self.mix = nn.Sequential(
            nn.GELU(),
            ConvBN(width, width, 3, groups=width),
            nn.GELU(),
            nn.Conv2d(width, EMBEDDING, 1, bias=False),
            LayerNorm2d(EMBEDDING),
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps (B, C, H, W) to (B, 256, 64, 64)."""
        total: Tensor | None = None
        for lateral, features in zip(self.lateral, maps, strict=True):
            resized = interpolate(lateral(features), (GRID, GRID), mode="bilinear", align_corners=False)
            total = resized if total is None else total + resized
        out: Tensor = self.mix(self.refine(total))
        return out


class TimmEncoder(nn.Module):
    """Images (B, 3, 256, 256) to embeddings (B, 256, 64, 64); the weights are random, nothing is downloaded.

    Raises:
        ModelError: timm is missing, has no such backbone, or the backbone gives no feature maps at 256 x 256.
    """

    def __init__(self, spec: TimmSpec) -> None:
        super().__init__()
        with torch.device("meta"):
            _probe(spec.name)
        self.backbone = _create(spec.name)
        info = self.backbone.feature_info
        self.used = [i for i, stride in enumerate(info.reduction()) if stride >= FINEST]
        layout = getattr(self.backbone, "output_fmt", None)
        self.channels_last = layout is not None and layout.value == "NHWC"
        self.neck = Pyramid([info.channels()[i] for i in self.used], spec.neck_width, spec.neck_blocks)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 256, 256) to (B, 256, 64, 64)."""
        maps = self.backbone(images)
        maps = [maps[i].permute(0, 3, 1, 2) if self.channels_last else maps[i] for i in self.used]
        out: Tensor = self.neck(maps)
        return out


def _create(name: str) -> Any:
    timm = load_timm()
    if not timm.is_model(name):
        close = get_close_matches(name, timm.list_models(), n=3)
        hint = f" Close are: {', '.join(close)}." if close else ""
        raise ModelError(f"timm {timm.__version__} has no model {name!r}.{hint}")
    config = timm.get_pretrained_cfg(name)
    fixed = {"img_size": SIDE} if config is not None and config.fixed_input_size else {}
    return timm.create_model(name, pretrained=False, features_only=True, **fixed)


def _probe(name: str) -> None:
    """Run the backbone on torch's meta device, where that costs nothing: not all take every image size."""
    what = f"timm's {name} gives no feature maps of a {SIDE} x {SIDE} image"
    try:
        backbone = _create(name).eval()
        backbone(torch.empty(1, 3, SIDE, SIDE))
    except ModelError:
        raise
    except Exception as error:
        # What a backbone raises for an image size or an option that it does not know is its author's choice.
        raise ModelError(f"{what}: {error}") from error
    uneven = [stride for stride in backbone.feature_info.reduction() if SIDE % stride]
    if uneven:
        raise ModelError(f"{what} without a rest: its strides are not all divisors of {SIDE}: {uneven}.")
