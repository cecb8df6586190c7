"""LiteMedSAM's image encoder, a TinyViT that starts at full resolution (Wu et al. 2022; bowang-lab/MedSAM).

Unlike MobileSAM's TinyViT it starts with 1 x 1 convolutions that do not shrink the image: no weights of that
one fit. Feature maps stay (B, C, H, W) throughout.
"""

from itertools import product

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from predict.presets import TinyViTSpec
from train.models.layers import ConvBN, from_windows, init_linear, sam_neck, to_windows


class PatchEmbed(nn.Module):
    """Two 1 x 1 convolutions, without stride."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(ConvBN(3, width // 2), nn.GELU(), ConvBN(width // 2, width))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, width, H, W)."""
        out: Tensor = self.seq(images)
        return out


class MBConv(nn.Module):
    """An inverted residual: widen 4 times, 3 x 3 by channel, narrow."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 4 * width
        self.conv1 = ConvBN(width, hidden)
        self.conv2 = ConvBN(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvBN(hidden, width, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        return gelu(x + self.conv3(gelu(self.conv2(gelu(self.conv1(x))))))


class PatchMerging(nn.Module):
    """To another width, and to half the size where the stride is 2."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvBN(inputs, outputs)
        self.conv2 = ConvBN(outputs, outputs, 3, stride, groups=outputs)
        self.conv3 = ConvBN(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        merged: Tensor = self.conv3(gelu(self.conv2(gelu(self.conv1(x)))))
        return merged


class WindowAttention(nn.Module):
    """Self-attention inside windows, with a learned bias for each distance |dy|, |dx| between two tokens.

    The norm stands inside: the zeros that pad a window pass through it and take part, as published.
    """

    offsets: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        # From a window's first token every distance is met once, in row-major order: that order numbers them.
        cells = list(product(range(window), repeat=2))
        offsets = [[abs(a[0] - b[0]) * window + abs(a[1] - b[1]) for b in cells] for a in cells]
        self.register_buffer("offsets", torch.tensor(offsets), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(windows, tokens, C) to the same."""
        windows, tokens, width = x.shape
        qkv = self.qkv(self.norm(x)).view(windows, tokens, self.heads, 3, width // self.heads)
        q, k, v = qkv.permute(3, 0, 2, 1, 4).unbind(0)
        bias = self.attention_biases[:, self.offsets].to(q.dtype)
        x = scaled_dot_product_attention(q, k, v, attn_mask=bias)
        out: Tensor = self.proj(x.transpose(1, 2).reshape(windows, tokens, width))
        return out


class Mlp(nn.Module):
    """A norm and two linear layers, four times as wide between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same."""
        out: Tensor = self.fc2(gelu(self.fc1(self.norm(x))))
        return out


class AttentionBlock(nn.Module):
    """Window attention, a 3 x 3 by channel without residual, an MLP."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(width, heads, window)
        self.mlp = Mlp(width)
        self.local_conv = ConvBN(width, width, 3, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        height, width = x.shape[-2:]
        x = x.permute(0, 2, 3, 1)
        windows = to_windows(x, self.window)
        attended = self.attn(windows.flatten(0, 1)).view_as(windows)
        x = x + from_windows(attended, self.window, height, width)
        x = self.local_conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = (x + self.mlp(x)).permute(0, 3, 1, 2)
        return out


class Stage(nn.Module):
    """Blocks at one size and the step down to the next stage."""

    def __init__(self, blocks: list[nn.Module], downsample: PatchMerging | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the next stage's shape."""
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class TinyViT(nn.Module):
    """Images (B, 3, 256, 256) to embeddings (B, 256, 64, 64)."""

    def __init__(self, spec: TinyViTSpec) -> None:
        super().__init__()
        widths, strides = spec.widths, (2, 2, 1)
        self.patch_embed = PatchEmbed(widths[0])
        self.layers = nn.ModuleList()
        for i, (width, depth) in enumerate(zip(widths, spec.depths, strict=True)):
            blocks: list[nn.Module] = [
                MBConv(width) if i == 0 else AttentionBlock(width, spec.heads[i - 1], spec.windows[i - 1])
                for _ in range(depth)
            ]
            down = PatchMerging(width, widths[i + 1], strides[i]) if i < len(strides) else None
            self.layers.append(Stage(blocks, down))
        self.neck = sam_neck(widths[-1])
        self.apply(init_linear)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 256, 256) to (B, 256, 64, 64)."""
        x = self.patch_embed(images)
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.neck(x)
        return out
