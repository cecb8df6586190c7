"""Run cases from their files to their results."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NamedTuple

from catalog.progress import Progress
from predict.engines.engine import Engine
from predict.errors import CaseFault, InputError
from predict.inputs.case import CaseSource, PromptedCase
from predict.notes import NoteLog
from predict.outputs.finished import FinishedCases
from predict.outputs.summary import Outcome
from predict.outputs.write_case import write_case
from predict.predict_options import PredictOptions
from predict.propagation.iou_filter import IouFilter
from predict.propagation.object_masks import ObjectMasks
from predict.propagation.segment import segment_case


@dataclass
class RunResult:
    """What became of the cases of a run: outcomes, the fault of each that failed, whether the run was interrupted."""

    outcomes: list[Outcome] = field(default_factory=list)
    failed: dict[str, InputError] = field(default_factory=dict)
    interrupted: bool = False


class _Read(NamedTuple):
    case: PromptedCase
    seconds: float


class _Segmented(NamedTuple):
    case: PromptedCase
    masks: ObjectMasks
    expected: IouFilter
    seconds: float


class _InlineExecutor(Executor):
    """Runs tasks synchronously."""

    def submit(self, task: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Return a future that is done; raise what is not an `Exception`, such as an interrupt."""
        future: Future[Any] = Future()
        try:
            future.set_result(task(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


def predict_cases(
    sources: Iterable[CaseSource],
    failed: Mapping[str, InputError],
    engine: Engine[Any],
    options: PredictOptions,
    progress: Progress,
    finished: FinishedCases | None = None,
) -> RunResult:
    """Segment case after case; a case that cannot be used does not stop the others, an interrupt does.

    While a case is segmented, a thread writes the one before and then reads the next one, so that at most two are in
    memory. Where cases are scored they are processed strictly one by one, so that the seconds are those of each alone.

    Args:
        sources: The cases.
        failed: Cases that have failed already, with their fault.
        engine: What runs the model.
        options: How cases are segmented, and where results go.
        progress: Gets every case, slice and message.
        finished: The journal in which finished cases are noted; None: they are not.

    Raises:
        OutputError, FolderError: the disk is full, or a folder must not be written to.
    """
    run = _Results(progress, finished)
    for name, error in failed.items():
        run.fail(name, error)
    following, name = iter(sources), "the first case"
    ahead: tuple[CaseSource, Future[_Read]] | None = None
    second: Executor = _InlineExecutor() if options.score else ThreadPoolExecutor(1, "cases")

    def read_ahead() -> tuple[CaseSource, Future[_Read]] | None:
        return next(((source, second.submit(_read, source)) for source in following), None)

    try:
        ahead = read_ahead()
        while ahead is not None:
            source, reading = ahead
            name = source.name
            progress.begin(name)
            wait([reading])
            ahead = read_ahead()
            try:  # no name holds the case: it goes when it is written
                run.write(second, source, _segment(reading.result(), engine, options, progress.step), options)
            except (InputError, MemoryError) as error:
                run.refuse(source, error)
            run.settle(1)
        run.settle(0)
    except KeyboardInterrupt:
        run.result.interrupted = True
        if ahead is not None:
            ahead[1].cancel()
        run.settle(0)
        progress.say(f"Interrupted at {name}. Run the same command again to resume.")
    finally:
        second.shutdown(cancel_futures=True)
    return run.result


class _Results:
    """The cases of a run that are being written, and the outcome of those that are done."""

    def __init__(self, progress: Progress, finished: FinishedCases | None) -> None:
        self.result = RunResult()
        self.writing: deque[tuple[CaseSource, Future[Outcome]]] = deque()
        self._progress, self._finished = progress, finished
        self._notes = NoteLog(progress.say)

    def write(self, executor: Executor, source: CaseSource, segmented: _Segmented, options: PredictOptions) -> None:
        """Start to write the results of a case."""
        if self._finished is not None:
            self._finished.begin(source)
        self.writing.append((source, executor.submit(_write, source, segmented, options)))

    def refuse(self, source: CaseSource, error: Exception) -> None:
        """Put a case that failed in its place among those that are written."""
        ended: Future[Outcome] = Future()
        ended.set_exception(error)
        self.writing.append((source, ended))

    def settle(self, most: int) -> None:
        """Record the outcome of cases in their order, and wait until at most `most` are being written."""
        while self.writing and (len(self.writing) > most or self.writing[0][1].done()):
            self._record(*self.writing[0])
            self.writing.popleft()

    def fail(self, name: str, error: InputError) -> None:
        """Record and print why a case failed."""
        self.result.failed[name] = error
        self._progress.say(f"failed: {name}: {error}")

    def _record(self, source: CaseSource, ended: Future[Outcome]) -> None:
        try:
            outcome = ended.result()
        except InputError as error:
            self.fail(source.name, error)
        except MemoryError:
            self.fail(source.name, InputError(CaseFault.TOO_LARGE, "there is not enough memory for it"))
        else:
            self.result.outcomes.append(outcome)
            if self._finished is not None:
                self._finished.finish(source, outcome)
            for note in outcome.notes:
                self._notes.add(outcome.name, note)
        self._progress.advance()


def predict_case(
    source: CaseSource,
    engine: Engine[Any],
    options: PredictOptions,
    on_slice: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Segment one case and write its results.

    Raises:
        InputError: the case cannot be used; nothing is written of it.
        OutputError, FolderError: the disk is full, or a folder must not be written to.
    """
    return _write(source, _segment(_read(source), engine, options, on_slice), options)


def _read(source: CaseSource) -> _Read:
    start = perf_counter()
    return _Read(source.read(), perf_counter() - start)


def _segment(
    read: _Read, engine: Engine[Any], options: PredictOptions, on_slice: Callable[[int, int], None]
) -> _Segmented:
    case, start = read.case, perf_counter()
    expected = IouFilter(len(case.boxes), options.min_iou)
    masks = segment_case(case, engine, options.propagation, on_slice, options.memory, expected.keeps)
    return _Segmented(case, masks, expected, read.seconds + perf_counter() - start)


def _write(source: CaseSource, segmented: _Segmented, options: PredictOptions) -> Outcome:
    case, masks, expected, seconds = segmented
    return write_case(source.target, case, masks, expected, options, seconds)
