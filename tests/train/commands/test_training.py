"""`train teacher`, `distill` and `finetune` as a user runs them: flags, messages, exit statuses, kills, processes."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.train import small_runs
from tests.train.small_runs import NAME, WORDS, small_model, write_small_corpus
from train.commands import training
from train.embeddings.store import EmbeddingCache
from train.learning.checkpoint import CHECKPOINT
from train.learning.journal import Journal, read_log
from train.learning.loop import BEST, LAST
from train.learning.protocol import load_protocol, protocol_fields
from train.models.weights import read_about, save_weights

ROOT = Path(__file__).parents[3]
EMBEDDINGS = {"losses": "embedding=1", "trained": "image_encoder", "copied": "prompt_encoder,mask_decoder", "epochs": 2,
              "batch": 2, "lr": 0.01, "augment": "full", "schedule": "constant"}  # fmt: skip
MASKS = (
    "losses: {dice: 1, bce: 0.5, iou: 0.25}\ntrained: [mask_decoder]\nepochs: 2\nbatch: 2\nlr: 1e-3\naugment: full\n"
)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return write_small_corpus(tmp_path_factory.mktemp("small"), images=4, val=2)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "teacher.safetensors"
    save_weights(small_model(5), file, {"preset": NAME})
    return file


@pytest.fixture
def asked(monkeypatch):
    """What a command asked for, in place of doing it."""
    requests = []

    def note(request, run, then=None):
        requests.append((request, run, then))

    monkeypatch.setattr(training, "_train", note)
    return requests


def flags(values):
    return [str(word) for name, value in values.items() for word in (f"--{name.replace('_', '-')}", value)]


def distill(small, teacher, out, *more, **values):
    return ["distill", "--manifest", small, "--teacher", teacher, "--student", NAME, "--out", out, "--threads", 1,
            "--device", "cpu", "--protocol", "repvit-m0.6", *flags({**EMBEDDINGS, **values}), *more]  # fmt: skip


def log_of(out: Path):
    return [{k: v for k, v in line.items() if k != "images_per_second"} for line in read_log(out / "log.csv")]


def assert_same(one: Path, other: Path):
    assert log_of(one) == log_of(other)
    for name in (LAST, BEST):
        a, b = load_file(one / name), load_file(other / name)
        assert [key for key in a if not torch.equal(a[key], b[key])] == []


class Killed(BaseException):
    """Ends a run as a kill does."""


def killed_after(patch, step: int, of: str):
    original = Journal.write

    def write(self, line):
        original(self, line)
        if line["step"] == step and self._file.parent.name == of:
            raise Killed

    patch.setattr(Journal, "write", write)


# Flags


@pytest.mark.parametrize("name", WORDS)
def test_each_number_of_a_protocol_has_a_flag(name, small, train, asked):
    word, value = WORDS[name]
    for command in (["distill", "--protocol", "repvit-m0.6"], ["teacher", "--protocol", "repvit-m0.6"]):
        code, _, err = train(*command, "--manifest", small, "--out", "x", f"--{name.replace('_', '-')}", word)
        assert (code, err) == (0, "")
    base = load_protocol("repvit-m0.6")
    for request, *_ in asked:
        assert getattr(request.protocol, name) == value
        for other in protocol_fields():
            assert other == name or getattr(request.protocol, other) == getattr(base, other)
    assert len(asked) == 2


def test_defaults(small, train, asked, teacher):
    train("distill", "--manifest", small)
    train("teacher", "--manifest", small)
    train("finetune", "--manifest", small, "--model", teacher)
    (first, run, then), (second, *_), (third, *_) = asked
    assert (first.command, first.model, first.teacher) == ("distill", "effnet-lite0", "lite-medsam")
    assert (first.protocol, first.start) == (load_protocol("student-continued"), "effnet-lite0")
    assert (run.device, run.threads, then) == (None, None, None)
    assert (second.command, second.model, second.start) == ("teacher", "swin-t", None)
    assert second.protocol == load_protocol("swin-t")
    assert (third.command, third.model, third.start, third.teacher) == ("finetune", NAME, str(teacher), None)
    assert third.protocol == load_protocol("lite-medsam")
    for one in (first, second, third):
        assert (one.split, one.val, one.out, one.embeddings, one.resume) == ("train", "val", None, None, False)


@pytest.mark.parametrize(
    ("words", "protocol", "start"),
    [
        (["--student", "timm:mobilenetv3_small_100"], "student", None),
        (["--student", "rep-medsam"], "student", None),
        (["--student", "repvit-m0.6"], "student-continued", "repvit-m0.6"),
        (["--student", "repvit-m0.6", "--protocol", "repvit-m0.6"], "repvit-m0.6", None),
        (["--backbone"], "student", None),
        (["--weights", "repvit-m0.6"], "student", "repvit-m0.6"),
    ],
)
def test_only_a_student_without_orders_starts_from_its_own_weights(words, protocol, start, small, train, asked):
    train("distill", "--manifest", small, *words)
    ((request, *_),) = asked
    assert (request.protocol, request.start) == (load_protocol(protocol), start)


def test_the_selection_and_the_rest_arrive(small, train, asked):
    train("teacher", "--manifest", small, "--out", "x", "--only", "modality=CT", "--without", "dataset=A", "--without",
          "axis=x", "--every", 3, "--shares", "train=0.7,test=0.3", "--split-seed", 5, "--split", "all", "--val-split",
          "none", "--seed", 4, "--workers", 2, "--checkpoint-steps", 9, "--device", "cpu", "--threads", 2,
          "--resume")  # fmt: skip
    ((request, run, _),) = asked
    selection = request.selection
    assert (selection.only, selection.without) == (("modality=CT",), ("dataset=A", "axis=x"))
    assert (selection.every, selection.shares, selection.split_seed) == (3, {"train": 0.7, "test": 0.3}, 5)
    assert (request.split, request.val, request.seed, request.workers) == (None, None, 4, 2)
    assert (request.checkpoint_steps, run.device, run.threads, request.resume) == (9, "cpu", 2, True)


def test_a_trained_model_keeps_what_a_protocol_would_copy(small, train, asked, teacher):
    words = ["finetune", "--manifest", small, "--out", "x", "--model", teacher, "--protocol", "student-embeddings"]
    train(*words)
    train(*words, "--copied", "mask_decoder")
    assert [request.protocol.copied for request, *_ in asked] == [(), ("mask_decoder",)]


@pytest.mark.parametrize("command", ["teacher", "distill", "finetune", "embed"])
def test_help_tells_every_flag_and_needs_nothing_heavy(command):
    done = subprocess.run(
        [sys.executable, "-c",
         "import sys\nfrom train.cli import main\n"
         f"sys.argv = ['train', '{command}', '--help']\n"
         "try:\n    main()\nexcept SystemExit:\n    pass\n"
         "print('loaded', [n for n in ('torch', 'numpy', 'pyarrow', 'cv2', 'yaml') if n in sys.modules])\n"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "loaded []", done.stderr
    if command != "embed":
        for name in protocol_fields():
            assert f"--{name.replace('_', '-')} " in done.stdout


def test_a_teacher_from_scratch_is_trained_and_tuned(small, train, tmp_path):
    short = ["--manifest", small, "--device", "cpu", "--threads", 1, "--epochs", 1, "--batch", 4, "--lr", 0.01]
    code, out, err = train("teacher", *short, "--model", NAME, "--out", tmp_path / "a", "--val-split", "none")
    assert code == 0, err
    assert out == f"1 steps; best weights: {tmp_path / 'a' / BEST}\n"
    first, start = load_file(tmp_path / "a" / BEST), small_model(0).state_dict()
    changed = {key.split(".")[0] for key in first if not torch.equal(first[key], start[key])}
    assert changed == {"image_encoder", "prompt_encoder", "mask_decoder"}
    code, _, err = train("finetune", *short, "--model", tmp_path / "a" / BEST, "--out", tmp_path / "b", "--trained",
                         "mask_decoder", "--split", "all")  # fmt: skip
    assert code == 0, err
    second = load_file(tmp_path / "b" / BEST)
    assert {key.split(".")[0] for key in first if not torch.equal(first[key], second[key])} == {"mask_decoder"}
    assert json.loads((tmp_path / "b" / "run.json").read_text())["data"]["train"]["images"] == 6


# What is asked wrongly


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--protocol", "repvit"], "no protocol is called 'repvit'. Did you mean repvit-m0.6?"),
        (["--then", "student-mask"], "Did you mean student-masks?"),
        (["--lr", "fast"], "command line: lr is 'fast', where a number is wanted"),
        (["--schedule", "linear"], "schedule: 'linear' is none of constant, plateau, cosine"),
        (["--losses", "embeding=1"], "Did you mean embedding?"),
        (["--batch", "3", "--accumulate", "2"], "a batch of 3 does not come in 2 equal parts"),
        (["--student", "repvit-m0.7"], "Did you mean repvit-m0.6?"),
        (["--teacher", "nobody"], "unknown model 'nobody'"),
        (["--only", "modality"], "not a condition"),
        (["--only", "modality=PET"], "there is nothing to use"),
        (["--split", "nowhere"], "no mask in the split 'nowhere'"),
        (["--shares", "train"], "'train' is not NAME=SHARE"),
        (["--device", "gpu"], "the device 'gpu' cannot be used"),
        (["--embeddings", "absent"], "absent holds no embeddings"),
        (["--copied", "mask_encoder"], "Take it out of --copied"),
        (["--copied", "last_norm"], "the image encoder of stand-in ends in no norm. Take it out of --copied"),
        (["--trained", "image_encoder.nek"], "no part 'image_encoder.nek' (did you mean image_encoder.neck?)"),
        (["--resume"], "nothing to resume"),
        (["--epoch", "3"], "No such option"),
        (["--manifest", "absent"], "absent"),
        (["--backbone"], "no ImageNet weights are known for stand-in"),
    ],
)
def test_one_message_and_status_2(words, told, small, teacher, train, tmp_path):
    code, out, err = train(*distill(small, teacher, tmp_path / "run"), *words)
    assert code == 2
    assert out == ""
    assert told in " ".join(err.split())
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_an_empty_catalog(write_catalog, teacher, train, tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    write_catalog(folder, [])
    code, _, err = train(*distill(folder, teacher, tmp_path / "run"))
    assert code == 2
    assert re.fullmatch(r"error: .*catalog\.parquet has no mask among its 0 rows: there is nothing to use\n", err)


def test_a_folder_that_cannot_be_written(small, teacher, train, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = train(*distill(small, teacher, tmp_path / "file" / "run"))
    assert code == 1
    assert re.fullmatch(r"error: .*file/run cannot be created: Not a directory\n", err)


def test_a_folder_with_another_run(small, teacher, train, tmp_path):
    words = distill(small, teacher, tmp_path / "run", epochs=1)
    assert train(*words)[0] == 0
    kept = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    for more, told in (
        (["--lr", "0.1"], "holds another run: protocol.lr was 0.01, now 0.1."),
        (["--epochs", "2"], "holds this run with 1 epochs: give --resume to train it to 2"),
        (["--resume", "--only", "modality=CT"], "holds another run: data.train.images was 4, now 2"),
    ):
        code, _, err = train(*words, *more)
        assert code == 2
        assert told in err
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()} == kept
    for more in ([], ["--resume"]):
        code, out, _ = train(*words, *more)
        assert (code, out) == (0, f"2 steps; best weights: {tmp_path / 'run' / BEST}\n")
    code, out, err = train(*words, "--resume", "--epochs", 2)
    assert (code, out) == (0, f"4 steps; best weights: {tmp_path / 'run' / BEST}\n")
    assert "resumed, now 2 epochs in place of 1" in err


# What fails on the way


def test_a_loss_that_is_no_number(small, teacher, train, tmp_path):
    code, out, err = train(*distill(small, teacher, tmp_path / "run", lr=1e30))
    assert code == 1
    assert out == ""
    assert re.search(r"error: the loss is (nan|inf) at step 2: lower --lr, or use --clip 1\.", err)
    assert "Traceback" not in err
    # No checkpoint was there yet: the same folder takes the next try.
    assert train(*distill(small, teacher, tmp_path / "run", epochs=1))[0] == 0


def test_too_little_memory(small, teacher, train, tmp_path, monkeypatch):
    def forward(self, *args):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("train.learning.learner.Learner.forward", forward)
    code, _, err = train(*distill(small, teacher, tmp_path / "run"))
    assert code == 1
    assert "error: a batch of 2 in 1 part(s) does not fit into memory: raise --accumulate" in err


def test_ctrl_c_says_how_to_go_on(small, teacher, train, tmp_path, monkeypatch):
    def write(self, line):
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "write", write)
    code, _, err = train(*distill(small, teacher, tmp_path / "run"))
    assert code == 1
    assert err.endswith("Interrupted: run the same command again to resume from the last checkpoint\n")


# Kills and processes


def process(*words, launcher=()):
    script = small_runs.__file__
    return subprocess.run(
        [sys.executable, *launcher, script, *map(str, words)], capture_output=True, text=True, check=False, timeout=600,
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_kill_9_and_resume_equal_an_undisturbed_run(small, teacher, train, tmp_path):
    """With stored embeddings, augmentation, dropout, moving average, plateau, and a process that reads images."""
    embed = ["embed", "--manifest", small, "--teacher", teacher, "--out", tmp_path / "e", "--device", "cpu",
             "--engine", "torch", "--threads", 1, "--batch", 2]  # fmt: skip
    assert train(*embed)[0] == 0
    more = ["--embeddings", tmp_path / "e", "--workers", 1, "--checkpoint-steps", 1]
    values = {"epochs": 3, "ema": 0.5, "schedule": "plateau", "patience": 0, "lr": 1e-4}
    whole = train(*distill(small, teacher, tmp_path / "whole", *more, **values))
    assert whole[0] == 0, whole[2]
    done = process("--die", 4, *distill(small, teacher, tmp_path / "cut", *more, **values))
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert torch.load(tmp_path / "cut" / CHECKPOINT, weights_only=True)["step"] == 3
    resumed = train(*distill(small, teacher, tmp_path / "cut", *more, **values))
    assert resumed[0] == 0, resumed[2]
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_both_stages_run_and_are_resumed_in_either(small, teacher, train, tmp_path):
    protocol = tmp_path / "masks.yaml"
    protocol.write_text(MASKS)

    def words(name, *more):
        return distill(small, teacher, tmp_path / name / "one", "--then", protocol, "--checkpoint-steps", 1, *more)

    code, out, err = train(*words("whole"))
    assert code == 0, err
    second = tmp_path / "whole" / "one" / "finetune"
    assert out == f"4 steps; best weights: {second / BEST}\n"
    assert float(read_about(second / BEST)["val_dsc"]) >= 0
    first, last = load_file(second.parent / BEST), load_file(second / LAST)
    changed = {key.split(".")[0] for key in first if not torch.equal(first[key], last[key])}
    assert changed == {"mask_decoder"}
    # Ended in the first stage, in the second before its first checkpoint, and in the second after one.
    for step, stage in ((3, "one"), (1, "finetune"), (3, "finetune")):
        with pytest.MonkeyPatch.context() as patch:
            killed_after(patch, step, stage)
            with pytest.raises(Killed):
                train(*words("cut"))
    code, out, err = train(*words("cut"))
    assert code == 0, err
    for part in (Path("one"), Path("one", "finetune")):
        assert_same(tmp_path / "cut" / part, tmp_path / "whole" / part)


def test_a_protocol_with_views_stores_its_embeddings_first_and_resumes_its_numbered_run(
    small, teacher, train, tmp_path, monkeypatch
):
    """Nothing but the corpus is given; an interrupted run is found again, and a finished one is not taken up."""
    monkeypatch.chdir(tmp_path)
    protocol = tmp_path / "views.yaml"
    protocol.write_text(
        "losses: {embedding: 1, teacher: 1, dice: 1, boundary: 0.5}\ntrained: [image_encoder, mask_decoder]\n"
        "copied: [prompt_encoder, mask_decoder]\nepochs: 3\nembedding_epochs: 1\nbatch: 2\nviews: 2\naugment: views\n"
    )
    words = ["distill", "--manifest", small, "--teacher", teacher, "--student", NAME, "--protocol", protocol,
             "--device", "cpu", "--threads", 1, "--checkpoint-steps", 1]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        killed_after(patch, 4, f"{NAME}-1")
        with pytest.raises(Killed):
            train(*words)
    stored = EmbeddingCache(Path("runs") / f"embeddings-{NAME}")
    assert (len(stored), stored.about["augment"]) == (10, "views")  # two views of four images, one of two to validate
    code, out, err = train(*words)
    assert (code, out) == (0, f"6 steps; best weights: {Path('runs') / f'{NAME}-1' / BEST}\n"), err
    assert "10 embeddings" not in err.split("resumed")[1]
    lines = [line for line in read_log(Path("runs") / f"{NAME}-1" / "log.csv") if line["split"] == "train"]
    assert [bool(line["teacher"]) for line in lines] == [False, False, True, True, True, True]
    assert all(line["embedding"] for line in lines)
    code, out, _ = train(*words, "--epochs", 1)
    assert out == f"2 steps; best weights: {Path('runs') / f'{NAME}-2' / BEST}\n"


def test_two_processes_have_the_losses_of_one(small, teacher, train, tmp_path):
    """The decoder alone, where no batch norm learns; then a stage whose decoder has no gradient."""
    first, second = tmp_path / "masks.yaml", tmp_path / "embeddings.yaml"
    first.write_text(MASKS)
    second.write_text("losses: {embedding: 1}\ntrained: [image_encoder, mask_decoder]\nepochs: 1\nbatch: 2\n")

    def words(out, *more):
        return ["distill", "--manifest", small, "--teacher", teacher, "--student", NAME, "--weights", teacher, "--out",
                out, "--threads", 1, "--device", "cpu", "--protocol", first, *more]  # fmt: skip

    code, _, err = train(*words(tmp_path / "one"))
    assert code == 0, err
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = process(*words(tmp_path / "two", "--then", second), launcher=launcher)
    assert done.returncode == 0, done.stderr
    one, two = log_of(tmp_path / "one"), log_of(tmp_path / "two")
    assert [(line["step"], line["split"]) for line in one] == [(line["step"], line["split"]) for line in two]
    assert len(one) == 6
    for a, b in zip(one, two, strict=True):
        for name in ("loss", "dice", "bce", "iou", "dsc"):
            assert float(a[name]) == pytest.approx(float(b[name]), rel=2e-4, abs=1e-6), name
    assert done.stdout.count("best weights") == 1
    assert len(log_of(tmp_path / "two" / "finetune")) == 3
