"""The log of a run, its picture, and what is told on the way."""

import builtins
import io
import sys

import cv2
import numpy as np
import pytest

from catalog.errors import OutputError
from train.learning.journal import Journal, draw_curve, read_log


def train_line(step, loss=0.5, epoch=1):
    return {"step": step, "epoch": epoch, "split": "train", "loss": loss, "embedding": loss, "lr": 0.1,
            "images_per_second": 12.5}  # fmt: skip


def val_line(step, loss=0.4, dsc=0.8):
    return {"step": step, "epoch": 1, "split": "val", "loss": loss, "dsc": dsc}


@pytest.fixture(autouse=True)
def _without_tensorboard(monkeypatch, request):
    """It takes seconds to import; one test has it."""
    if "tensorboard" not in request.node.name:
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)


def test_lines_are_written_at_once(tmp_path):
    with Journal(tmp_path, 3) as journal:
        journal.write(train_line(1))
        journal.write(val_line(1))
        lines = read_log(tmp_path / "log.csv")
    assert [(line["step"], line["split"], line["loss"], line["dsc"]) for line in lines] == [
        ("1", "train", "0.5", ""),
        ("1", "val", "0.4", "0.8"),
    ]
    assert not (tmp_path / "tensorboard").exists()


def test_a_resumed_run_writes_over_what_no_checkpoint_holds(tmp_path):
    with Journal(tmp_path, 9) as journal:
        for step in range(1, 5):
            journal.write(train_line(step))
            journal.write(val_line(step))
    with (tmp_path / "log.csv").open("a") as file:
        file.write("5,1,tra")
    with Journal(tmp_path, 9, since=2) as journal:
        journal.write(train_line(3, 0.25))
    assert [(line["step"], line["split"], line["loss"]) for line in read_log(tmp_path / "log.csv")] == [
        ("1", "train", "0.5"), ("1", "val", "0.4"), ("2", "train", "0.5"), ("2", "val", "0.4"), ("3", "train", "0.25"),
    ]  # fmt: skip
    # A new run leaves nothing of another.
    with Journal(tmp_path, 9):
        assert read_log(tmp_path / "log.csv") == []


def test_only_the_first_process_writes_and_speaks(tmp_path, capsys):
    with Journal(tmp_path, 3, shown=False) as journal:
        journal.write(train_line(1))
        journal.show(1, train_line(1))
        journal.say("nothing")
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_a_line_every_few_seconds_where_there_is_no_terminal(tmp_path, capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("train.learning.journal.monotonic", lambda: now[0])
    with Journal(tmp_path, 1000, since=100) as journal:
        for step in range(101, 141):
            now[0] += 1
            journal.show(step, train_line(step, epoch=2))
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4
    # A step a second: 890 left.
    assert told[0] == "step 110/1000, epoch 2, loss 0.5000, 12.5 images/s, 15 min left"


def test_a_bar_on_a_terminal(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with Journal(tmp_path, 1000, since=100) as journal:
        journal.show(300, train_line(300))
        journal.say("epoch 1/5: validation loss 0.4")
    told = sys.stderr.getvalue()
    assert "100/1000" in told
    assert "epoch 1/5: validation loss 0.4\n" in told


def test_tensorboard_gets_the_same_numbers(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard")
    with Journal(tmp_path, 3) as journal:
        for step in (1, 2):
            journal.write(train_line(step, step / 4))
        journal.write(val_line(2))
    found = events.EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    assert [(event.step, event.value) for event in found.Scalars("train/loss")] == [(1, 0.25), (2, 0.5)]
    assert found.Scalars("val/dsc")[0].value == pytest.approx(0.8)


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    with Journal(tmp_path, 3) as journal:

        def full(*args, **kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("pathlib.Path.open", full)
        with pytest.raises(OutputError, match=r"log\.csv cannot be written: No space left"):
            journal.write(train_line(1))


def test_the_curve_shows_both_splits(tmp_path):
    with Journal(tmp_path, 60) as journal:
        for step in range(1, 61):
            journal.write(train_line(step, 1 / step))
            if step % 20 == 0:
                journal.write(val_line(step, 1 / step, step / 100))
    draw_curve(tmp_path / "log.csv", tmp_path / "curve.png")
    picture = cv2.imread(str(tmp_path / "curve.png"))
    assert picture.shape[0] > 300
    assert picture.shape[1] > 2 * picture.shape[0]
    half = picture.shape[1] // 2
    coloured = np.ptp(picture.astype(int), axis=2) > 60
    assert coloured[:, :half].sum() > 200  # the losses
    assert coloured[:, half:].sum() > 200  # the DSC


@pytest.mark.parametrize("lines", [[], [train_line(1)], [train_line(1, 0.0), train_line(2, 0.0)]])
def test_a_curve_of_little_or_nothing_is_drawn_too(lines, tmp_path):
    with Journal(tmp_path, 3) as journal:
        for line in lines:
            journal.write(line)
    draw_curve(tmp_path / "log.csv", tmp_path / "curve.png")
    assert cv2.imread(str(tmp_path / "curve.png")) is not None


def test_pyplot_is_not_needed(tmp_path, monkeypatch):
    original = builtins.__import__

    def guarded(name, *args, **kwargs):
        assert name != "matplotlib.pyplot"
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", guarded)
    draw_curve(tmp_path / "log.csv", tmp_path / "curve.png")
