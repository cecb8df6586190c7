"""SAM's image encoder (Kirillov et al. 2023; facebookresearch/segment-anything): a ViT with window attention.

Feature maps are (B, H, W, C). Four blocks attend to the whole map, the others inside windows of 14 x 14.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from predict.presets import GRID, DualBranchSpec
from train.models.layers import from_windows, init_linear, sam_neck, to_windows


class PatchEmbed(nn.Module):
    """Patches to tokens."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, H / patch, W / patch, width)."""
        out: Tensor = self.proj(images).permute(0, 2, 3, 1)
        return out


class Attention(nn.Module):
    """Self-attention over a square map, each query with a learned bias by row and by column offset."""

    index: Tensor

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads, self.side = heads, side
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, width // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, width // heads))
        place = torch.arange(side)
        self.register_buffer("index", place[:, None] - place[None] + side - 1, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, side * side, C) to the same."""
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        query = q.unflatten(2, (self.side, self.side))
        rows = torch.einsum("bhyxc,ykc->bhyxk", query, self.rel_pos_h[self.index])
        columns = torch.einsum("bhyxc,xkc->bhyxk", query, self.rel_pos_w[self.index])
        bias = (rows[..., :, None] + columns[..., None, :]).flatten(4).flatten(2, 3)
        x = scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        out: Tensor = self.proj(x.transpose(1, 2).reshape(batch, tokens, width))
        return out


class Mlp(nn.Module):
    """Two linear layers, four times as wide between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(width, 4 * width)
        self.lin2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to the same."""
        out: Tensor = self.lin2(gelu(self.lin1(x)))
        return out


class Block(nn.Module):
    """Attention in windows, or over the whole map where `window` is 0, and an MLP."""

    def __init__(self, width: int, heads: int, window: int, side: int) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads, window or side)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) to the same."""
        height, width = x.shape[1:3]
        y = self.norm1(x)
        if self.window:
            windows = to_windows(y, self.window)
            attended = self.attn(windows.flatten(0, 1)).view_as(windows)
            y = from_windows(attended, self.window, height, width)
        else:
            y = self.attn(y.flatten(1, 2)).view_as(y)
        x = x + y
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class ImageEncoderViT(nn.Module):
    """Images (B, 3, 1024, 1024) to embeddings (B, 256, 64, 64)."""

    def __init__(self, spec: DualBranchSpec) -> None:
        super().__init__()
        width = spec.width
        self.patch_embed = PatchEmbed(width, spec.image_size // GRID)
        self.pos_embed = nn.Parameter(torch.zeros(1, GRID, GRID, width))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.blocks = nn.ModuleList(
            Block(width, spec.heads, 0 if i in spec.global_blocks else spec.window, GRID) for i in range(spec.depth)
        )
        self.neck = sam_neck(width)
        self.apply(init_linear)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 1024, 1024) to (B, 256, 64, 64)."""
        x = self.patch_embed(images) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.neck(x.permute(0, 3, 1, 2))
        return out
