"""Cases that are read and written beside the one that is segmented."""

import gc
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import predict.outputs.write_case
import predict.run
from catalog.errors import OutputError
from catalog.progress import Progress
from predict.engines.engine import MaskLogits
from predict.errors import CaseFault, InputError
from predict.inputs.case import PromptedCase
from predict.predict_options import PredictOptions
from predict.run import predict_case, predict_cases

from .conftest import FakeEngine

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (6, 30, 40), np.uint8)


@dataclass
class Told:
    """What sources and engines do, in the order in which it begins, and on which thread."""

    events: list[tuple[str, str]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    alive: int = 0
    most: int = 0

    def tell(self, what: str, name: str) -> None:
        self.events.append((what, name))
        self.threads.add(threading.get_ident())

    def hold(self, pixels: np.ndarray) -> None:
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(pixels, self.release)

    def release(self) -> None:
        self.alive -= 1


@dataclass
class Made:
    """A case of random pixels, or one that cannot be read."""

    number: int
    told: Told
    fault: BaseException | None = None

    @property
    def name(self):
        return f"2DBox_US_{self.number}"

    @property
    def target(self):
        return Path(f"{self.name}.npz")

    def fingerprint(self):
        return str(self.number)

    def read(self):
        self.told.tell("read", self.name)
        if self.fault is not None:
            raise self.fault
        pixels = IMAGES[self.number].copy()
        gc.collect()
        self.told.hold(pixels)
        return PromptedCase(
            self.name, pixels, np.array([[3, 4, 30, 20], [1, 1, 9, 9]]), truth=np.ones((30, 40), np.uint8)
        )


class Quick(FakeEngine):
    """Draws what is bright in a box."""

    def embed(self, image):
        self.encoded.append(image)
        return image

    def decode(self, embedding, prompts):
        logits = np.full((len(prompts), 256, 256), -1, np.float32)
        for drawn, (x0, y0, x1, y1) in zip(logits, prompts.boxes, strict=True):
            drawn[y0:y1, x0:x1] = embedding[0, y0:y1, x0:x1] - 0.4
        yield MaskLogits(logits, np.ones(len(prompts), np.float32))


class Quiet(Progress):
    """Keeps what is said."""

    def __init__(self, cases):
        super().__init__(cases)
        self.said = []

    def say(self, line):
        self.said.append(line)


def segs(folder):
    found = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as archive:
            found[path.stem] = archive["segs"]
    return found


def names(events, what):
    return [name for kind, name in events if kind == what]


@pytest.mark.parametrize("score", [False, True])
def test_results_are_those_of_each_case_alone(score, tmp_path):
    told = Told()
    sources = [Made(number, told) for number in range(6)]
    run = predict_cases(sources, {}, Quick(), PredictOptions(tmp_path / "run", score=score), Quiet(6))
    alone = [predict_case(source, Quick(), PredictOptions(tmp_path / "alone", score=score)) for source in sources]
    assert [one.name for one in run.outcomes] == [one.name for one in alone] == [source.name for source in sources]
    assert [one.scores for one in run.outcomes] == [one.scores for one in alone]
    assert all(one.seconds > 0 for one in run.outcomes)
    found, expected = segs(tmp_path / "run"), segs(tmp_path / "alone")
    assert found.keys() == expected.keys()
    for name, labels in expected.items():
        assert labels.any()
        np.testing.assert_array_equal(found[name], labels)
    assert (len(told.threads) == 1) == score


def test_the_next_case_is_read_and_the_last_one_written_meanwhile(tmp_path, monkeypatch):
    """No case goes on before they have begun, which would wait for ever if all came one after the other."""
    told, begun = Told(), {}
    for what in ("read", "written"):
        for number in range(4):
            begun[what, f"2DBox_US_{number}"] = threading.Event()

    class Waiting(Quick):
        def embed(self, image):
            number = len(self.encoded)
            if number < 3:
                assert begun["read", f"2DBox_US_{number + 1}"].wait(20)
            if number:
                assert begun["written", f"2DBox_US_{number - 1}"].wait(20)
            return super().embed(image)

    write = predict.outputs.write_case.write_labels

    def written(path, labels, scan):
        assert ("read", f"2DBox_US_{int(path.stem[-1]) + 2}") not in told.events
        begun["written", path.stem].set()
        write(path, labels, scan)

    monkeypatch.setattr(predict.outputs.write_case, "write_labels", written)

    class Telling(Made):
        def read(self):
            begun["read", self.name].set()
            return super().read()

    run = predict_cases(
        [Telling(number, told) for number in range(4)], {}, Waiting(), PredictOptions(tmp_path), Quiet(4)
    )
    assert len(run.outcomes) == 4
    assert told.most <= 2
    assert len(segs(tmp_path)) == 4


def test_seconds_are_those_of_reading_segmenting_and_writing(tmp_path, monkeypatch):
    clock = 0

    def takes(seconds, task):
        def call(*arguments):
            nonlocal clock
            clock += seconds
            return task(*arguments)

        return call

    for module in (predict.run, predict.outputs.write_case):
        monkeypatch.setattr(module, "perf_counter", lambda: clock)
    monkeypatch.setattr(Made, "read", takes(1, Made.read))
    monkeypatch.setattr(Quick, "embed", takes(10, Quick.embed))
    monkeypatch.setattr(predict.outputs.write_case, "write_labels", takes(100, predict.outputs.write_case.write_labels))
    monkeypatch.setattr("predict.scoring.score_case.score_case", takes(1000, lambda case, labels: {}))
    wanted = PredictOptions(tmp_path, score=True)
    run = predict_cases([Made(number, Told()) for number in range(3)], {}, Quick(), wanted, Quiet(3))
    assert [one.seconds for one in run.outcomes] == [111, 111, 111]


def test_a_fault_stays_with_its_case_and_in_its_place(tmp_path):
    told = Told()
    faults = {
        0: InputError(CaseFault.NO_PROMPT, "no boxes"),
        2: MemoryError(),
        5: InputError(CaseFault.UNREADABLE, "damaged"),
    }
    sources = [Made(number, told, faults.get(number)) for number in range(6)]
    progress = Quiet(6)
    run = predict_cases(
        sources,
        {"stray": InputError(CaseFault.MISSING, "it is not there")},
        Quick(),
        PredictOptions(tmp_path, min_iou=1.01),
        progress,
    )
    assert [one.name for one in run.outcomes] == ["2DBox_US_1", "2DBox_US_3", "2DBox_US_4"]
    assert {name: error.fault for name, error in run.failed.items()} == {
        "stray": CaseFault.MISSING,
        "2DBox_US_0": CaseFault.NO_PROMPT,
        "2DBox_US_2": CaseFault.TOO_LARGE,
        "2DBox_US_5": CaseFault.UNREADABLE,
    }
    assert [line.removeprefix("failed: ").split(":")[0] for line in progress.said] == [
        "stray", *(source.name for source in sources)
    ]  # fmt: skip
    assert not run.interrupted


def test_an_error_that_is_no_case_s_ends_the_run(tmp_path, monkeypatch):
    def full(path, labels, scan):
        raise OutputError(f"{path.name} cannot be written: the disk is full")

    monkeypatch.setattr(predict.outputs.write_case, "write_labels", full)
    told = Told()
    with pytest.raises(OutputError, match="2DBox_US_0"):
        predict_cases([Made(number, told) for number in range(6)], {}, Quick(), PredictOptions(tmp_path), Quiet(6))
    assert len(names(told.events, "read")) <= 3
    with pytest.raises(ZeroDivisionError):
        predict_cases([Made(1, told, ZeroDivisionError())], {}, Quick(), PredictOptions(tmp_path), Quiet(1))


@pytest.mark.parametrize("score", [False, True])
def test_an_interrupt_keeps_what_is_segmented(score, tmp_path):
    class Interrupted(Quick):
        def embed(self, image):
            if len(self.encoded) == 2:
                raise KeyboardInterrupt
            return super().embed(image)

    before = threading.active_count()
    progress = Quiet(6)
    sources = [Made(number, Told()) for number in range(6)]
    run = predict_cases(sources, {}, Interrupted(), PredictOptions(tmp_path, score=score), progress)
    assert run.interrupted
    assert [one.name for one in run.outcomes] == list(segs(tmp_path)) == ["2DBox_US_0", "2DBox_US_1"]
    assert progress.said[-1:] == ["Interrupted at 2DBox_US_2. Run the same command again to resume."]
    assert threading.active_count() == before
    assert not list(tmp_path.glob(".*"))


def test_an_interrupt_while_the_first_case_is_read(tmp_path):
    progress = Quiet(1)
    source = Made(0, Told(), KeyboardInterrupt())
    run = predict_cases([source], {}, Quick(), PredictOptions(tmp_path, score=True), progress)
    assert run.interrupted
    assert progress.said == ["Interrupted at the first case. Run the same command again to resume."]
