"""Layers that several encoders share; their submodule names are those of the published checkpoints."""

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from predict.presets import EMBEDDING


class ConvBN(nn.Sequential):
    """A convolution without bias (`c`) and its batch norm (`bn`), padded so that stride 1 keeps the size.

    `zero` starts the norm's weight at 0, so that a residual branch starts as the identity.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, zero: bool = False
    ) -> None:
        super().__init__()
        self.c = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        if zero:
            nn.init.zeros_(self.bn.weight)

    def fused(self) -> nn.Conv2d:
        """One convolution that does what the two do in evaluation."""
        scale, shift = affine(self.bn)
        return like(self.c, self.c.weight * scale, shift)


def affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a batch norm in evaluation multiplies by, shaped for a kernel, and adds; in double precision."""
    mean, variance = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
    scale = norm.weight.double() / torch.sqrt(variance + norm.eps)
    return scale[:, None, None, None], norm.bias.double() - mean * scale


def like(conv: nn.Conv2d, weight: Tensor, bias: Tensor) -> nn.Conv2d:
    """A convolution such as `conv`, with these weights and this bias in `conv`'s own precision."""
    twin = deepcopy(conv)
    twin.weight = nn.Parameter(weight.detach().to(conv.weight.dtype))
    twin.bias = nn.Parameter(bias.detach().to(conv.weight.dtype))
    return twin


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W)."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__(channels, eps)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class DropPath(nn.Module):
    """Leave a residual branch out for a random part of the batch (stochastic depth, Huang et al. 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Drop samples of (B, ...) in training; the others are scaled so that the mean stays."""
        if not self.training or self.rate == 0:
            return x
        kept = x.new_empty((len(x), *[1] * (x.ndim - 1))).bernoulli_(1 - self.rate)
        return x * kept / (1 - self.rate)


class SqueezeExcite(nn.Module):
    """Squeeze-and-excitation (Hu et al. 2018): each channel times a gate made from all channels' means."""

    def __init__(self, width: int, hidden: int, activation: type[nn.Module] = nn.ReLU, bias: bool = True) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, hidden, 1, bias=bias)
        self.act = activation()
        self.fc2 = nn.Conv2d(hidden, width, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Gate (B, C, H, W)."""
        gate: Tensor = self.fc2(self.act(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * gate.sigmoid()


def sam_neck(width: int) -> nn.Sequential:
    """SAM's neck: 1 x 1 to 256 channels, norm, 3 x 3, norm."""
    return nn.Sequential(
        nn.Conv2d(width, EMBEDDING, 1, bias=False),
        LayerNorm2d(EMBEDDING),
        nn.Conv2d(EMBEDDING, EMBEDDING, 3, padding=1, bias=False),
        LayerNorm2d(EMBEDDING),
    )


def to_windows(x: Tensor, size: int) -> Tensor:
    """Cut (B, H, W, C) into windows (B, windows, size * size, C), zeros added below and at the right."""
    batch, height, width, channels = x.shape
    x = pad(x, (0, 0, 0, -width % size, 0, -height % size))
    rows, columns = -(-height // size), -(-width // size)
    x = x.view(batch, rows, size, columns, size, channels).transpose(2, 3)
    return x.reshape(batch, rows * columns, size * size, channels)


def to_rows(x: Tensor) -> Tensor:
    """(N, C, H, W) to (N, H W, C)."""
    # Not flattened first: in a graph, this permutation cancels that of a norm before it.
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def from_windows(windows: Tensor, size: int, height: int, width: int) -> Tensor:
    """Undo `to_windows`: (B, windows, size * size, C) to (B, height, width, C)."""
    batch, channels = windows.shape[0], windows.shape[-1]
    rows, columns = -(-height // size), -(-width // size)
    x = windows.reshape(batch, rows, columns, size, size, channels).transpose(2, 3)
    return x.reshape(batch, rows * size, columns * size, channels)[:, :height, :width]


def init_linear(module: nn.Module) -> None:
    """Start a linear layer as ViT does: a normal of deviation 0.02 cut at 2, zero bias."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
