"""A run: which cases are new or changed, the pipeline mapped over them, and the corpus's tables made anew."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from time import perf_counter, time
from typing import Any

import pyarrow as pa

from catalog.labels import FILE as LABELS_FILE
from catalog.labels import read_labels, with_labels
from catalog.reasons import Reason
from catalog.schema import SCHEMA_VERSION
from catalog.write import CATALOG_FILE, write_catalog
from curate import session, state
from curate.cases import Case, Found, find_cases
from curate.errors import CaseError, RunError, SourceError
from curate.executor import Died, ProcessExecutor, SerialExecutor
from curate.pipeline import Report, Task, curate_case, labels_by_class, tokens
from curate.readers import read_header
from curate.recipe.resolved import Recipe
from curate.rows import DropRow, build_fragment
from curate.store.shards import Pack, Placed, pack, place_rows, sweep
from curate.window import Window

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


@dataclass
class Summary:
    """What became of a recipe's cases, those of earlier runs included."""

    dataset: str
    cases: int = 0
    done_before: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    images: int = 0
    masks: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    resampled: int = 0
    seconds: float = 0.0
    slowest: tuple[str, float] | None = None
    warnings: list[str] = field(default_factory=list)

    def add(self, report: Report) -> None:
        """Count a case that was done in this run."""
        self.images += report.images
        self.masks += report.masks
        for reason, count in report.drops.items():
            self.drops[reason] = self.drops.get(reason, 0) + count
        self.resampled += report.resampled
        if report.error is not None:
            self.failed[report.case] = report.error
        if self.slowest is None or report.seconds > self.slowest[1]:
            self.slowest = (report.case, report.seconds)


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


def run(
    recipe: Recipe,
    source: Path,
    out: Path,
    options: Options,
    begun: Callable[[Plan], None] = lambda plan: None,
    progress: Callable[[Report], None] = lambda report: None,
) -> Summary:
    """Curate what is new or changed of a recipe's source into the corpus at `out`.

    `begun` is told the plan, `progress` each case as it ends. Raises RecipeError, SourceError or RunError where
    the run cannot start, OutputError where it cannot go on, and CaseError at the first failure with `options.strict`.
    """
    if not source.is_dir():
        raise SourceError(f"{source} is no folder; give the folder the data set was unpacked into with --source")
    start = perf_counter()
    first = plan_run(recipe, source, out, options)  # every error of the asking comes before anything is written
    with session.exclusive(out):
        in_doubt_since = session.begin(out)
        plan = first if in_doubt_since is None else plan_run(recipe, source, out, options, in_doubt_since)
        begun(plan)
        state.write_json(out / LABELS_FILE, plan.labels)
        _take_back_leftovers(out, recipe.name)
        if plan.stale:
            _remove_cases(out, recipe.name, plan.stale)
        _note_excluded(plan, out)
        summary = Summary(recipe.name, cases=len(plan.tasks) + len(plan.done), done_before=len(plan.done))
        summary.warnings += plan.found.warnings
        for marker in plan.done:
            summary.images += marker.images
            summary.masks += marker.masks
            summary.resampled += marker.resampled
        if plan.found.excluded:
            summary.drops[Reason.EXCLUDED.value] = len(plan.found.excluded)
        for report in _execute(plan, options):
            summary.add(report)
            progress(report)
            if options.strict and report.error is not None:
                raise CaseError(Reason.UNREADABLE, f"{report.case}: {report.error}")
        finish(out)
        summary.seconds = perf_counter() - start
        _note_run(out, plan, options, summary)
        session.end(out)
    return summary


def finish(out: Path) -> None:
    """Make the corpus's tables from the fragments of all finished cases, and pack shards."""
    packs = {dataset: _packed(out, dataset) for dataset in state.datasets(out)}
    write_catalog(out, _fragments(out, packs))
    for dataset, packed in packs.items():
        sweep(out, dataset, packed)


# ---- what to do ----


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
    """Return the memory a case may take, from its image's header; a case that cannot be read takes little."""
    try:
        decoded = read_header(task.source / task.case.image).nbytes
    except (CaseError, OSError):
        decoded = 0
    return VOLUME_COPIES * decoded + WORKER_BYTES


# ---- doing it ----


def _execute(plan: Plan, options: Options) -> Iterator[Report]:
    workers = min(options.workers, len(plan.tasks))
    executor = SerialExecutor() if workers <= 1 else ProcessExecutor(workers, options.memory)
    for result in executor.map(curate_case, plan.tasks, task_bytes):
        yield _buried(result.task) if isinstance(result, Died) else result


def _buried(task: Task) -> Report:
    """Record a case whose worker was killed even alone."""
    _take_back_leftovers(task.out, task.case.dataset)
    detail = "the process that worked on it was killed twice; most likely it ran out of memory: give less --workers"
    _write_drop(task, DropRow(Reason.WORKER_DIED, detail=detail), failed=True)
    reasons = {Reason.WORKER_DIED.value: 1}
    return Report(task.key, task.case.dataset, task.case.case, 0, 0, reasons, 0.0, False, detail)


