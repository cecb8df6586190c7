"""A segmenter in the form that is fast to run: the same functions in real arithmetic, in another order.

Embeddings are rows here, a place each, as the convolutions of OpenVINO keep them: in any other order they would have
to be transposed, which takes as long as half a light encoder. The encoder has its norms and parallel branches
folded in. The decoder is cut in two: what the prompts on one image share is reckoned once (`Ground`), the rest for each
object (`Drawing`). There, with few tokens T against 4096 places,

- a score (t W_q)(x W_k)' is reckoned as (t W_q W_k') x', and a weighted sum of x W_v as (the weighted sum of x) W_v, so
  that no place is projected; likewise where the places ask and the tokens answer;
- what is added to all scores that compete in one softmax is left out: the keys' bias;
- the positions' share in what all prompts share is known beforehand; later, places are put in their positions once
  for both attentions that compare them;
- channels stand last, the transposed convolutions are matrix products, and pixels are put in order at the very end,
  when they are one number each;
- a norm that follows a product finds its mean subtracted already, by the weights before it;
- only the one mask of an unambiguous prompt and its IoU are drawn, so that two tokens ask in the last attention.
"""

from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, gelu

from predict.presets import GRID
from train.models.decoder import Attention, MaskDecoder, TwoWayLayer
from train.models.deployed_tinyvit import RowBlock
from train.models.layers import LayerNorm2d, to_rows
from train.models.repvit import reparameterise
from train.models.segmenter import Segmenter
from train.models.tinyvit import AttentionBlock

ASKING = 2
"""Tokens of which something is drawn: that of the IoU and that of the first mask."""


class CentredNorm(nn.Module):
    """A layer norm over the last axis, of numbers whose mean is 0 there."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (..., C)."""
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight + self.bias


class CentredNorm2d(CentredNorm):
    """A `CentredNorm` over the channels of (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Encoder(nn.Module):
    """Images (1, 3, S, S) in [0, 1] to embeddings (1, 4096, 256)."""

    def __init__(self, model: Segmenter) -> None:
        super().__init__()
        self.model = reparameterise(model)
        del self.model.mask_decoder, self.model.prompt_encoder
        _centre(self.model)
        _lay_rows(self.model)

    def forward(self, images: Tensor) -> Tensor:
        """Embed, the normalisation of the pixels included."""
        assert isinstance(self.model, Segmenter)
        return to_rows(self.model.embed(images))


class Ground(nn.Module):
    """An embedding, and a mask prompt if there is one, to what all prompts on it share."""

    weight: Tensor
    bias: Tensor
    placed: Tensor

    def __init__(self, model: Segmenter) -> None:
        super().__init__()
        self.prompt_encoder = model.prompt_encoder
        first = model.mask_decoder.transformer.layers[0]
        assert isinstance(first, TwoWayLayer)
        ask, answer = first.cross_attn_token_to_image, first.cross_attn_image_to_token
        self.heads = ask.heads
        keys, queries, values = ask.k_proj, answer.q_proj, ask.v_proj
        places = to_rows(model.prompt_encoder.dense_positions())[0]
        self.register_buffer("weight", torch.cat([one.weight for one in (keys, queries, values)]).detach())
        self.register_buffer("bias", torch.cat([0 * keys.bias, queries.bias, values.bias]).detach())
        self.register_buffer("placed", (torch.cat([keys.weight, queries.weight]) @ places.T).detach())

    def forward(self, embedding: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Project the embedding (1, 4096, 256), with a mask prompt (1, 1, 256, 256), for the first layer.

        Returns:
            The places (1, 4096, 256); by H heads of D channels, each (H, D, 4096), their keys and values, which the
            tokens ask, and what they ask the tokens themselves.
        """
        image = embedding + to_rows(self.prompt_encoder.dense(mask))
        # A convolution: as a product that gives channels first, OpenVINO would reckon it in float32 also for bfloat16.
        grid = _split(image, 1, GRID).permute(0, 3, 1, 2)
        projected = conv2d(grid, self.weight[:, :, None, None], self.bias).flatten(2)[0]
        count = len(self.placed)
        compared = _split(projected[:count] + self.placed, 0, 2 * self.heads)
        return image, compared[: self.heads], _split(projected[count:], 0, self.heads), compared[self.heads :]


