"""The losses of a step, as float32 means over a batch."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, max_pool2d

SMALL = 1e-5
"""Keeps the Dice loss finite where mask and prediction are empty."""
BAND = 3
"""Pixels on each side of a contour that the boundary loss looks at."""


def mask_losses(logits: Tensor, iou: Tensor, masks: Tensor, known: Tensor | None = None) -> dict[str, Tensor]:
    """Return `dice`, `bce`, `boundary` and `iou` of logits (N, 1, 256, 256) and expected IoU (N, 1) for masks.

    An item whose mask is not `known` (N,) counts as 0 in each mean: a batch in parts gives the loss of the whole.
    """
    weight = torch.ones(len(masks), device=masks.device) if known is None else known.float()
    cross_entropy = binary_cross_entropy_with_logits(logits.float(), masks, reduction="none")
    near = contour_band(masks, BAND)
    values = {
        "dice": dice_loss(logits.float().sigmoid(), masks),
        "bce": cross_entropy.flatten(1).mean(1),
        "boundary": (cross_entropy * near).flatten(1).sum(1) / near.flatten(1).sum(1).clamp(min=1),
        "iou": (iou.float() - reached_iou(logits, masks)).square()[:, 0],
    }
    return {name: (value * weight).mean() for name, value in values.items()}


def dice_loss(likely: Tensor, masks: Tensor) -> Tensor:
    """Return 1 - 2 |P M| / (|P|^2 + |M|^2) of probabilities P and masks M, (N, 1, 256, 256) each, for each item (N,).

    Milletari et al. 2016, with squares in the denominator, as in LiteMedSAM's training.
    """
    likely, masks = likely.flatten(1), masks.flatten(1)
    shared = (likely * masks).sum(1)
    return 1 - (2 * shared + SMALL) / (likely.square().sum(1) + masks.square().sum(1) + SMALL)


def imitation_loss(logits: Tensor, taught: Tensor) -> Tensor:
    """Return how far logits are from a teacher's, (N, 1, 256, 256) each: cross-entropy and Dice of its probabilities.

    The cross-entropy is that of the probabilities less the teacher's own entropy: equal logits cost nothing.
    """
    taught = taught.float()
    wanted = taught.sigmoid()
    entropy = binary_cross_entropy_with_logits(taught, wanted)
    difference = binary_cross_entropy_with_logits(logits.float(), wanted) - entropy
    return difference + dice_loss(logits.float().sigmoid(), wanted).mean()


def embedding_loss(embedding: Tensor, target: Tensor, focus: float = 0.0) -> Tensor:
    """Return the mean squared difference of embeddings (N, C, H, W), weighted by how much the target changes there.

    A place weighs 1 + `focus` times its change, which is the length of the differences to its neighbours to the right
    and below over the image's mean; weights are scaled to a mean of 1.
    """
    target = target.float()
    squared = (embedding.float() - target).square().mean(1)
    if focus:
        changes = torch.zeros_like(squared)
        changes[:, :, :-1] += target.diff(dim=3).square().sum(1)
        changes[:, :-1] += target.diff(dim=2).square().sum(1)
        changes = changes.sqrt()
        mean = changes.mean((1, 2), keepdim=True).clamp(min=SMALL)
        squared = squared * (1 + focus * changes / mean) / (1 + focus)
    return squared.mean()


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


def reached_nsd(logits: Tensor, masks: Tensor) -> Tensor:
    """Return the part of both contours (N,) that is within one pixel of the other one, at 256 x 256; 1 without any.

    Contours are the pixels of a mask next to its outside; the distance is the larger of the two along the axes.
    """
    drawn, wanted = (contour(one.float()) for one in (logits > 0, masks > 0))
    near = [max_pool2d(one, 3, 1, 1) for one in (drawn, wanted)]
    within = (drawn * near[1] + wanted * near[0]).flatten(1).sum(1)
    return (within + SMALL) / ((drawn + wanted).flatten(1).sum(1) + SMALL)


def contour(masks: Tensor) -> Tensor:
    """Return the pixels of masks (N, 1, H, W) that have one outside among their eight neighbours, as 0 and 1."""
    return masks * max_pool2d(1 - masks, 3, 1, 1)


def contour_band(masks: Tensor, width: int) -> Tensor:
    """Return 1 within `width` pixels of the contour of masks (N, 1, H, W), on both sides, else 0."""
    size = 2 * width + 1
    return max_pool2d(masks, size, 1, width) * max_pool2d(1 - masks, size, 1, width)
