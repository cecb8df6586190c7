"""The losses of a batch."""

import torch
from torch import Tensor, nn

from train.data.dataset import Item
from train.learning.losses import embedding_loss, imitation_loss, mask_losses, reached_dsc, reached_nsd
from train.learning.protocol import Protocol
from train.learning.targets import Taught
from train.models.segmenter import Segmenter

AUTOCAST = {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
SCORES = ("dsc", "nsd")
"""What a batch reached, each (N,); returned with the losses."""


class Learner(nn.Module):
    """Computes the training losses of a batch; `forward` returns each one unweighted, as float32."""

    def __init__(self, model: Segmenter, protocol: Protocol) -> None:
        super().__init__()
        self.model = model
        self._protocol = protocol
        self._embed = torch.compile(model.embed) if protocol.compiled else model.embed
        model.requires_grad_(False)
        for part in protocol.trained:
            model.part(part).requires_grad_(True)

    def train(self, mode: bool = True) -> "Learner":
        """Put the trained parts into training mode; the others stay in evaluation mode."""
        super().train(False)
        if mode:
            self.training = True
            for part in self._protocol.trained:
                self.model.part(part).train()
        return self

    def forward(self, batch: Item, taught: Taught | None, masks: bool) -> dict[str, Tensor]:
        """Return the losses of a batch: `embedding` and `teacher` as far as taught, those of masks if asked for.

        With `masks`, the scores of `SCORES` come with them.
        """
        kind = AUTOCAST[self._protocol.precision]
        imitated = taught.logits if taught is not None else None
        with torch.autocast(batch.image.device.type, kind, enabled=kind is not None):
            embedding = self._embed(batch.image)
            decoded = self.model.decode(embedding, batch.box) if masks or imitated is not None else None
        losses = {}
        if taught is not None:
            losses["embedding"] = embedding_loss(embedding, taught.embedding, self._protocol.focus)
        if decoded is not None:
            logits, iou = decoded
            if imitated is not None:
                losses["teacher"] = imitation_loss(logits, imitated)
            if masks:
                losses |= mask_losses(logits, iou, batch.mask, batch.known)
                losses["dsc"], losses["nsd"] = reached_dsc(logits, batch.mask), reached_nsd(logits, batch.mask)
        return losses

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """Return the weighted sum of those present."""
        weights = self._protocol.losses.items()
        weighted = [weight * losses[name] for name, weight in weights if weight and name in losses]
        return torch.stack(weighted).sum()
