"""Processes and devices; several processes are run in commands/test_training.py."""

import pytest
import torch
import torch.distributed as dist

from train.learning.distributed import Process, start, stop
from train.learning.protocol import RequestError


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


def test_one_process_is_the_first_and_has_nobody_to_wait_for():
    process = start("cpu")
    assert process == Process(0, 1, torch.device("cpu"))
    assert process.first
    value = torch.tensor([1.0, 3.0])
    assert torch.equal(process.mean(value), value)
    assert torch.equal(process.sum(value), value)
    process.wait()
    assert not dist.is_initialized()
    stop()


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cpu:x", ""])
def test_a_device_that_is_not_there_is_told(device):
    with pytest.raises(RequestError, match=f"the device '{device}' cannot be used: .+") as caught:
        start(device)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_means_and_sums_are_over_all_processes(monkeypatch):
    """As if the other process always had ten times as much."""
    monkeypatch.setattr(dist, "all_reduce", lambda value: value.mul_(11))
    process, value = Process(1, 2, torch.device("cpu")), torch.tensor(4.0)
    assert not process.first
    assert float(process.sum(value)) == 44
    assert float(process.mean(value)) == 22
    assert float(value) == 4