class Ask(nn.Module):
    """Tokens ask places: an `Attention` that projects no place."""

    key: Tensor
    value: Tensor

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.heads, self.scale = attention.heads, _scale(attention)
        self.q_proj, self.v_proj, self.out_proj = attention.q_proj, attention.v_proj, attention.out_proj
        self.register_buffer("key", _by_head(attention.k_proj.weight, self.heads))
        self.register_buffer("value", _by_head(attention.v_proj.weight, self.heads).transpose(1, 2).contiguous())

    def forward(self, tokens: Tensor, image: Tensor, placed: Tensor) -> Tensor:
        """Tokens (N, T, 256) ask places (N, 4096, 256), which are `placed` where they are compared."""
        scores = (self._queries(tokens) @ self.key).flatten(1, 2) @ placed.transpose(1, 2)
        read = scores.softmax(-1) @ image  # (N, H T, 256)
        return self._out(_split(read, 1, self.heads) @ self.value + self.v_proj.bias.view(self.heads, 1, -1))

    def shared(self, tokens: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Tokens (N, T, 256) ask places that are the same for all N and projected."""
        return self._out((self._queries(tokens) @ keys).softmax(-1) @ values.transpose(1, 2))

    def _queries(self, tokens: Tensor) -> Tensor:
        return _heads(self.q_proj(tokens), self.heads) * self.scale

    def _out(self, read: Tensor) -> Tensor:
        out: Tensor = self.out_proj(read.transpose(1, 2).flatten(2))
        return out


class Answer(nn.Module):
    """Places ask tokens: an `Attention` that projects no place."""

    query: Tensor
    offset: Tensor
    out: Tensor

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.heads, self.scale = attention.heads, _scale(attention)
        self.k_proj, self.v_proj = attention.k_proj, attention.v_proj
        self.bias = attention.out_proj.bias
        self.register_buffer("query", _by_head(attention.q_proj.weight, self.heads))
        self.register_buffer("offset", _by_head(attention.q_proj.bias[:, None], self.heads))
        self.register_buffer("out", _by_head(attention.out_proj.weight.T, self.heads))

    def forward(self, image: Tensor, placed: Tensor, tokens: Tensor) -> Tensor:
        """Places (N, 4096, 256) ask tokens (N, T, 256); both are `placed` where they are compared."""
        k = self._keys(placed)
        scores = (k @ self.query).flatten(1, 2) @ image.transpose(1, 2) + (k @ self.offset).flatten(1, 2)
        return self._answer(scores, tokens)

    def shared(self, queries: Tensor, placed: Tensor, tokens: Tensor) -> Tensor:
        """Places that are the same for all N and projected ask tokens (N, T, 256)."""
        return self._answer((self._keys(placed) @ queries).flatten(1, 2), tokens)

    def _keys(self, placed: Tensor) -> Tensor:
        return _heads(self.k_proj(placed), self.heads) * self.scale

    def _answer(self, scores: Tensor, tokens: Tensor) -> Tensor:
        weights = _split(scores, 1, self.heads).softmax(2).flatten(1, 2)  # (N, H T, 4096)
        values = (_heads(self.v_proj(tokens), self.heads) @ self.out).flatten(1, 2)
        return weights.transpose(1, 2) @ values + self.bias


class Layer(nn.Module):
    """A `TwoWayLayer` of these attentions."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        assert isinstance(layer, TwoWayLayer)
        self.layer = layer
        self.ask = Ask(layer.cross_attn_token_to_image)
        self.answer = Answer(layer.cross_attn_image_to_token)

    def forward(
        self, tokens: Tensor, image: Tensor, prompt: Tensor, places: Tensor, shared: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Update tokens (N, T, 256) and places (N, 4096, 256); `prompt` and `places` are their positions.

        The first layer's places are (1, 4096, 256), and `shared`.
        """
        layer, ask, answer, (keys, values, queries) = self.layer, self.ask, self.answer, shared
        if layer.first:
            tokens = layer.norm1(layer.self_attn(tokens, tokens, tokens))
            tokens = layer.norm2(tokens + ask.shared(tokens + prompt, keys, values))
            tokens = layer.norm3(tokens + layer.mlp(tokens))
            return tokens, layer.norm4(image + answer.shared(queries, tokens + prompt, tokens))
        placed = image + places
        tokens = layer.norm1(tokens + layer.self_attn(tokens + prompt, tokens + prompt, tokens))
        tokens = layer.norm2(tokens + ask(tokens + prompt, image, placed))
        tokens = layer.norm3(tokens + layer.mlp(tokens))
        return tokens, layer.norm4(image + answer(placed, tokens + prompt, tokens))


class Upscaling(nn.Module):
    """Places (N, 4096, 256) to 16 pixels each (N, 65536, 32): row, column, then twice which half, down and across."""

    def __init__(self, decoder: MaskDecoder) -> None:
        super().__init__()
        first, norm, _, second, _ = decoder.output_upscaling
        assert isinstance(first, nn.ConvTranspose2d)
        assert isinstance(second, nn.ConvTranspose2d)
        assert isinstance(norm, nn.LayerNorm)
        self.first, self.second = _product(first, centred=True), _product(second)
        self.norm = CentredNorm(norm)

    def forward(self, image: Tensor) -> Tensor:
        """Draw four pixels a place, and four of each."""
        fine = _split(self.first(image), 2, 4).flatten(1, 2)  # (N, 16384, 64), of mean 0
        return _split(gelu(self.second(gelu(self.norm(fine)))), 2, 4).flatten(1, 2)


class Drawing(nn.Module):
    """Prompts on what they share to logits and expected IoU."""

    output: Tensor
    positions: Tensor

    def __init__(self, model: Segmenter) -> None:
        super().__init__()
        decoder = model.mask_decoder
        transformer = decoder.transformer
        self.prompt_encoder = model.prompt_encoder
        self.layers = nn.ModuleList(Layer(layer) for layer in transformer.layers)
        self.last, self.norm = Ask(transformer.final_attn_token_to_image), transformer.norm_final_attn
        self.register_buffer("positions", to_rows(model.prompt_encoder.dense_positions()).contiguous())
        self.register_buffer("output", torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight]).detach()[None])
        self.upscaling = Upscaling(decoder)
        self.head, self.iou = decoder.output_hypernetworks_mlps[0], decoder.iou_prediction_head

    def forward(
        self, image: Tensor, keys: Tensor, values: Tensor, queries: Tensor, places: Tensor, kinds: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Draw for each row of places (N, T, 2), in the model's pixels, and their kinds (N, T).

        The other four are what `Ground` gives. Returns logits (N, 256, 256) and expected IoU (N,).
        """
        output = self.output.expand(places.shape[0], -1, -1)
        prompt = torch.cat([output, self.prompt_encoder.tokens(places, kinds)], 1)
        tokens = prompt
        for layer in self.layers:
            tokens, image = layer(tokens, image, prompt, self.positions, (keys, values, queries))
        tokens, prompt = tokens[:, :ASKING], prompt[:, :ASKING]
        tokens = self.norm(tokens + self.last(tokens + prompt, image, image + self.positions))
        logits = self.upscaling(image) @ self.head(tokens[:, 1])[:, :, None]
        logits = logits.view(-1, GRID, GRID, 2, 2, 2, 2).permute(0, 1, 3, 5, 2, 4, 6)
        return logits.reshape(-1, 4 * GRID, 4 * GRID), self.iou(tokens[:, 0])[:, 0]


def _scale(attention: Attention) -> float:
    return 1 / sqrt(attention.q_proj.out_features // attention.heads)


def _split(x: Tensor, axis: int, parts: int) -> Tensor:
    """One axis to two, the first of so many parts."""
    out: Tensor = x.unflatten(axis, (parts, -1))  # type: ignore[no-untyped-call]
    return out


def _heads(x: Tensor, heads: int) -> Tensor:
    """(N, T, H D) to (N, H, T, D)."""
    return _split(x, 2, heads).transpose(1, 2)


def _by_head(weight: Tensor, heads: int) -> Tensor:
    """A weight (H D, C) by head, (H, D, C)."""
    return _split(weight.detach(), 0, heads).contiguous()


def _product(conv: nn.ConvTranspose2d, centred: bool = False) -> nn.Linear:
    """A transposed convolution of 2 x 2 and stride 2 as a product, (..., in) to (..., 4 out): four pixels in a row.

    With `centred` the mean over a pixel's channels is 0.
    """
    weight = conv.weight.detach().double().permute(2, 3, 1, 0)  # down, across, out, in
    assert conv.bias is not None
    bias = conv.bias.detach().double().expand(2, 2, -1)
    if centred:
        weight, bias = weight - weight.mean(2, keepdim=True), bias - bias.mean(2, keepdim=True)
    linear = nn.Linear(conv.in_channels, 4 * conv.out_channels)
    linear.weight = nn.Parameter(weight.flatten(0, 2).to(conv.weight.dtype))
    linear.bias = nn.Parameter(bias.flatten().to(conv.weight.dtype))
    return linear


def _lay_rows(module: nn.Module) -> None:
    """Let every attention block of TinyViT keep places as rows."""
    for name, child in module.named_children():
        if isinstance(child, AttentionBlock):
            module.add_module(name, RowBlock(child))
        else:
            _lay_rows(child)


def _centre(module: nn.Module) -> None:
    """Let every convolution before a layer norm give numbers of mean 0, and the norm rely on it."""
    for child in module.children():
        if isinstance(child, nn.Sequential):
            for i, (conv, norm) in enumerate(pairwise(child)):
                if isinstance(conv, nn.Conv2d) and conv.groups == 1 and isinstance(norm, LayerNorm2d):
                    for part in (conv.weight, conv.bias):
                        if part is not None:
                            part.data = (part.data.double() - part.data.double().mean(0)).to(part.dtype)
                    child[i + 1] = CentredNorm2d(norm)
        _centre(child)
