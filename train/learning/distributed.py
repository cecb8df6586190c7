"""One process, or one of several that `torchrun` started; each has its device."""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from train.errors import RequestError


@dataclass(frozen=True)
class Process:
    """This process: its number among `world`, and where its tensors live."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """True for the one process that writes and speaks."""
        return self.rank == 0

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean over all processes, the same in each."""
        if self.world > 1:
            value = value.clone()
            dist.all_reduce(value)
            value /= self.world
        return value

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum over all processes, the same in each."""
        if self.world > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.world > 1:
            dist.barrier()


def start(device: str | None = None) -> Process:
    """Join the other processes, where `torchrun` started several, and choose a device: a GPU where there is one.

    Raises:
        RequestError: the device is not there.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        if chosen.type == "cuda":
            if not torch.cuda.is_available():
                raise RuntimeError("torch sees no GPU here")
            if ":" not in device:
                chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
            torch.cuda.set_device(chosen)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        told = (str(error) or type(error).__name__).splitlines()[0]
        raise RequestError(f"the device {device!r} cannot be used: {told}") from error
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return Process(rank, world, chosen)


def stop() -> None:
    """Leave the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()
