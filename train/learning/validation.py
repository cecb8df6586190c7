"""The losses and scores of a model on the validation split."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from catalog.samples import Samples
from train.data.dataset import Item
from train.learning.distributed import Process
from train.learning.learner import SCORES, Learner
from train.learning.targets import Target

GROUPED = ("modality",)
"""The scores are means over the values of these columns, each the same however many images it has."""


@torch.no_grad()
def validate(
    learner: Learner,
    parts: Iterable[Item],
    samples: Samples,
    target: Target | None,
    process: Process,
    *,
    masks: bool,
) -> dict[str, float]:
    """Return `loss`, its parts, and with `masks` the `dsc` and `nsd` at 256 x 256, over all processes' batches."""
    group, groups = samples.groups(GROUPED)
    sums: dict[str, Tensor] = {}
    seen = torch.zeros((), dtype=torch.float64)
    scored = {name: torch.zeros(groups, dtype=torch.float64) for name in SCORES}
    counted = torch.zeros(groups, dtype=torch.float64)
    for part in parts:
        batch = Item(*(value.to(process.device, non_blocking=True) for value in part))
        losses = learner(batch, target(samples, batch) if target is not None else None, masks)
        count = len(batch.box)
        seen += count
        scores = {name: losses.pop(name) for name in SCORES if name in losses}
        for name, value in {"loss": learner.total(losses), **losses}.items():
            sums[name] = sums.get(name, torch.zeros((), dtype=torch.float64)) + count * value.double().cpu()
        of_rows = torch.from_numpy(np.asarray(group)[part.row.numpy()])
        counted.index_add_(0, of_rows, torch.ones(count, dtype=torch.float64))
        for name, value in scores.items():
            scored[name].index_add_(0, of_rows, value.double().cpu())
    total = float(_all(seen, process))
    means = {name: float(_all(value, process)) / total for name, value in sums.items()}
    if masks:
        counted = _all(counted, process)
        there = counted > 0
        for name, value in scored.items():
            means[name] = float((_all(value, process)[there] / counted[there]).mean())
    return means


def _all(value: Tensor, process: Process) -> Tensor:
    return process.sum(value.to(process.device, torch.float64)).cpu()
