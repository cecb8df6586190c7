"""`train` in this process, with the small preset."""

import sys
from collections.abc import Callable, Iterator

import pytest
import torch

from tests.train.small_runs import stand_in
from train.cli import main


@pytest.fixture(autouse=True)
def _stand_in() -> Iterator[None]:
    threads = torch.get_num_threads()
    with stand_in():
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """A function from the words of a command to its exit status, output and messages."""

    def train(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["train", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return train
