"""What a run has to do: a recipe's cases compared with the corpus."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from catalog.label_map import read_labels, with_labels
from curate.discovery.cases import Case, Found, find_cases
from curate.errors import CaseError, RunError
from curate.imaging.window import Window
from curate.ledger import fragments as state
from curate.pipeline.task import Task, labels_by_class, tokens
from curate.readers import read_header
from curate.recipe.resolved import Recipe

PIPELINE = "1"
"""Goes up when the same input gives other pixels, names or rows than before: finished cases are then done again."""

WORKER_BYTES = 300 << 20
VOLUME_COPIES = 3
"""A worker takes no more than VOLUME_COPIES times the decoded volume + WORKER_BYTES."""


@dataclass(frozen=True)
class Options:
    """What a user may say beside the recipe; `memory` in bytes is for all workers together."""

    store: str = "png"
    axes: tuple[str, ...] | None = None
    window: Window | None = None
    limit: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    workers: int = 1
    memory: int = 4 << 30
    strict: bool = False
    keep_empty: bool = False
    replace: bool = False


@dataclass(frozen=True)
class Plan:
    """What a run will do: tasks, what is done already, and what of earlier runs has to go."""

    recipe: Recipe
    found: Found
    tasks: tuple[Task, ...]
    done: tuple[state.Marker, ...]
    stale: tuple[str, ...]
    labels: dict[str, dict[str, str]]


def plan_run(recipe: Recipe, source: Path, out: Path, options: Options, in_doubt_since: float | None = None) -> Plan:
    """Find a recipe's cases in `source` and compare them with the corpus at `out`; nothing is written.

    Raises SourceError where nothing is found, RunError where a case of another source has the name already.
    """
    recipe = _overridden(recipe, options)
    found = find_cases(recipe, source)
    names = [label.name for group in recipe.groups for label in labels_by_class(group).values()]
    labels = with_labels(read_labels(out), recipe.name, names)
    ids = {name: int(number) for name, number in labels[recipe.name].items()}
    columns = {
        "license": recipe.license.name,
        "redistributable": recipe.license.redistributable,
        "recipe_hash": recipe.hash,
    }
    tasks, done, stale = [], [], []
    for case in _selected(found.cases, options):
        group = recipe.groups[case.group]
        task = Task(
            case=case,
            key=f"{tokens(group)[0]}--{case.case}",
            group=group,
            source=source,
            out=out,
            store=options.store,
            label_ids={label.name: ids[label.name] for label in labels_by_class(group).values()},
            columns=columns,
            keep_empty=options.keep_empty,
            limit=(options.memory - WORKER_BYTES) // VOLUME_COPIES,
            fingerprint="",
        )
        task = dataclasses.replace(task, fingerprint=_fingerprint(task))
        path = state.fragment_path(out, recipe.name, task.key)
        marker = state.read_marker(path)
        if marker and in_doubt_since is not None and path.stat().st_mtime >= in_doubt_since:
            stale.append(task.key)
        elif marker and marker.fingerprint == task.fingerprint and not marker.failed:
            done.append(marker)
            continue
        elif marker:
            if marker.source != str(source) and not options.replace and not marker.failed:
                raise RunError(
                    f"{recipe.name}: the case {case.case} of {source} has the name of one from {marker.source}; "
                    "give the recipe another `name`, or say --replace to let the new one take its place"
                )
            stale.append(task.key)
        tasks.append(task)
    excluded = {case for case, _ in found.excluded}
    if excluded:
        stale += [
            key
            for key, _ in state.fragments(out, recipe.name)
            if key.split("--", 1)[1] in excluded and not key.startswith("excluded--")
        ]
    return Plan(recipe, found, tuple(tasks), tuple(done), tuple(stale), labels)


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
    inputs = []
    for path in (task.case.image, *(path for _, path in task.case.labels)):
        try:
            facts = (task.source / path).stat()
            inputs.append((path, facts.st_size, facts.st_mtime_ns))
        except OSError:
            inputs.append((path, -1, -1))  # the case will fail with its reason
    meaning = (
        PIPELINE, inputs, task.store, task.keep_empty, task.label_ids, task.columns, task.case.patient, task.case.group,
    )  # fmt: skip
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:32]


def task_bytes(task: Task) -> int:
    """Return the memory a case may take, by the headers of its image and a label; a broken case takes little."""
    try:
        paths = [task.case.image, *(path for _, path in task.case.labels[:1])]
        decoded = sum(read_header(task.source / path).nbytes for path in paths)
    except (CaseError, OSError):
        decoded = 0
    return VOLUME_COPIES * decoded + WORKER_BYTES
