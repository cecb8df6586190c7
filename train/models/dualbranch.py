"""DB-SAM's image encoder as its paper describes it (Qin et al., MICCAI 2024): ViT-B and convolutions.

The released configuration is another model. The paper's three modules are each an option: channel attention
after each ViT block, cross-attention between the branches after each global block, and the fusion of the two
maps. SAM's part is to be frozen: `adapter` and `neck` are what the paper trains.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, gelu

from predict.presets import DualBranchSpec
from train.models.deformable import DeformableAttention
from train.models.layers import DropPath, LayerNorm2d, SqueezeExcite, init_linear
from train.models.vit import ImageEncoderViT, Mlp


class ChannelAttention(nn.Module):
    """Norm, 3 x 3 by channel, squeeze-and-excitation, 1 x 1; a residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = LayerNorm2d(width)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.squeeze = SqueezeExcite(width, width // 4, nn.GELU, bias=False)
        self.pointwise = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        y = self.norm(x.permute(0, 3, 1, 2))
        y = self.pointwise(self.squeeze(gelu(self.depthwise(y))))
        out: Tensor = x + y.permute(0, 2, 3, 1)
        return out


class CrossAttention(nn.Module):
    """One branch reads the other by deformable attention; then an MLP."""

    def __init__(self, spec: DualBranchSpec) -> None:
        super().__init__()
        width = spec.width
        self.query_norm, self.value_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = DeformableAttention(width, spec.heads, spec.points)
        self.dropout = nn.Dropout(spec.dropout)
        self.drop_path = DropPath(spec.drop_path)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = Mlp(width)

    def forward(self, query: Tensor, value: Tensor) -> Tensor:
        """Update `query` from `value`, both (B, H, W, C)."""
        read = self.attn(self.query_norm(query), self.value_norm(value))
        query = query + self.drop_path(self.dropout(read))
        out: Tensor = query + self.drop_path(self.dropout(self.mlp(self.mlp_norm(query))))
        return out


class Fusion(nn.Module):
    """From both branches a gate M for each place and channel: vit * M + conv * (1 - M), and a norm."""

    def __init__(self, width: int, reduction: int = 12) -> None:
        super().__init__()
        hidden = width // reduction
        self.vit, self.conv = (
            nn.Sequential(
                nn.Linear(width, hidden, bias=False),
                nn.GELU(),
                nn.LayerNorm(hidden),
                nn.Linear(hidden, width, bias=False),
            )
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, vit: Tensor, conv: Tensor) -> Tensor:
        """Fuse two (B, H, W, C)."""
        gate = torch.sigmoid(self.vit(vit) + self.conv(conv))
        out: Tensor = self.norm(vit * gate + conv * (1 - gate))
        return out


class ConvBranch(nn.Module):
    """The image at 256 through two 3 x 3 and three 1 x 1 convolutions to the ViT's map."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.size = size
        layers: list[nn.Module] = []
        for inputs, outputs, kernel in ((3, 256, 3), (256, 256, 1), (256, 512, 3), (512, 512, 1)):
            stride = 2 if kernel == 3 else 1
            conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
            layers += [conv, nn.BatchNorm2d(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(512, width, 1, bias=False))
        self.level = nn.Parameter(torch.zeros(width))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 1024, 1024) to (B, 64, 64, width); the resize is by area."""
        x = adaptive_avg_pool2d(images, self.size)
        out: Tensor = self.layers(x).permute(0, 2, 3, 1) + self.level
        return out


class Adapter(nn.Module):
    """What DB-SAM adds to SAM; a list is empty, and a module None, where its switch is off."""

    def __init__(self, spec: DualBranchSpec) -> None:
        super().__init__()
        stages = len(spec.global_blocks) if spec.cross else 0
        self.channel = nn.ModuleList(ChannelAttention(spec.width) for _ in range(spec.depth if spec.channel else 0))
        self.to_vit = nn.ModuleList(CrossAttention(spec) for _ in range(stages))
        # Without the fusion nobody reads the convolution branch after the last exchange.
        self.to_conv = nn.ModuleList(CrossAttention(spec) for _ in range(stages if spec.fusion else max(stages - 1, 0)))
        self.fusion = Fusion(spec.width) if spec.fusion else None
        self.conv = ConvBranch(spec.width, spec.conv_size) if spec.cross or spec.fusion else None
        self.apply(init_linear)
        for module in self.modules():
            if isinstance(module, DeformableAttention):
                module.reset_parameters()


class DualBranch(ImageEncoderViT):
    """Images (B, 3, 1024, 1024), in SAM's mean and deviation, to embeddings (B, 256, 64, 64)."""

    def __init__(self, spec: DualBranchSpec) -> None:
        super().__init__(spec)
        self.global_blocks = spec.global_blocks
        self.adapter = Adapter(spec)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 1024, 1024) to (B, 256, 64, 64)."""
        adapter = self.adapter
        vit = self.patch_embed(images) + self.pos_embed
        conv = adapter.conv(images) if adapter.conv is not None else None
        for i, block in enumerate(self.blocks):
            vit = block(vit)
            if len(adapter.channel):
                vit = adapter.channel[i](vit)
            if conv is not None and len(adapter.to_vit) and i in self.global_blocks:
                vit, conv = self._exchange(self.global_blocks.index(i), vit, conv)
        if adapter.fusion is not None:
            vit = adapter.fusion(vit, conv)
        out: Tensor = self.neck(vit.permute(0, 3, 1, 2))
        return out

    def _exchange(self, stage: int, vit: Tensor, conv: Tensor) -> tuple[Tensor, Tensor]:
        """Each branch reads the other as it was before."""
        to_conv = self.adapter.to_conv
        return (
            self.adapter.to_vit[stage](vit, conv),
            to_conv[stage](conv, vit) if stage < len(to_conv) else conv,
        )
