"""What a run has to do: a recipe's cases compared with the corpus."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from catalog.label_map import with_labels
from curate.discovery.cases import Case, Found, find_cases
from curate.errors import CaseError, RunError
from curate.imaging.window import Window
from curate.ledger.case_key import EXCLUDED, CaseKey
from curate.ledger.case_result import CaseResult
from curate.ledger.fragments import fragments, read_fragment, read_result
from curate.ledger.label_ids import known_labels
from curate.pipeline.task import Task, case_key, labels_by_class
from curate.readers import companions, read_header
from curate.recipe.resolved import Recipe

PIPELINE = "2"
"""Changes when the same input gives other pixels, names or rows than before: finished cases are then done again."""

WORKER_BYTES = 300 << 20
VOLUME_COPIES = 3
"""A worker takes at most VOLUME_COPIES times the decoded volume + WORKER_BYTES."""

LEAST_MEMORY = WORKER_BYTES + (100 << 20)
"""The least memory a run is started with."""


@dataclass(frozen=True)
class Options:
    """The options of a run; `memory` in bytes is for all workers together."""

    store: str = "png"
    axes: tuple[str, ...] | None = None
    window: Window | None = None
    limit: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    workers: int = 1
    memory: int = 4 << 30
    strict: bool = False
    strict_warnings: bool = False
    keep_empty: bool = False
    replace: bool = False


@dataclass(frozen=True)
class Plan:
    """What a run will do: tasks, what is done already, and which cases of earlier runs have to go."""

    recipe: Recipe
    found: Found
    source: Path
    tasks: tuple[Task, ...]
    done: tuple[CaseResult, ...]
    stale: tuple[CaseKey, ...]
    labels: dict[str, dict[str, str]]


def find(recipe: Recipe, source: Path, options: Options) -> Found:
    """Return the cases of a recipe in `source` that the options select; the corpus is not looked at.

    Raises SourceError where nothing is found, RunError where the options leave none.
    """
    found = find_cases(_overridden(recipe, options), source)
    return dataclasses.replace(found, cases=tuple(_selected(found.cases, options)))


def plan_run(
    found: Found, source: Path, out: Path, options: Options, run: str = "", lost: frozenset[str] = frozenset()
) -> Plan:
    """Compare the cases found with the corpus at `out`; nothing is written.

    `run` is the id of the run, `lost` holds those of the runs whose files may not have survived a power cut. Raises
    RunError where a case of another source has the name already.
    """
    recipe = found.recipe
    names = [label.name for group in recipe.groups for label in labels_by_class(group).values()]
    labels = with_labels(known_labels(out), recipe.name, names)
    ids = {name: int(number) for name, number in labels[recipe.name].items()}
    tasks, done = [], []
    stale: dict[CaseKey, None] = {}
    before = dict(_results(out, recipe.name))
    for case in found.cases:
        task = _task(case, recipe, source, out, options, ids, run)
        result = before.get(task.key)
        if result is not None and result.run not in lost and result.finished(task.fingerprint):
            done.append(result)
            continue
        if task.key in before:
            _refuse_other_source(result, case, source, recipe, options)
            stale[task.key] = None
        tasks.append(task)
    current = {task.key for task in tasks} | {result.key for result in done}
    stale |= dict.fromkeys(_superseded(before, tasks, found, current))
    return Plan(recipe, found, source, tuple(tasks), tuple(done), tuple(stale), labels)


def _task(case: Case, recipe: Recipe, source: Path, out: Path, options: Options, ids: dict[str, int], run: str) -> Task:
    group = recipe.groups[case.group]
    task = Task(
        case=case,
        key=case_key(case, group),
        group=group,
        source=source,
        out=out,
        store=options.store,
        label_ids={label.name: ids[label.name] for label in labels_by_class(group).values()},
        columns={
            "license": recipe.license.name,
            "redistributable": recipe.license.redistributable,
            "recipe_hash": recipe.hash,
        },
        keep_empty=options.keep_empty,
        limit=(options.memory - WORKER_BYTES) // VOLUME_COPIES,
        run=run,
    )
    return dataclasses.replace(task, fingerprint=_fingerprint(task))


def _results(out: Path, dataset: str) -> Iterator[tuple[CaseKey, CaseResult | None]]:
    """Yield key and result of each fragment of a data set; None for one that cannot be read."""
    for key, path in fragments(out, dataset):
        result = read_result(path)
        if result is not None and not result.inputs:  # medcorpus 0.1 kept them in the rows alone
            images = read_fragment(path)["source_image"].unique().to_pylist()
            result = dataclasses.replace(result, inputs=tuple(filter(None, images)))
        yield key, result


def _refuse_other_source(result: CaseResult | None, case: Case, source: Path, recipe: Recipe, options: Options) -> None:
    if result is None or result.failed or options.replace or result.source in (str(source), ""):
        return
    if not Path(result.source).exists() or Path(result.source).samefile(source):
        return  # the source folder was moved
    raise RunError(
        f"{recipe.name}: the case {case.case} of {source} has the same name as one from {result.source}; "
        "give the recipe another `name`, or pass --replace to overwrite it"
    )


def _superseded(
    before: dict[CaseKey, CaseResult | None], tasks: Sequence[Task], found: Found, current: set[CaseKey]
) -> Iterator[CaseKey]:
    """Yield the keys of earlier runs that the recipe replaces: excluded cases, and others made of the same files."""
    excluded = {case for case, _ in found.excluded}
    images = {case.image.name for case in found.cases}
    for key, result in before.items():
        if key in current:
            continue
        if key.token == EXCLUDED:
            if key.case not in excluded:
                yield key
        elif key.case in excluded or result is None or (result.inputs and result.inputs[0] in images):
            yield key


def _overridden(recipe: Recipe, options: Options) -> Recipe:
    groups = []
    for group in recipe.groups:
        if options.axes is not None:
            group = dataclasses.replace(group, axes=options.axes)
        if options.window is not None:
            channels = tuple(dataclasses.replace(one, window=options.window) for one in group.channels)
            group = dataclasses.replace(group, channels=channels)
        groups.append(group)
    return dataclasses.replace(recipe, groups=tuple(groups))


def _selected(cases: Sequence[Case], options: Options) -> list[Case]:
    """Return the cases `--include`, `--exclude` and `--limit` leave; the patterns are globs of case ids."""
    chosen = [
        case
        for case in cases
        if (not options.include or any(fnmatchcase(case.case, glob) for glob in options.include))
        and not any(fnmatchcase(case.case, glob) for glob in options.exclude)
    ]
    if not chosen:
        raise RunError(
            f"--include and --exclude leave none of {len(cases)} cases; the first are "
            + ", ".join(case.case for case in cases[:5])
        )
    return chosen[: options.limit]


def _fingerprint(task: Task) -> str:
    """Return a hash of everything the case's rows and pixels depend on."""
    case = task.case
    sources = (case.image, *(source for _, source in case.labels))
    inputs = [source.stamps(companions(source)) for source in sources]
    meaning = [PIPELINE, inputs, task.store, task.keep_empty, task.label_ids, task.columns, case.patient, case.group]
    if case.split is not None:  # cases without one keep their fingerprints
        meaning.append(case.split)
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:32]


def decoded_bytes(task: Task) -> int:
    """Return the decoded bytes of a case's image and one label, by their headers; 0 for a broken case."""
    try:
        inputs = [task.case.image, *(source for _, source in task.case.labels[:1])]
        return sum(read_header(source).nbytes for source in inputs)
    except (CaseError, OSError):
        return 0


def task_bytes(task: Task) -> int:
    """Return the memory a case may take; a broken case takes little."""
    return VOLUME_COPIES * decoded_bytes(task) + WORKER_BYTES
