"""The learning rate schedule of a run."""

from collections.abc import Callable, Mapping
from math import cos, pi
from types import MappingProxyType
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from train.learning.protocol import Protocol


class Schedule:
    """Sets an optimizer's learning rates: call `step` after each step, `epoch` after each epoch with its mean loss."""

    def __init__(self, optimizer: Optimizer, protocol: Protocol, steps_per_epoch: int) -> None:
        self._plateau = self._smooth = None
        if protocol.schedule == "plateau":
            self._plateau = ReduceLROnPlateau(optimizer, factor=protocol.factor, patience=protocol.patience)
        elif protocol.schedule in FALLS:
            rise, steps = protocol.warmup * steps_per_epoch, protocol.epochs * steps_per_epoch
            fall = FALLS[protocol.schedule]
            self._smooth = LambdaLR(optimizer, lambda step: rise_and_fall(step, rise, steps, fall))

    def step(self) -> None:
        """Advance by one step."""
        if self._smooth is not None:
            self._smooth.step()

    def epoch(self, loss: float) -> None:
        """Advance by one epoch of this mean loss."""
        if self._plateau is not None:
            self._plateau.step(loss)

    def state_dict(self) -> dict[str, Any]:
        """Return plain values."""
        inner = self._plateau or self._smooth
        return {} if inner is None else {k: v for k, v in inner.state_dict().items() if k != "lr_lambdas"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state; where the run has become longer, by the learning rates of the new length."""
        if self._plateau is not None:
            self._plateau.load_state_dict(state)
        elif self._smooth is not None:
            self._smooth.load_state_dict({**state, "lr_lambdas": [None]})
            share = self._smooth.lr_lambdas[0](self._smooth.last_epoch)
            for group, base in zip(self._smooth.optimizer.param_groups, self._smooth.base_lrs, strict=True):
                group["lr"] = base * share


def rise_and_fall(step: int, rise: float, steps: int, fall: Callable[[float], float]) -> float:
    """Return the share of the full learning rate: a linear rise from 0 over `rise` steps, then the fall to 0."""
    if step < rise:
        return (step + 1) / (rise + 1)
    return fall(min(1.0, (step - rise) / max(1.0, steps - rise)))


FALLS: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {"cosine": lambda done: (1 + cos(pi * done)) / 2, "poly": lambda done: (1 - done) ** 0.9}
)
"""The share of the learning rate after a part of the fall; the power of 0.9 is that of DB-SAM's training."""
