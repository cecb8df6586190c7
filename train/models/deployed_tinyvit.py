"""TinyViT's attention blocks in the form that is fast to run: the same functions in real arithmetic.

Places are rows (B, H W, C) wherever something else than a convolution is done, as for `deployed`. A norm's weights are
in the product after it. The queries, keys and values are reckoned of the places that there are: the zeros that pad a
window would add to these only what the biases do, and

- what the keys' bias adds is the same for all that compete in one softmax: it is left out;
- a softmax sums to 1, so that the values' bias passes through it: it is in the product after it;
- what padding asks is cut off.
"""

from math import ceil, sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from train.models.layers import from_windows, to_rows
from train.models.tinyvit import AttentionBlock


class RowAttention(nn.Module):
    """Window attention and its norm, of rows."""

    bias: Tensor

    def __init__(self, block: AttentionBlock) -> None:
        super().__init__()
        attention = block.attn
        self.window, self.heads = block.window, attention.heads
        self.norm, qkv = _normed(attention.norm, attention.qkv)
        # Published by head: its queries, keys and values. Here the queries of all heads stand first.
        weight = qkv.weight.double().view(self.heads, 3, -1, qkv.in_features).transpose(0, 1)
        bias = qkv.bias.double().view(self.heads, 3, -1).transpose(0, 1)
        scale = 1 / sqrt(weight.shape[2])
        self.qkv = _linear(
            torch.cat([weight[:1] * scale, weight[1:]]).flatten(0, 2),
            torch.cat([bias[:1] * scale, 0 * bias[1:]]).flatten(),
        )
        weight = attention.proj.weight.double()
        self.proj = _linear(weight, attention.proj.bias.double() + weight @ bias[2].flatten())
        self.to(qkv.weight.dtype)
        self.register_buffer("bias", attention.attention_biases[:, attention.offsets].detach())

    def forward(self, rows: Tensor, height: int, width: int) -> Tensor:
        """(B, height * width, C) to the same."""
        size, batch = self.window, len(rows)
        down, across = ceil(height / size), ceil(width / size)
        qkv = self.qkv(self.norm(rows)).view(batch, height, width, -1)
        qkv = pad(qkv, (0, 0, 0, across * size - width, 0, down * size - height))
        qkv = qkv.view(batch * down, size, across, size, 3, self.heads, -1).permute(4, 0, 2, 5, 1, 3, 6)
        q, k, v = qkv.reshape(3, batch * down * across, self.heads, size * size, -1).unbind()
        read = (q @ k.transpose(-2, -1) + self.bias).softmax(-1) @ v
        windows = read.transpose(1, 2).reshape(batch, down * across, size * size, -1)
        out: Tensor = self.proj(from_windows(windows, size, height, width).flatten(1, 2))
        return out


class RowBlock(nn.Module):
    """An `AttentionBlock` in evaluation."""

    def __init__(self, block: AttentionBlock) -> None:
        super().__init__()
        self.attn = RowAttention(block)
        self.local_conv = block.local_conv
        self.mlp = nn.Sequential(*_normed(block.mlp.norm, block.mlp.fc1), nn.GELU(), block.mlp.fc2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        size = x.shape[-2:]
        rows = to_rows(x)
        rows = to_rows(self.local_conv(_grid(rows + self.attn(rows, *size), *size)))
        return _grid(rows + self.mlp(rows), *size)


def _grid(rows: Tensor, height: int, width: int) -> Tensor:
    return rows.view(len(rows), height, width, -1).permute(0, 3, 1, 2)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight, linear.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
    return linear


def _normed(norm: nn.LayerNorm, linear: nn.Linear) -> tuple[nn.LayerNorm, nn.Linear]:
    """A norm and the product after it, the norm's weights in the product."""
    weight = linear.weight.double()
    folded = _linear(weight * norm.weight, linear.bias.double() + weight @ norm.bias.double())
    plain = nn.LayerNorm(norm.normalized_shape, norm.eps, elementwise_affine=False)
    return plain, folded.to(linear.weight.dtype)
