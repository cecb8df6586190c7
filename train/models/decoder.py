"""SAM's mask decoder (Kirillov et al. 2023): tokens and image look at each other, then the tokens draw masks.

One image with many boxes keeps a batch of one on the image's side as long as no box has changed it:
broadcasting spares the first layer's projections for all boxes but one.
"""

from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from predict.presets import EMBEDDING, DecoderSpec
from train.models.layers import LayerNorm2d

MASK_TOKENS = 4
"""The first draws the one mask of an unambiguous prompt, the others the three of an ambiguous one."""


class Attention(nn.Module):
    """Multi-head attention, narrower inside by `narrow`; batches of 1 are broadcast."""

    def __init__(self, heads: int, narrow: int = 1) -> None:
        super().__init__()
        self.heads = heads
        inner = EMBEDDING // narrow
        self.q_proj = nn.Linear(EMBEDDING, inner)
        self.k_proj = nn.Linear(EMBEDDING, inner)
        self.v_proj = nn.Linear(EMBEDDING, inner)
        self.out_proj = nn.Linear(inner, EMBEDDING)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Queries (N or 1, T, 256), keys and values (N or 1, S, 256) to (N, T, 256)."""
        q, k, v = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (self.q_proj(q), self.k_proj(k), self.v_proj(v))
        )
        scores = q @ k.transpose(-2, -1) / sqrt(q.shape[-1])
        out: Tensor = self.out_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return out


class Mlp(nn.Module):
    """Two linear layers with a ReLU between."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(EMBEDDING, hidden)
        self.lin2 = nn.Linear(hidden, EMBEDDING)

    def forward(self, x: Tensor) -> Tensor:
        """(..., 256) to the same."""
        out: Tensor = self.lin2(relu(self.lin1(x)))
        return out


class TwoWayLayer(nn.Module):
    """Tokens among themselves, tokens to image, an MLP, image to tokens; the `first` has no positions yet."""

    def __init__(self, spec: DecoderSpec, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(spec.heads)
        self.norm1 = nn.LayerNorm(EMBEDDING)
        self.cross_attn_token_to_image = Attention(spec.heads, 2)
        self.norm2 = nn.LayerNorm(EMBEDDING)
        self.mlp = Mlp(spec.mlp)
        self.norm3 = nn.LayerNorm(EMBEDDING)
        self.norm4 = nn.LayerNorm(EMBEDDING)
        self.cross_attn_image_to_token = Attention(spec.heads, 2)

    def forward(self, tokens: Tensor, image: Tensor, prompt: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Update `tokens` (N, T, 256) and `image` (N or 1, 4096, 256); the other two are their positions."""
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + prompt
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        keys = image + places
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + prompt, keys, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(image + self.cross_attn_image_to_token(keys, tokens + prompt, tokens))
        return tokens, image


class TwoWayTransformer(nn.Module):
    """The layers, and a last look of the tokens at the image."""

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayLayer(spec, first=i == 0) for i in range(spec.depth))
        self.final_attn_token_to_image = Attention(spec.heads, 2)
        self.norm_final_attn = nn.LayerNorm(EMBEDDING)

    def forward(self, image: Tensor, places: Tensor, prompt: Tensor) -> tuple[Tensor, Tensor]:
        """Image and places (N or 1, 4096, 256), tokens (N, T, 256) to the tokens and the image after."""
        tokens = prompt
        for layer in self.layers:
            tokens, image = layer(tokens, image, prompt, places)
        last = self.final_attn_token_to_image(tokens + prompt, image + places, image)
        return self.norm_final_attn(tokens + last), image


class Head(nn.Module):
    """Linear layers with ReLUs between."""

    def __init__(self, outputs: int, depth: int) -> None:
        super().__init__()
        widths = [EMBEDDING] * depth + [outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        """(..., 256) to (..., outputs)."""
        for layer in self.layers[:-1]:
            x = relu(layer(x))
        out: Tensor = self.layers[-1](x)
        return out


class MaskDecoder(nn.Module):
    """An embedding and prompts to mask logits at a quarter of the stride, with the expected IoU of each."""

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__()
        drawn = EMBEDDING // 8
        self.transformer = TwoWayTransformer(spec)
        self.iou_token = nn.Embedding(1, EMBEDDING)
        self.mask_tokens = nn.Embedding(MASK_TOKENS, EMBEDDING)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(EMBEDDING, EMBEDDING // 4, 2, 2),
            LayerNorm2d(EMBEDDING // 4),
            nn.GELU(),
            nn.ConvTranspose2d(EMBEDDING // 4, drawn, 2, 2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(Head(drawn, 3) for _ in range(MASK_TOKENS))
        self.iou_prediction_head = Head(MASK_TOKENS, spec.iou_depth)

    def forward(
        self, embedding: Tensor, places: Tensor, sparse: Tensor, dense: Tensor, several: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Draw masks.

        Args:
            embedding: (N, 256, 64, 64), or (1, 256, 64, 64) for all N prompts.
            places: its positions, (1, 256, 64, 64).
            sparse: the prompts' tokens, (N, T, 256).
            dense: what is added to the embedding, broadcastable to it.
            several: the three masks of an ambiguous prompt in place of the one.

        Returns:
            Logits (N, 1 or 3, 256, 256) and expected IoU (N, 1 or 3).
        """
        output = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        prompt = torch.cat([output.expand(len(sparse), -1, -1), sparse], 1)
        image = (embedding + dense).flatten(2).transpose(1, 2)
        tokens, image = self.transformer(image, places.flatten(2).transpose(1, 2), prompt)

        upscaled = self.output_upscaling(image.transpose(1, 2).unflatten(2, embedding.shape[-2:]))
        # Every token goes through its head also where one mask is drawn: else the others had no gradient.
        heads = [head(tokens[:, 1 + i]) for i, head in enumerate(self.output_hypernetworks_mlps)]
        wanted = slice(1, None) if several else slice(0, 1)
        masks = torch.einsum("nmc,nchw->nmhw", torch.stack(heads, 1)[:, wanted], upscaled)
        return masks, self.iou_prediction_head(tokens[:, 0])[:, wanted]
