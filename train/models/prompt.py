"""SAM's prompt encoder (Kirillov et al. 2023) for boxes, points and masks, which every preset shares."""

from math import pi

import torch
from torch import Tensor, nn

from predict.presets import EMBEDDING, GRID
from train.models.layers import LayerNorm2d

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
    """Boxes and points to prompt tokens, masks to what is added to the embedding."""

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
        kinds = torch.tensor([BOX_CORNERS], device=boxes.device).expand(len(boxes), -1)
        return self.tokens(boxes.float().reshape(-1, 2, 2), kinds), self.dense()

    def tokens(self, places: Tensor, kinds: Tensor) -> Tensor:
        """Encode places (N, T, 2) of x, y in pixels of the padded image, and their kinds (N, T), as (N, T, 256).

        A kind is 0 for a point outside the object, 1 for one inside, 2 and 3 for a box's corners, -1 for no point.
        """
        encoded = self.pe_layer((places + 0.5) / self.image_size) * (kinds >= 0)[..., None]
        row = kinds.new_zeros(1)
        table = torch.cat([self.not_a_point_embed(row), *(embedding(row) for embedding in self.point_embeddings)])
        out: Tensor = encoded + table[kinds + 1]
        return out

    def dense(self, masks: Tensor | None = None) -> Tensor:
        """What is added to the embedding: of mask logits (N, 1, 256, 256), or (1, 256, 1, 1) where there are none."""
        if masks is None:
            return self.no_mask_embed.weight.reshape(1, EMBEDDING, 1, 1)
        out: Tensor = self.mask_downscaling(masks)
        return out

    def dense_positions(self) -> Tensor:
        """The encoded centre of each place of the embedding, (1, 256, 64, 64)."""
        place = (torch.arange(GRID, device=self.no_mask_embed.weight.device) + 0.5) / GRID
        y, x = torch.meshgrid(place, place, indexing="ij")
        encoded: Tensor = self.pe_layer(torch.stack([x, y], -1))
        return encoded.permute(2, 0, 1)[None]
