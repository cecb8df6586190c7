"""What a run leaves behind, and that it leaves the same whatever came between."""

import csv
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from catalog.errors import CatalogError, OutputError
from tests.train.small_runs import HERE, Tone, small_model, small_plan, write_small_corpus
from train.errors import TrainingError
from train.learning.checkpoint import CHECKPOINT, load_checkpoint
from train.learning.distributed import Process
from train.learning.journal import Journal, read_log
from train.learning.loop import BEST, LAST, train_model
from train.learning.protocol import RequestError
from train.learning.targets import Taught
from train.models.weights import read_about


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return write_small_corpus(tmp_path_factory.mktemp("small"))


def log_of(out: Path):
    return [{k: v for k, v in line.items() if k != "images_per_second"} for line in read_log(out / "log.csv")]


def losses(out: Path, split="train"):
    return [float(line["loss"]) for line in read_log(out / "log.csv") if line["split"] == split]


def assert_same_weights(one: Path, other: Path):
    a, b = load_file(one), load_file(other)
    assert a.keys() == b.keys()
    assert [key for key in a if not torch.equal(a[key], b[key])] == []


class Killed(BaseException):
    """Ends a run as a kill does: nothing catches it."""


def killed_after(monkeypatch, step: int):
    original = Journal.write

    def write(self, line):
        original(self, line)
        if line["step"] == step:
            raise Killed

    monkeypatch.setattr(Journal, "write", write)


def test_a_run_learns_and_tells_of_it(small, tmp_path):
    result = train_model(small_plan(small, tmp_path, epochs=4, lr=0.02), HERE)
    assert result.steps == 4 * (10 // 4)
    lines = read_log(tmp_path / "log.csv")
    assert [(line["step"], line["split"]) for line in lines] == [
        (str(step), split) for step in range(1, 9) for split in (("train", "val") if step % 2 == 0 else ("train",))
    ]
    found = losses(tmp_path, "val")
    assert found[-1] < 0.7 * found[0]
    assert result.score == pytest.approx(-min(found), rel=1e-5)
    assert all(float(line["images_per_second"]) > 0 for line in lines if line["split"] == "train")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert read_about(tmp_path / BEST)["preset"] == "stand-in"
    assert not list(tmp_path.glob(".*.part"))


RESUMED = {
    "constant": {"workers": 0},
    # Learning too slowly to make up for what augmentation does to an epoch's loss.
    "plateau-workers": {"schedule": "plateau", "patience": 0, "workers": 1, "epochs": 4, "lr": 1e-6},
    "cosine-ema-balance": {"schedule": "cosine", "warmup": 0.5, "ema": 0.7, "clip": 0.1, "balance": ["modality"],
                           "temperature": 2.0, "accumulate": 2},
}  # fmt: skip


@pytest.mark.parametrize("values", RESUMED.values(), ids=RESUMED)
def test_a_resumed_run_equals_an_undisturbed_one(values, small, tmp_path, monkeypatch):
    """Ended in the middle of an epoch, after a step that no checkpoint holds, as well as within the resumed epoch."""
    settings = {"epochs": 2, "batch": 2, "checkpoint_steps": 2, **values}  # 5 steps an epoch
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train_model(small_plan(small, whole, **settings), HERE)
    with monkeypatch.context() as patch:
        killed_after(patch, 3)
        with pytest.raises(Killed):
            train_model(small_plan(small, cut, **settings), HERE)
    assert load_checkpoint(cut / CHECKPOINT)["step"] == 2
    with monkeypatch.context() as patch:
        killed_after(patch, 8)
        with pytest.raises(Killed):
            train_model(small_plan(small, cut, **settings, model=small_model(seed=9), resumed=True), HERE)
    # What a kill may leave of a line is cut off.
    with (cut / "log.csv").open("a") as file:
        file.write("9,2,train,0.0")
    train_model(small_plan(small, cut, **settings, resumed=True), HERE)
    assert log_of(cut) == log_of(whole)
    assert len(losses(whole)) == 5 * settings["epochs"]
    assert_same_weights(whole / LAST, cut / LAST)
    assert_same_weights(whole / BEST, cut / BEST)
    rates = [line["lr"] for line in log_of(whole) if line["split"] == "train"]
    assert (len(set(rates)) > 1) == ("schedule" in values)


def test_the_seed_decides(small, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_model(small_plan(small, tmp_path / name, epochs=1, seed=seed), HERE)
    assert log_of(tmp_path / "a") == log_of(tmp_path / "b") != log_of(tmp_path / "c")


def test_resuming_a_run_that_is_done_changes_nothing(small, tmp_path):
    first = train_model(small_plan(small, tmp_path, epochs=1), HERE)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert train_model(small_plan(small, tmp_path, epochs=1, resumed=True), HERE) == first
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_accumulated_parts_are_one_batch(tmp_path):
    """With the decoder alone, since batch norm looks at the part that it gets."""
    small = write_small_corpus(tmp_path / "corpus", images=5, val=1)
    common = {"losses": {"dice": 1, "bce": 0.5, "iou": 0.25}, "trained": ["mask_decoder"], "epochs": 2, "batch": 4,
              "lr": 1e-3, "val": None, "target": None}  # fmt: skip
    for name, parts in (("one", 1), ("four", 4)):
        train_model(small_plan(small, tmp_path / name, **common, accumulate=parts), HERE)
    assert losses(tmp_path / "four") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    one, four = (load_file(tmp_path / name / LAST) for name in ("one", "four"))
    start = small_model().state_dict()
    moved = max(float((one[key] - start[key]).abs().max()) for key in one)
    # Adam's step is lr * sign where a gradient is near 0: there rounding alone decides.
    apart = torch.cat([(one[key] - four[key]).abs().flatten() for key in one])
    assert moved > 1e-3
    assert float((apart > 1e-5).float().mean()) < 1e-3


def test_the_moving_average_is_what_is_kept(small, tmp_path, monkeypatch):
    seen = []
    original = torch.optim.AdamW.step

    def step(self, *args, **kwargs):
        out = original(self, *args, **kwargs)
        seen.append(model.image_encoder.neck[1].weight.detach().double().clone())
        return out

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    plan = small_plan(small, tmp_path, ema=0.75, epochs=2, batch=2)
    model = plan.model
    train_model(plan, HERE)
    mean = seen[0]
    for weight in seen[1:]:
        mean = 0.75 * mean + 0.25 * weight
    kept = load_file(tmp_path / LAST)["image_encoder.neck.1.weight"]
    torch.testing.assert_close(kept.double(), mean, rtol=1e-5, atol=1e-7)
    assert not torch.allclose(kept.double(), seen[-1], rtol=1e-3)


@pytest.mark.parametrize("precision", ["float32", "fp16"])  # whose gradients are scaled
def test_gradients_are_clipped(precision, small, tmp_path, monkeypatch):
    norms = []
    original = torch.optim.AdamW.step

    def step(self, *args, **kwargs):
        grads = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.cat([grad.flatten() for grad in grads]).norm()))
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    values = {"epochs": 1, "val": None, "precision": precision}
    train_model(small_plan(small, tmp_path / "free", **values), HERE)
    free, norms[:] = norms[:], []
    train_model(small_plan(small, tmp_path / "clipped", **values, clip=free[0] / 3), HERE)
    assert norms[0] == pytest.approx(free[0] / 3, rel=1e-3)


