"""SAM's prompt encoder for boxes (Kirillov et al. 2023), which every preset shares: 6,220 parameters."""

from math import pi

import torch
from torch import Tensor, nn

from train.models.layers import LayerNorm2d
from train.models.presets import EMBEDDING, GRID

MASK_CHANNELS = 16
BOX_CORNERS = (2, 3)
"""Of the four point embeddings, those of a box's first and second corner."""


class RandomPositions(nn.Module):
    """A place in the unit square as sines and cosines of 128 random directions."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, EMBEDDING // 2))

    def forward(self, places: Tensor) -> Tensor:
        """Encode (..., 2), which are (x, y) in [0, 1], as (..., 256)."""
        directions = self.positional_encoding_gaussian_matrix
        # Products and a sum, no matmul: under autocast that would round the places to 8 bits.
        x, y = (2 * places - 1).unbind(-1)
        phase = 2 * pi * (x[..., None] * directions[0] + y[..., None] * directions[1])
        return torch.cat([phase.sin(), phase.cos()], -1)


class PromptEncoder(nn.Module):
    """Boxes to prompt tokens; the parts for clicks and masks are only here since checkpoints have them."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.pe_layer = RandomPositions()
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, EMBEDDING) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, EMBEDDING)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, MASK_CHANNELS // 4, 2, 2),
            LayerNorm2d(MASK_CHANNELS // 4),
            nn.GELU(),
            nn.Conv2d(MASK_CHANNELS // 4, MASK_CHANNELS, 2, 2),
            LayerNorm2d(MASK_CHANNELS),
            nn.GELU(),
            nn.Conv2d(MASK_CHANNELS, EMBEDDING, 1),
        )
        self.no_mask_embed = nn.Embedding(1, EMBEDDING)

    def forward(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Encode boxes (N, 4) of x0, y0, x1, y1 in pixels of the padded image.

        Returns:
            The corners' tokens (N, 2, 256), and what is added to the embedding where there is no mask prompt,
            (1, 256, 1, 1).
        """
        corners = (boxes.float().reshape(-1, 2, 2) + 0.5) / self.image_size
        kinds = torch.cat([self.point_embeddings[i](corners.new_zeros(1).long()) for i in BOX_CORNERS])
        return self.pe_layer(corners) + kinds, self.no_mask_embed.weight.reshape(1, EMBEDDING, 1, 1)

    def dense_positions(self) -> Tensor:
        """The encoded centre of each place of the embedding, (1, 256, 64, 64)."""
        place = (torch.arange(GRID, device=self.no_mask_embed.weight.device) + 0.5) / GRID
        y, x = torch.meshgrid(place, place, indexing="ij")
        encoded: Tensor = self.pe_layer(torch.stack([x, y], -1))
        return encoded.permute(2, 0, 1)[None]
