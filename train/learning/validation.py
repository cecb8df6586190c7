"""What a model reaches on the validation split: its losses, and the DSC at 256 x 256."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from catalog.samples import Samples
from train.data.dataset import Item
from train.learning.distributed import Process
from train.learning.learner import Learner
from train.learning.targets import Target

GROUPED = ("modality",)
"""Each value of it counts the same in the DSC, however many images it has."""


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
    """Return `loss`, its parts, and with `masks` the `dsc`, over the batches of all processes."""
    group, groups = samples.groups(GROUPED)
    sums: dict[str, Tensor] = {}
    seen = torch.zeros((), dtype=torch.float64)
    scored = torch.zeros(2, groups, dtype=torch.float64)
    for part in parts:
        batch = Item(*(value.to(process.device, non_blocking=True) for value in part))
        losses = learner(batch, target(samples, batch) if target is not None else None, masks)
        count = len(batch.box)
        seen += count
        dsc = losses.pop("dsc", None)
        for name, value in {"loss": learner.total(losses), **losses}.items():
            sums[name] = sums.get(name, torch.zeros((), dtype=torch.float64)) + count * value.double().cpu()
        if dsc is not None:
            of_rows = torch.from_numpy(np.asarray(group)[part.row.numpy()])
            scored[0].index_add_(0, of_rows, dsc.double().cpu())
            scored[1].index_add_(0, of_rows, torch.ones(count, dtype=torch.float64))
    total = float(_all(seen, process))
    means = {name: float(_all(value, process)) / total for name, value in sums.items()}
    if masks:
        summed, counted = _all(scored, process)
        there = counted > 0
        means["dsc"] = float((summed[there] / counted[there]).mean())
    return means


def _all(value: Tensor, process: Process) -> Tensor:
    return process.sum(value.to(process.device, torch.float64)).cpu()
