"""What a model costs: parameters and multiply-accumulates, without its weights being made."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from predict.presets import Preset
from train.models.segmenter import Segmenter


@dataclass(frozen=True)
class Cost:
    """Parameters of the parts, and the encoder's multiply-accumulates for one image, in 10^9.

    Convolutions and matrix products are counted, those of the attention too; norms, activations and
    interpolation are not, as is usual.
    """

    encoder_params: int
    prompt_params: int
    decoder_params: int
    gmacs: float

    @property
    def total_params(self) -> int:
        """Parameters of the whole model."""
        return self.encoder_params + self.prompt_params + self.decoder_params


def cost(preset: Preset) -> Cost:
    """Count a preset's parameters and the work of its encoder, on torch's meta device: nothing is computed.

    Raises:
        ModelError: a library that the model needs is missing.
    """
    with torch.device("meta"):
        model = Segmenter(preset).eval().requires_grad_(False)
        images = torch.empty(1, 3, preset.image_size, preset.image_size)
        with FlopCounterMode(display=False) as counter:
            model.embed(images)
    return Cost(
        parameters(model.image_encoder),
        parameters(model.prompt_encoder),
        parameters(model.mask_decoder),
        counter.get_total_flops() / 2e9,  # torch counts a multiplication and an addition as two
    )


def parameters(module: nn.Module) -> int:
    """How many parameters a module has; buffers, such as a batch norm's statistics, are none."""
    return sum(parameter.numel() for parameter in module.parameters())
