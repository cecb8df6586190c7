"""The losses of a step, each the mean over a batch of float32 values."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

SMALL = 1e-5
"""Keeps the Dice loss finite where mask and prediction are empty."""


def dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """1 - 2 |P M| / (|P|^2 + |M|^2) of probabilities P and masks M, (N, 1, 256, 256) each.

    Milletari et al. 2016, with squares below, as in LiteMedSAM's training.
    """
    likely = logits.float().sigmoid().flatten(1)
    masks = masks.flatten(1)
    shared = (likely * masks).sum(1)
    return (1 - (2 * shared + SMALL) / (likely.square().sum(1) + masks.square().sum(1) + SMALL)).mean()


def mask_losses(logits: Tensor, iou: Tensor, masks: Tensor) -> dict[str, Tensor]:
    """Return `dice`, `bce`, and `iou`: how far the expected IoU (N, 1) is from what the logits reach."""
    return {
        "dice": dice_loss(logits, masks),
        "bce": binary_cross_entropy_with_logits(logits.float(), masks),
        "iou": mse_loss(iou.float(), reached_iou(logits, masks)),
    }


def embedding_loss(embedding: Tensor, target: Tensor) -> Tensor:
    """The mean squared difference of embeddings (N, 256, 64, 64)."""
    return mse_loss(embedding.float(), target.float())


def reached_iou(logits: Tensor, masks: Tensor) -> Tensor:
    """Return the IoU (N, 1) of logits above 0 with masks; 1 where both are empty."""
    drawn, wanted = (logits > 0).flatten(1), masks.flatten(1) > 0
    both = (drawn & wanted).sum(1, keepdim=True).float()
    either = (drawn | wanted).sum(1, keepdim=True).float()
    return (both + SMALL) / (either + SMALL)


def reached_dsc(logits: Tensor, masks: Tensor) -> Tensor:
    """Return the DSC (N,) of logits above 0 with masks, at 256 x 256; 1 where both are empty."""
    drawn, wanted = (logits > 0).flatten(1), masks.flatten(1) > 0
    both = (drawn & wanted).sum(1).float()
    total = (drawn.sum(1) + wanted.sum(1)).float()
    return (2 * both + SMALL) / (total + SMALL)
