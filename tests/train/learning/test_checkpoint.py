"""Checkpoints come back as they were; what is torn or hostile is one message."""

import pickle

import pytest
import torch

from train.errors import TrainingError
from train.learning.checkpoint import load_checkpoint, save_checkpoint
from train.learning.protocol import RequestError

STATE = {"learner": {"a": torch.arange(5000.0)}, "step": 7, "score": float("-inf"), "schedule": {"best": 0.25}}


@pytest.fixture
def file(tmp_path):
    save_checkpoint(tmp_path / "checkpoint.pt", STATE)
    return tmp_path / "checkpoint.pt"


def test_what_was_saved_is_read(file):
    found = load_checkpoint(file)
    assert torch.equal(found["learner"].pop("a"), STATE["learner"]["a"])
    assert found == {**STATE, "learner": {}}
    assert [path.name for path in file.parent.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9, 0.999])
def test_a_torn_file_is_one_message(share, file):
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(TrainingError, match=r"checkpoint\.pt is damaged: .*Delete it and start again") as caught:
        load_checkpoint(file)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


class Hostile:
    def __reduce__(self):
        return print, ("this was run",)


def test_nothing_in_a_file_is_run(tmp_path, capsys):
    for name, write in (("torch", torch.save), ("pickle", lambda value, file: file.write_bytes(pickle.dumps(value)))):
        write({"step": Hostile()}, tmp_path / name)
        with pytest.raises(TrainingError, match="is damaged"):
            load_checkpoint(tmp_path / name)
    assert capsys.readouterr().out == ""


def test_what_is_no_checkpoint_is_told(tmp_path):
    with pytest.raises(RequestError, match=r"nothing to resume: .* Start without --resume") as caught:
        load_checkpoint(tmp_path / "checkpoint.pt")
    assert caught.value.exit_code == 2
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(TrainingError, match="is no checkpoint"):
        load_checkpoint(tmp_path / "list.pt")
