"""The folder of a run: new, resumed, or refused."""

import json
from pathlib import Path

import pytest

from catalog.errors import OutputError
from train.errors import RequestError
from train.learning.checkpoint import CHECKPOINT
from train.learning.run_folder import RUNS, SAME, RunFolder, finish_run, open_run

RUN = {"command": "distill", "model": "a", "start": None, "backbone": False, "teacher": {"sha256": "1"},
       "protocol": {"source": "x", "lr": 0.1, "epochs": 10, "schedule": "cosine"}, "seed": 0,
       "data": {"train": {"sha256": "2"}}, "code": {"torch": "2"}}  # fmt: skip


def with_protocol(**values):
    return RUN | {"protocol": RUN["protocol"] | values}


@pytest.fixture
def begun(tmp_path):
    """A folder with a run that reached a checkpoint."""
    assert open_run(tmp_path / "run", "a", RUN) == RunFolder(tmp_path / "run")
    (tmp_path / "run" / CHECKPOINT).touch()
    return tmp_path / "run"


def content(folder):
    return json.loads((folder / "run.json").read_text())


def test_a_run_without_a_checkpoint_is_started_again(tmp_path):
    out = tmp_path / "deep" / "er"
    assert open_run(out, "a", RUN) == RunFolder(out)
    assert content(out) == RUN
    assert open_run(out, "a", {**RUN, "seed": 1}) == RunFolder(out)
    assert content(out)["seed"] == 1


@pytest.mark.parametrize("resume", [False, True])
def test_the_same_command_resumes(begun, resume):
    again = open_run(begun, "a", {**RUN, "code": {"torch": "3"}}, resume=resume)
    assert (again.path, again.resumed) == (begun, True)
    assert "resumed" in again.note
    assert open_run(begun, "a", with_protocol(source="y")).resumed
    assert content(begun) == RUN


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("resume", [False, True])
def test_another_run_is_refused(name, resume, begun):
    other = {"lr": 1} if name == "protocol" else "other"
    with pytest.raises(RequestError, match=f"holds another run: {name}.* was .*, now .*another --out.*finetune"):
        open_run(begun, "a", {**RUN, name: other}, resume=resume)
    assert content(begun) == RUN


def test_the_number_that_differs_is_named(begun):
    with pytest.raises(RequestError, match=r"protocol\.lr was 0\.1, now 0\.2\. Give"):
        open_run(begun, "a", with_protocol(lr=0.2))


def test_more_epochs_are_taken_by_resume_alone(begun):
    with pytest.raises(RequestError, match="holds this run with 10 epochs: give --resume to train it to 20"):
        open_run(begun, "a", with_protocol(epochs=20))
    finish_run(begun)
    longer = open_run(begun, "a", with_protocol(epochs=20), resume=True)
    assert longer.resumed
    assert (
        "now 20 epochs in place of 10; the learning rate continues on the cosine schedule of 20 epochs" in longer.note
    )
    assert (content(begun)["protocol"]["epochs"], content(begun)["finished"]) == (20, False)
    with pytest.raises(RequestError, match=r"protocol\.epochs was 20, now 10"):
        open_run(begun, "a", RUN, resume=True)


def test_a_folder_is_numbered_and_found_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = open_run(None, "a", RUN)
    assert first == RunFolder(RUNS / "a-1")
    (first.path / CHECKPOINT).touch()
    assert open_run(None, "a", RUN).resumed
    other = open_run(None, "a", {**RUN, "seed": 1})
    assert other == RunFolder(RUNS / "a-2")
    finish_run(first.path)
    assert content(first.path)["finished"] is True
    # Its work is done: the same command starts again, behind the other run.
    assert open_run(None, "a", RUN) == RunFolder(RUNS / "a-3")
    assert open_run(None, "b", RUN) == RunFolder(RUNS / "b-1")


def test_trouble_with_the_folder_is_an_error(tmp_path):
    with pytest.raises(RequestError, match=r"nothing to resume in .*: no checkpoint\.pt"):
        open_run(tmp_path, "a", RUN, resume=True)
    (tmp_path / CHECKPOINT).touch()
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RequestError, match=r"run\.json cannot be read"):
        open_run(tmp_path, "a", RUN)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be created"):
        open_run(tmp_path / "file" / "out", "a", RUN)
    if Path("/proc/version").is_file():
        with pytest.raises(OutputError, match="/proc/nowhere cannot be created"):
            open_run(Path("/proc/nowhere"), "a", RUN)
