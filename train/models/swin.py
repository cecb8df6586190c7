"""The Swin teacher behind repvit-m0.6 (Liu et al. 2021 in the form of YSongxiao/MedSAMonLaptop_RepViT).

Not the Swin-T of ImageNet: it starts at full resolution with a learned position for every pixel, halves the
size twice only, and its last norm gives the embedding itself. Feature maps are (B, H, W, C).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad, scaled_dot_product_attention

from predict.presets import GRID, SwinSpec
from train.models.layers import DropPath, from_windows, init_linear, to_windows

BLOCKED = -100.0
"""Added to the attention between tokens that the cyclic shift brought together: nothing after the softmax."""


class PatchEmbed(nn.Module):
    """A 1 x 1 convolution and a norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, 1)
        self.norm = nn.LayerNorm(width)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, H, W, width)."""
        out: Tensor = self.norm(self.proj(images).permute(0, 2, 3, 1))
        return out


class WindowAttention(nn.Module):
    """Self-attention inside windows, with a learned bias for each offset (dy, dx) between two tokens."""

    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        span = 2 * window - 1
        self.relative_position_bias_table = nn.Parameter(torch.zeros(span * span, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        cells = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        offsets = cells[:, None] - cells[None] + window - 1
        self.register_buffer("relative_position_index", offsets[..., 0] * span + offsets[..., 1])
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, blocked: Tensor | None) -> Tensor:
        """Attend in (B, windows, tokens, C); `blocked` is (windows, 1, tokens, tokens)."""
        batch, windows, tokens, width = x.shape
        qkv = self.qkv(x).view(batch * windows, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if blocked is not None:
            bias = (bias + blocked).repeat(batch, 1, 1, 1)
        x = scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        out: Tensor = self.proj(x.transpose(1, 2).reshape(batch, windows, tokens, width))
        return out


class Mlp(nn.Module):
    """Two linear layers, four times as wide between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same."""
        out: Tensor = self.fc2(gelu(self.fc1(x)))
        return out


class SwinBlock(nn.Module):
    """Attention in windows, which are shifted in every second block, and an MLP."""

    def __init__(self, width: int, heads: int, window: int, shift: int, drop_path: float) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor, blocked: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        height, width = x.shape[1:3]
        y = self.norm1(x)
        if self.shift:
            # The shift goes round the padded map, so the padding is added before it.
            y = pad(y, (0, 0, 0, -width % self.window, 0, -height % self.window))
            windows = to_windows(y.roll((-self.shift, -self.shift), (1, 2)), self.window)
            y = from_windows(self.attn(windows, blocked), self.window, *y.shape[1:3])
            y = y.roll((self.shift, self.shift), (1, 2))[:, :height, :width]
        else:
            y = from_windows(self.attn(to_windows(y, self.window), None), self.window, height, width)
        x = x + self.drop_path(y)
        out: Tensor = x + self.drop_path(self.mlp(self.norm2(x)))
        return out


class PatchMerging(nn.Module):
    """Four neighbours become one token of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) with even H and W to (B, H / 2, W / 2, 2 C)."""
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        out: Tensor = self.reduction(self.norm(torch.cat(corners, -1)))
        return out


class Stage(nn.Module):
    """Blocks at one size (`side` pixels square) and the step down to the next stage."""

    blocked: Tensor

    def __init__(self, spec: SwinSpec, index: int, side: int, drop_paths: list[float], merge: bool) -> None:
        super().__init__()
        width, shift = spec.widths[index], spec.window // 2
        self.blocks = nn.ModuleList(
            SwinBlock(width, spec.heads[index], spec.window, shift if i % 2 else 0, rate)
            for i, rate in enumerate(drop_paths)
        )
        self.downsample = PatchMerging(width) if merge else None
        self.register_buffer("blocked", blocked_pairs(side, spec.window, shift), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, side, side, C) to the next stage's shape."""
        for block in self.blocks:
            x = block(x, self.blocked)
        return x if self.downsample is None else self.downsample(x)


def blocked_pairs(side: int, window: int, shift: int) -> Tensor:
    """Which tokens of a shifted window are apart in the image: (windows, 1, tokens, tokens) of 0 or -100."""
    padded = side + -side % window
    # A shifted row is of the first part, of the last window but not wrapped round, or wrapped round.
    place = torch.arange(padded)
    part = (place >= padded - window).long() + (place >= padded - shift).long()
    region = (3 * part[:, None] + part[None])[None, :, :, None].float()
    tokens = to_windows(region, window)[0, :, :, 0]
    return (tokens[:, :, None] != tokens[:, None, :]).float().mul(BLOCKED)[:, None]


class Swin(nn.Module):
    """Images (B, 3, 256, 256) to embeddings (B, 256, 64, 64)."""

    def __init__(self, spec: SwinSpec) -> None:
        super().__init__()
        sides = (4 * GRID, 2 * GRID, GRID, GRID)
        rates = torch.linspace(0, spec.drop_path, sum(spec.depths), device="cpu").tolist()
        self.absolute_pos_embed = nn.Parameter(torch.zeros(1, spec.widths[0], sides[0], sides[0]))
        nn.init.trunc_normal_(self.absolute_pos_embed, std=0.02)
        self.patch_embed = PatchEmbed(spec.widths[0])
        self.layers = nn.ModuleList()
        for i, depth in enumerate(spec.depths):
            first = sum(spec.depths[:i])
            self.layers.append(Stage(spec, i, sides[i], rates[first : first + depth], merge=i < 2))
        # Of the four norms only the last is used here; the published checkpoint holds them all.
        for i, width in enumerate(spec.widths):
            self.add_module(f"norm{i}", nn.LayerNorm(width))
        self.apply(init_linear)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 256, 256) to (B, 256, 64, 64)."""
        x = self.patch_embed(images) + self.absolute_pos_embed.permute(0, 2, 3, 1)
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.get_submodule("norm3")(x).permute(0, 3, 1, 2)
        return out
