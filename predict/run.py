"""Cases from their files to their results."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.atomic import write_atomic
from catalog.progress import Progress
from predict.engines.engine import Engine, Labels
from predict.errors import CaseError
from predict.inputs.case import Case, Source
from predict.outputs.labels import make_folder, write_labels
from predict.outputs.summary import Outcome
from predict.propagation.segment import segment_case
from predict.propagation.volume import MEMORY, Propagation

SHOWN = 20


@dataclass(frozen=True)
class Wanted:
    """How cases are segmented, and where results go.

    out: The folder of labels.
    propagation: How boxes go from slice to slice.
    memory: Bytes that kept embeddings may take.
    min_iou: Objects whose IoU the model expects to be below get no pixels.
    overlay: The folder of pictures to look at; None: none are drawn.
    score: Whether cases are scored by the truth they come with.
    """

    out: Path
    propagation: Propagation = "clean"
    memory: int = MEMORY
    min_iou: float | None = None
    overlay: Path | None = None
    score: bool = False


@dataclass
class Expectation:
    """What the model expects of each object, and which objects are good enough to be drawn."""

    count: int
    least: float | None
    iou: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.iou = np.full(self.count, np.nan)

    def keeps(self, label: int, iou: float) -> bool:
        """Remember what is expected of an object, and tell whether it is to be drawn."""
        self.iou[label - 1] = iou
        return self.least is None or iou >= self.least

    def dropped(self) -> tuple[int, ...]:
        """Return the labels of the objects that are not."""
        return () if self.least is None else tuple((np.flatnonzero(self.iou < self.least) + 1).tolist())


@dataclass
class Run:
    """What has come of a run: cases that were segmented, the reason of each that failed, whether it was stopped."""

    outcomes: list[Outcome] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    stopped: bool = False


class _Read(NamedTuple):
    case: Case
    seconds: float


class _Segmented(NamedTuple):
    case: Case
    labels: Labels
    expected: Expectation
    seconds: float


class _NoThread(Executor):
    """Does at once what it is given."""

    def submit(self, task: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Return a future that is done; raises what is no `Exception`, such as an interrupt."""
        future: Future[Any] = Future()
        try:
            future.set_result(task(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


def predict_cases(
    sources: Iterable[Source], strays: Mapping[str, str], engine: Engine[Any], wanted: Wanted, progress: Progress
) -> Run:
    """Segment case after case; one that cannot be used does not stop the others, an interrupt does.

    While a case is segmented, a thread writes the one before and then reads the one after it, so that no more than two
    are held. Where cases are scored nothing goes on beside them: their seconds are those of each alone. `strays` are
    cases that are asked for but not there, with the reason; they have failed from the start.

    Raises:
        OutputError, FolderError: the disk is full, or a folder must not be written to.
    """
    run = Run(failed=dict(strays))
    for name, reason in strays.items():
        progress.say(f"failed: {name}: {reason}")
    following, name = iter(sources), "the first case"
    ahead: tuple[Source, Future[_Read]] | None = None
    unsettled: deque[tuple[str, Future[Outcome]]] = deque()
    beside: Executor = _NoThread() if wanted.score else ThreadPoolExecutor(1, "cases")

    def read_ahead() -> tuple[Source, Future[_Read]] | None:
        return next(((source, beside.submit(_read, source)) for source in following), None)

    def settle(least: int) -> None:
        """Take note of what has come of cases, in their order, until no more than `least` are left to wait for."""
        while unsettled and (len(unsettled) > least or unsettled[0][1].done()):
            _note(run, progress, *unsettled[0])
            unsettled.popleft()

    try:
        ahead = read_ahead()
        while ahead is not None:
            source, reading = ahead
            name = source.name
            progress.begin(name)
            wait([reading])
            ahead = read_ahead()
            ended: Future[Outcome]
            try:
                ended = beside.submit(_write, source, _segment(reading.result(), engine, wanted, progress.step), wanted)
            except (CaseError, MemoryError) as error:
                ended = Future()
                ended.set_exception(error)
            unsettled.append((name, ended))
            settle(1)
        settle(0)
    except KeyboardInterrupt:
        run.stopped = True
        if ahead is not None:
            ahead[1].cancel()
        settle(0)
        progress.say(f"stopped at {name}; what is in {wanted.out} is whole")
    finally:
        beside.shutdown(cancel_futures=True)
    return run


def _note(run: Run, progress: Progress, name: str, ended: Future[Outcome]) -> None:
    try:
        outcome = ended.result()
    except (CaseError, MemoryError) as error:
        run.failed[name] = str(error) or "there is not enough memory for it"
        progress.say(f"failed: {name}: {run.failed[name]}")
    else:
        run.outcomes.append(outcome)
        if outcome.dropped:
            progress.say(f"{name}: not drawn, below --min-iou: {_listed(outcome.dropped)}")
    progress.advance()


def _listed(labels: tuple[int, ...]) -> str:
    more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
    return f"{'objects' if len(labels) > 1 else 'object'} {', '.join(map(str, labels[:SHOWN]))}{more}"


def predict_case(
    source: Source,
    engine: Engine[Any],
    wanted: Wanted,
    on_slice: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Segment a case, write its labels, draw and score it as wanted; what is slow to do beside counts in no seconds.

    Raises:
        CaseError: the case cannot be used; nothing is written of it.
        OutputError, FolderError: the disk is full, or a folder must not be written to.
    """
    return _write(source, _segment(_read(source), engine, wanted, on_slice), wanted)


def _read(source: Source) -> _Read:
    start = perf_counter()
    return _Read(source.read(), perf_counter() - start)


def _segment(read: _Read, engine: Engine[Any], wanted: Wanted, on_slice: Callable[[int, int], None]) -> _Segmented:
    case, start = read.case, perf_counter()
    expected = Expectation(len(case.boxes), wanted.min_iou)
    labels = segment_case(case, engine, wanted.propagation, on_slice, wanted.memory, expected.keeps)
    return _Segmented(case, labels, expected, read.seconds + perf_counter() - start)


def _write(source: Source, segmented: _Segmented, wanted: Wanted) -> Outcome:
    case, labels, expected, seconds = segmented
    start = perf_counter()
    write_labels(wanted.out / source.target, labels, case.scan)
    seconds += perf_counter() - start
    scores = {}
    if wanted.score:
        from predict.scoring.score_case import score_case

        scores = score_case(case, labels)
    if wanted.overlay is not None:
        from catalog.codecs.png import encode_image
        from predict.outputs.overlay import draw_overlay

        picture = wanted.overlay / source.target.parent / f"{case.name}.png"
        make_folder(picture.parent)
        write_atomic(picture, encode_image(draw_overlay(case, labels)))
    return Outcome(
        case.name,
        case.modality,
        seconds,
        len(case.boxes),
        target=source.target.as_posix(),
        names=case.names,
        iou=tuple(expected.iou.tolist()),
        dropped=expected.dropped(),
        scores=scores,
    )