def test_each_part_has_its_learning_rate(small, tmp_path, monkeypatch):
    seen = {}
    original = torch.optim.AdamW.__init__

    def init(self, groups, **kwargs):
        seen.update({sum(p.numel() for p in group["params"]): group["lr"] for group in groups}, **kwargs)
        original(self, groups, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "__init__", init)
    plan = small_plan(small, tmp_path, trained=["image_encoder", "mask_decoder"], lr=1e-4, encoder_lr=3e-4,
                      weight_decay=0.05, epochs=1, val=None)  # fmt: skip
    train_model(plan, HERE)
    counts = {part: sum(p.numel() for p in getattr(plan.model, part).parameters())
              for part in ("image_encoder", "mask_decoder")}  # fmt: skip
    assert seen == {counts["image_encoder"]: 3e-4, counts["mask_decoder"]: 1e-4, "lr": 1e-4, "weight_decay": 0.05}


class Worse(Tone):
    """From this call on the target is far away."""

    def __init__(self, since: int) -> None:
        self.calls, self.since = 0, since

    def __call__(self, samples, batch, *, masks=True):
        self.calls += 1
        return Taught(super().__call__(samples, batch).embedding + 100 * (self.calls > self.since))


def test_the_best_weights_are_those_of_the_best_epoch(small, tmp_path):
    # An epoch: two steps and a validation of one batch. The second validation finds the target moved away.
    plan = small_plan(small, tmp_path, epochs=2, target=Worse(5))
    result = train_model(plan, HERE)
    first, second = losses(tmp_path, "val")
    assert second > 10 * first
    assert result.score == pytest.approx(-first, rel=1e-5)
    about = read_about(tmp_path / BEST)
    assert about["step"] == "2"
    assert float(about["val_loss"]) == pytest.approx(first, rel=1e-5)
    assert read_about(tmp_path / LAST)["step"] == "4"
    best, last = load_file(tmp_path / BEST), load_file(tmp_path / LAST)
    assert any(not torch.equal(best[key], last[key]) for key in best)


def test_without_validation_the_last_weights_are_the_best(small, tmp_path):
    train_model(small_plan(small, tmp_path, epochs=2, val=None), HERE)
    assert_same_weights(tmp_path / BEST, tmp_path / LAST)
    assert losses(tmp_path, "val") == []


