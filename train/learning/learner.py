"""One step's arithmetic: a batch to its losses."""

import torch
from torch import Tensor, nn

from train.data.dataset import Item
from train.learning.losses import embedding_loss, mask_losses, reached_dsc
from train.learning.protocol import Protocol
from train.models.segmenter import Segmenter

AUTOCAST = {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Learner(nn.Module):
    """A model with what it is to become; `forward` gives each loss, unweighted, as float32."""

    def __init__(self, model: Segmenter, protocol: Protocol) -> None:
        super().__init__()
        self.model = model
        self._protocol = protocol
        self._embed = torch.compile(model.embed) if protocol.compiled else model.embed
        model.requires_grad_(False)
        for part in protocol.trained:
            model.part(part).requires_grad_(True)

    def train(self, mode: bool = True) -> "Learner":
        """Put the parts that learn into training mode; the others stay as they are in use."""
        super().train(False)
        if mode:
            self.training = True
            for part in self._protocol.trained:
                self.model.part(part).train()
        return self

    def forward(self, batch: Item, target: Tensor | None, masks: bool) -> dict[str, Tensor]:
        """Return the losses of a batch: with a `target` that of the embedding, with `masks` those of masks, and DSC."""
        kind = AUTOCAST[self._protocol.precision]
        with torch.autocast(batch.image.device.type, kind, enabled=kind is not None):
            embedding = self._embed(batch.image)
            decoded = self.model.decode(embedding, batch.box) if masks else None
        losses = {} if target is None else {"embedding": embedding_loss(embedding, target)}
        if decoded is not None:
            losses |= mask_losses(*decoded, batch.mask)
            losses["dsc"] = reached_dsc(decoded[0], batch.mask)
        return losses

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """Return the weighted sum."""
        weighted = [weight * losses[name] for name, weight in self._protocol.losses.items() if weight > 0]
        return torch.stack(weighted).sum()
