"""Deformable attention on one feature map (Zhu et al. 2021), in plain torch."""

from math import pi

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample


class DeformableAttention(nn.Module):
    """Each query reads, a head, `points` places around its own, which it learns to choose and to weigh."""

    def __init__(self, width: int, heads: int, points: int) -> None:
        super().__init__()
        self.heads, self.points = heads, points
        self.sampling_offsets = nn.Linear(width, heads * points * 2)
        self.attention_weights = nn.Linear(width, heads * points)
        self.value_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start at a ring: a direction a head, 1, 2, ... pixels away a point, all of equal weight."""
        for layer in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        angle = torch.arange(self.heads) * (2 * pi / self.heads)
        direction = torch.stack([angle.cos(), angle.sin()], -1)
        direction = direction / direction.abs().amax(-1, keepdim=True)
        ring = direction[:, None] * torch.arange(1, self.points + 1)[None, :, None]
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(ring.flatten())
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, query: Tensor, value: Tensor) -> Tensor:
        """Read `value` (B, H, W, C) for each place of `query` (B, H, W, C); offsets are (x, y) in pixels."""
        batch, height, width, channels = query.shape
        maps = self.value_proj(value).view(batch, height, width, self.heads, -1)
        maps = maps.permute(0, 3, 4, 1, 2).flatten(0, 1)

        offsets = self.sampling_offsets(query).view(batch, height * width, self.heads, self.points, 2)
        weights = self.attention_weights(query).view(batch, height * width, self.heads, self.points)
        size = offsets.new_tensor([width, height])
        places = (offsets.float() + _pixels(height, width, offsets.device)[:, None, None] + 0.5) * 2 / size - 1
        places = places.transpose(1, 2).flatten(0, 1)
        weights = weights.softmax(-1).transpose(1, 2).flatten(0, 1)[:, None]

        read = grid_sample(maps, places.to(maps.dtype), align_corners=False)
        summed = (read * weights).sum(-1).view(batch, channels, height, width)
        out: Tensor = self.output_proj(summed.permute(0, 2, 3, 1))
        return out


def _pixels(height: int, width: int, device: torch.device) -> Tensor:
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
    return torch.cartesian_prod(rows, columns).flip(-1).float()