class Broken(Tone):
    """No number from this call on."""

    def __init__(self, since: int) -> None:
        self.calls, self.since = 0, since

    def __call__(self, samples, batch, *, masks=True):
        self.calls += 1
        return Taught(super().__call__(samples, batch).embedding * (math.nan if self.calls > self.since else 1))


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_what_was_good(small, tmp_path):
    plan = small_plan(small, tmp_path, epochs=3, target=Broken(4))
    with pytest.raises(TrainingError, match=r"the loss is nan at step 4: lower --lr") as caught:
        train_model(plan, HERE)
    assert caught.value.exit_code == 1
    assert load_checkpoint(tmp_path / CHECKPOINT)["step"] == 2
    assert all(value.isfinite().all() for value in load_file(tmp_path / BEST).values())
    # The same run goes on once the trouble is over.
    train_model(small_plan(small, tmp_path, epochs=3, resumed=True), HERE)
    assert len(losses(tmp_path)) == 6


@pytest.mark.parametrize("step", [2, 3])  # at the end of an epoch, and before a checkpoint within one
def test_weights_that_are_no_numbers_are_never_kept(step, small, tmp_path, monkeypatch):
    """A finite loss whose gradient is not leaves such weights, which only the next step's loss would tell."""
    taken = 0
    original = torch.optim.AdamW.step

    def take(self, *args, **kwargs):
        nonlocal taken
        taken += 1
        if taken == step:
            self.param_groups[0]["params"][0].grad.fill_(math.inf)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", take)
    plan = small_plan(small, tmp_path, epochs=2, checkpoint_steps=1)
    with pytest.raises(TrainingError, match=f"a weight is no longer a number at step {step}"):
        train_model(plan, HERE)
    state = load_checkpoint(tmp_path / CHECKPOINT)
    assert state["step"] == step - 1
    assert all(value.isfinite().all() for value in state["learner"].values() if value.is_floating_point())
    for name in (LAST, BEST):
        if (tmp_path / name).exists():
            assert all(value.isfinite().all() for value in load_file(tmp_path / name).values())


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        MemoryError(),
    ],
)
def test_too_little_memory_is_told_with_the_remedy(error, small, tmp_path):
    def target(samples, batch, *, masks):
        raise error

    with pytest.raises(TrainingError, match=r"a batch of 4 in 2 part\(s\) does not fit into memory: raise --accum"):
        train_model(small_plan(small, tmp_path, target=target, accumulate=2), HERE)


def test_other_faults_of_the_program_are_not_hidden(small, tmp_path):
    def target(samples, batch, *, masks):
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        train_model(small_plan(small, tmp_path, target=target), HERE)


@pytest.mark.parametrize("workers", [0, 1])
def test_missing_pixels_end_the_run_by_one_message(workers, tmp_path):
    folder = write_small_corpus(tmp_path / "corpus", images=5, val=1)
    plan = small_plan(folder, tmp_path / "run", epochs=1, batch=2, workers=workers, val=None)
    (folder / "3.png").unlink()
    with pytest.raises(CatalogError, match=r"3\.png"):
        train_model(plan, HERE)


def test_a_full_disk_is_one_message(small, tmp_path, monkeypatch):
    def fsync(number):
        raise OSError(28, "No space left on device")

    plan = small_plan(small, tmp_path)
    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        train_model(plan, HERE)
    assert not list(tmp_path.glob(".*.part"))


def test_batches_that_do_not_come_in_equal_parts_are_refused(small, tmp_path):
    with pytest.raises(RequestError, match=r"of 4 does not come in equal parts for 3 processes .* multiple of 3"):
        train_model(small_plan(small, tmp_path), Process(0, 3, torch.device("cpu")))


def test_nothing_to_resume_and_a_torn_checkpoint_are_told(small, tmp_path):
    plan = small_plan(small, tmp_path, epochs=1)
    with pytest.raises(RequestError, match="nothing to resume"):
        train_model(replace(plan, resumed=True), HERE)
    train_model(plan, HERE)
    whole = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainingError, match=r"checkpoint\.pt is damaged: .*start again"):
        train_model(replace(plan, resumed=True), HERE)


def test_a_checkpoint_of_another_model_is_told(small, tmp_path):
    train_model(small_plan(small, tmp_path, epochs=1), HERE)
    other = small_plan(small, tmp_path, epochs=1, trained=["image_encoder", "mask_decoder"])
    with pytest.raises(TrainingError, match=r"checkpoint\.pt is of another run: "):
        train_model(replace(other, resumed=True), HERE)


def test_half_precision_goes_on_where_it_was(small, tmp_path, monkeypatch):
    for precision in ("bf16", "fp16"):
        out = tmp_path / precision
        train_model(small_plan(small, out, epochs=1, val=None, precision=precision), HERE)
        assert all(math.isfinite(loss) for loss in losses(out))
        kept = load_file(out / LAST)
        assert {value.dtype for value in kept.values()} == {torch.float32, torch.int64}


def test_the_log_is_plain_csv(small, tmp_path):
    train_model(small_plan(small, tmp_path, epochs=1), HERE)
    with (tmp_path / "log.csv").open(newline="") as file:
        header, *lines = csv.reader(file)
    assert header[:4] == ["step", "epoch", "split", "loss"]
    assert {len(line) for line in lines} == {len(header)}
    assert np.isfinite([float(line[3]) for line in lines]).all()
    assert all(re.fullmatch(r"\d+", line[0]) for line in lines)
