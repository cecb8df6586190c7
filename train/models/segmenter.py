"""A promptable segmenter: image encoder, prompt encoder and mask decoder, built from a preset."""

from difflib import get_close_matches

import torch
from torch import Tensor, nn

from predict.errors import ModelError
from predict.presets import (
    DualBranchSpec,
    EncoderSpec,
    Preset,
    RepViTSpec,
    SwinSpec,
    TimmSpec,
    TinyViTSpec,
)
from train.models.decoder import MaskDecoder
from train.models.prompt import PromptEncoder

SAM_MEAN = (123.675, 116.28, 103.53)
SAM_DEVIATION = (58.395, 57.12, 57.375)
"""Of 8-bit red, green and blue, in facebookresearch/segment-anything."""
LAST_NORM = "last_norm"
"""The part that makes an embedding's scale: the norm that the image encoder ends in, wherever a model keeps it."""


class Segmenter(nn.Module):
    """Images and boxes to mask logits.

    Images are (B, 3, S, S) in [0, 1], S being `preset.image_size`, zero-padded below and at the right. Boxes
    are x0, y0, x1, y1 in pixels of that padded image.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.preset = preset
        self.image_encoder = build_encoder(preset.encoder)
        self.mask_decoder = MaskDecoder(preset.decoder)
        self.prompt_encoder = PromptEncoder(preset.image_size)
        for name, values in (("mean", SAM_MEAN), ("deviation", SAM_DEVIATION)):
            self.register_buffer(name, torch.tensor(values)[:, None, None] / 255, persistent=False)

    def embed(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) in [0, 1] to embeddings (B, 256, 64, 64)."""
        size = self.preset.image_size
        if images.ndim != 4 or images.shape[1:] != (3, size, size):
            raise ValueError(f"{self.preset.name} takes images (B, 3, {size}, {size}), not {tuple(images.shape)}")
        if self.preset.pixels == "sam":
            images = (images - self.mean) / self.deviation
        embedding: Tensor = self.image_encoder(images)
        return embedding

    def decode(self, embedding: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (N, 4) on one embedding (1, 256, 64, 64), or a box each on N of them.

        Returns:
            Logits (N, 1, 256, 256), of which those above 0 are the mask, and expected IoU (N, 1).
        """
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"boxes are (N, 4), not {tuple(boxes.shape)}")
        if len(embedding) not in (1, len(boxes)):
            raise ValueError(f"{len(embedding)} embeddings with {len(boxes)} boxes: one embedding, or one a box")
        sparse, dense = self.prompt_encoder(boxes)
        logits, iou = self.mask_decoder(embedding, self.prompt_encoder.dense_positions(), sparse, dense)
        return logits, iou

    def forward(self, images: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """`embed`, then `decode`."""
        return self.decode(self.embed(images), boxes)

    def part(self, name: str) -> nn.Module:
        """Return a submodule by its name, such as `image_encoder.neck`, or by `last_norm`.

        Raises:
            ModelError: there is none.
        """
        if name == LAST_NORM:
            # Where there is a neck the encoder ends in it, whatever was registered after it.
            end = getattr(self.image_encoder, "neck", self.image_encoder)
            norms = [module for module in end.modules() if isinstance(module, nn.LayerNorm)]
            if not norms:
                raise ModelError(f"the image encoder of {self.preset.name} ends in no norm")
            return norms[-1]
        try:
            return self.get_submodule(name)
        except AttributeError as error:
            close = get_close_matches(name, (own for own, _ in self.named_modules()), n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise ModelError(f"{self.preset.name} has no part {name!r}{hint}") from error


def build_encoder(spec: EncoderSpec) -> nn.Module:
    """The image encoder that a spec describes, with random weights."""
    # Each family is imported where it is asked for: `timm` is needed by none but its own.
    match spec:
        case TinyViTSpec():
            from train.models.tinyvit import TinyViT

            return TinyViT(spec)
        case SwinSpec():
            from train.models.swin import Swin

            return Swin(spec)
        case RepViTSpec():
            from train.models.repvit import RepViT

            return RepViT(spec)
        case DualBranchSpec():
            from train.models.dualbranch import DualBranch

            return DualBranch(spec)
        case TimmSpec():
            from train.models.backbone import TimmEncoder

            return TimmEncoder(spec)