def _note_excluded(plan: Plan, out: Path) -> None:
    folder = state.dataset_folder(out, plan.recipe.name)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {f"excluded--{case}": (case, reason) for case, reason in plan.found.excluded}
    for key, path in list(state.fragments(out, plan.recipe.name)):
        if key.startswith("excluded--") and key not in wanted:
            path.unlink()
    for key, (case, reason) in wanted.items():
        table = build_fragment(
            [],
            [DropRow(Reason.EXCLUDED, detail=reason)],
            {},
            {},
            {},
            {"dataset": plan.recipe.name, "case": case},
        )
        marker = state.Marker(reason, "", case, False, 0, 0, 0.0, False)
        state.write_fragment(state.fragment_path(out, plan.recipe.name, key), table, marker)


def _write_drop(task: Task, drop: DropRow, failed: bool) -> None:
    constants = {"dataset": task.case.dataset, "case": task.case.case}
    state.write_fragment(
        state.fragment_path(task.out, task.case.dataset, task.key),
        build_fragment([], [drop], {}, {}, {}, constants),
        state.Marker(task.fingerprint, str(task.source), task.case.case, failed, 0, 0, 0.0, False),
    )


def _remove_cases(out: Path, dataset: str, keys: Sequence[str]) -> None:
    """Take finished cases out of the corpus: they become unfinished ones, which are taken back."""
    for key in keys:
        fragment = state.fragment_path(out, dataset, key)
        images = state.read_fragment(fragment)["image"].unique().to_pylist()
        tokens = {path.rpartition("/")[2].partition("--")[0] for path in images if path}
        state.open_path(out, dataset, key).write_text("\n".join(sorted(tokens)))
        fragment.unlink()
    _take_back_leftovers(out, dataset)


def _take_back_leftovers(out: Path, dataset: str) -> None:
    """Remove unfinished cases, those that a killed run left included: first from the tables, then from the disk."""
    folder = state.dataset_folder(out, dataset)
    begun = list(folder.glob("*.open"))
    unfinished: set[tuple[str, str]] = set()
    for path in begun:
        if not path.with_suffix(".arrow").exists():
            unfinished |= {(token, path.stem.split("--", 1)[1]) for token in path.read_text().split()}
    for piece in folder.glob("*.parquet"):
        if not piece.with_suffix(".arrow").exists():
            piece.unlink()
    if begun and (out / CATALOG_FILE).exists():
        finish(out)
    if unfinished:
        for kind in ("images", "masks"):
            for path in (out / kind / dataset).glob("*"):
                token, _, case, *_ = [*path.name.split("--"), "", ""]
                if (token, case) in unfinished:
                    path.unlink()
    for path in (*folder.glob("*.part"), *begun):
        path.unlink()


# ---- fragments to tables ----


def _packed(out: Path, dataset: str) -> Pack:
    """Pack the pieces of a data set; where each of its cases lies is kept beside them."""
    path = state.dataset_folder(out, dataset) / "shards.json"
    packed = {key: Placed(*place) for key, place in state.read_json(path, {}).items()}
    pieces = {key: state.piece_path(out, dataset, key) for key, _ in state.fragments(out, dataset)}
    if not packed and not any(piece.exists() for piece in pieces.values()):
        return {}
    return pack(out, dataset, pieces, packed, lambda pack: state.write_json(path, pack))


def _fragments(out: Path, packs: dict[str, Pack]) -> Iterator[pa.Table]:
    """Yield the rows of each case of the corpus, those of its sequences together, in the catalog's order."""
    for dataset, packed in packs.items():
        for _, group in groupby(state.fragments(out, dataset), key=lambda item: item[0].split("--", 1)[1]):
            tables = []
            for key, path in group:
                table = state.read_fragment(path)
                tables.append(place_rows(table, packed[key]) if key in packed else table)
            yield pa.concat_tables(tables)


def _note_run(out: Path, plan: Plan, options: Options, summary: Summary) -> None:
    path = out / "run.json"
    report = state.read_json(path, {})
    datasets: dict[str, Any] = report.get("datasets", {})
    recipe = plan.recipe
    datasets[recipe.name] = {
        "recipe": recipe.path.name if recipe.path else None,
        "recipe_hash": recipe.hash,
        "title": recipe.title,
        "license": dataclasses.asdict(recipe.license),
        "source": os.fspath(plan.tasks[0].source) if plan.tasks else datasets.get(recipe.name, {}).get("source"),
        "store": options.store,
        "cases": summary.cases,
        "failed": dict(sorted(summary.failed.items())),
        "images": summary.images,
        "masks": summary.masks,
        "resampled_cases": summary.resampled,
        "warnings": summary.warnings,
        "seconds": round(summary.seconds, 3),
        "finished": int(time()),
    }
    state.write_json(path, {"medcorpus": version("medcorpus"), "schema_version": SCHEMA_VERSION, "datasets": datasets})
