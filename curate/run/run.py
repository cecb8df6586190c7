"""A run: the pipeline mapped over what is new or changed, and the corpus's tables made anew."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, time
from typing import Any

from catalog.atomic import read_json, write_json
from catalog.drop_reasons import Reason
from catalog.label_map import FILE as LABELS_FILE
from catalog.schema import SCHEMA_VERSION
from curate.errors import CaseError, SourceError
from curate.executors.processes import Died, Executor, ProcessExecutor, SerialExecutor
from curate.ledger import fragments as state
from curate.ledger import lock as session
from curate.ledger.publish import finish, remove_cases, take_back_unfinished
from curate.ledger.rows import DropRow, build_fragment
from curate.pipeline.curate_case import curate_case
from curate.pipeline.task import Report, Task
from curate.recipe.resolved import Recipe
from curate.run.plan import Options, Plan, plan_run, task_bytes


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
        write_json(out / LABELS_FILE, plan.labels)
        take_back_unfinished(out, recipe.name)
        if plan.stale:
            remove_cases(out, recipe.name, plan.stale)
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
                raise CaseError(Reason(*report.drops), f"{report.case}: {report.error}")
        finish(out)
        summary.seconds = perf_counter() - start
        _note_run(out, plan, options, summary)
        session.end(out)
    return summary


def _execute(plan: Plan, options: Options) -> Iterator[Report]:
    workers = min(options.workers, len(plan.tasks))
    executor: Executor = SerialExecutor() if workers <= 1 else ProcessExecutor(workers, options.memory)
    for result in executor.map(curate_case, plan.tasks, task_bytes):
        yield _buried(result.task) if isinstance(result, Died) else result


def _buried(task: Task) -> Report:
    """Record a case whose worker was killed even alone."""
    take_back_unfinished(task.out, task.case.dataset)
    detail = "the process that worked on it was killed twice; most likely it ran out of memory: give less --workers"
    marker = state.Marker(task.fingerprint, str(task.source), task.case.case, True, 0, 0, 0.0, False)
    _write_drop(task.out, task.case.dataset, task.key, DropRow(Reason.WORKER_DIED, detail=detail), marker)
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
        marker = state.Marker(reason, "", case, False, 0, 0, 0.0, False)
        _write_drop(out, plan.recipe.name, key, DropRow(Reason.EXCLUDED, detail=reason), marker)


def _write_drop(out: Path, dataset: str, key: str, drop: DropRow, marker: state.Marker) -> None:
    """Write the fragment of a case of which only this is to be told."""
    table = build_fragment([], [drop], {}, {}, {}, {"dataset": dataset, "case": marker.case})
    state.write_fragment(state.fragment_path(out, dataset, key), table, marker)


def _note_run(out: Path, plan: Plan, options: Options, summary: Summary) -> None:
    path = out / "run.json"
    report = read_json(path, {})
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
    write_json(path, {"medcorpus": version("medcorpus"), "schema_version": SCHEMA_VERSION, "datasets": datasets})
