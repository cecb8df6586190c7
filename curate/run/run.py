"""A run: the pipeline mapped over what is new or changed, and the corpus's tables written."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

from catalog.atomic import output_error, write_json
from catalog.drop_reasons import Reason
from catalog.label_map import FILE as LABELS_FILE
from catalog.report.card import write_card
from curate.errors import CaseError, SourceError
from curate.executors.base import Executor, WorkerDied
from curate.executors.choose import choose_executor
from curate.ledger.case_key import EXCLUDED, CaseKey
from curate.ledger.case_result import CaseResult
from curate.ledger.durability import new_session
from curate.ledger.fragments import dataset_folder, fragment_path, fragments, write_fragment
from curate.ledger.lock import exclusive
from curate.ledger.publish import publish, remove_cases, remove_unfinished
from curate.ledger.rows import DropRow, build_fragment
from curate.pipeline.curate_case import curate_case, new_result
from curate.pipeline.task import Task
from curate.recipe.resolved import Recipe
from curate.run.plan import Options, Plan, decoded_bytes, find, plan_run, task_bytes
from curate.run.run_file import write_run_file
from curate.run.summary import RunSummary, begin_summary
from curate.run.warnings import write_warnings


def run(
    recipe: Recipe,
    source: Path,
    out: Path,
    options: Options,
    begun: Callable[[Plan], None] = lambda plan: None,
    progress: Callable[[CaseResult], None] = lambda result: None,
    executor: Executor | None = None,
) -> RunSummary:
    """Curate what is new or changed of a recipe's source into the corpus at `out`.

    `begun` receives the plan, `progress` each case as it ends. `executor` maps the pipeline over the cases; the default
    is worker processes on this machine. Raises RecipeError, SourceError or RunError where the run cannot start,
    OutputError where it cannot go on, and CaseError at the first failure with `options.strict`.
    """
    if not source.is_dir():
        raise SourceError(f"source folder not found: {source}. Pass the unpacked data set with --source")
    out = out.absolute()  # Arrow takes a relative path with a colon for a URI
    try:
        return _run(recipe, source, out, options, begun, progress, executor)
    except OSError as error:
        raise output_error(out, error) from error


def _run(
    recipe: Recipe,
    source: Path,
    out: Path,
    options: Options,
    begun: Callable[[Plan], None],
    progress: Callable[[CaseResult], None],
    executor: Executor | None,
) -> RunSummary:
    start = perf_counter()
    found = find(recipe, source, options)
    with exclusive(out):
        session = new_session(out)
        # The corpus is compared under the lock, since another run could change it after the plan was made.
        plan = plan_run(found, source, out, options, session.run, session.lost)
        session.open()
        begun(plan)
        write_json(out / LABELS_FILE, dict(sorted(plan.labels.items())))
        remove_unfinished(out, recipe.name)
        if plan.stale:
            remove_cases(out, recipe.name, plan.stale)
        _write_excluded(plan, out)
        summary = begin_summary(plan, Reason.EXCLUDED.value)
        seen = {label for result in plan.done for label in result.labels}
        for result in _execute(plan, options, executor):
            summary.add(result)
            seen.update(result.labels)
            progress(result)
            if options.strict and result.error is not None:
                raise CaseError(Reason(*result.drops), f"{result.case}: {result.error}")
        summary.labels_never_found = _never_found(plan, seen)
        summary.warnings += publish(out)
        write_warnings(out)
        summary.seconds = perf_counter() - start
        write_run_file(out, plan, options, summary)
        write_card(out)
        session.end()
    return summary


def _execute(plan: Plan, options: Options, executor: Executor | None) -> Iterator[CaseResult]:
    executor = executor or choose_executor(plan.tasks, decoded_bytes, options.workers, options.memory)
    for result in executor.map(curate_case, plan.tasks, task_bytes):
        yield _record_worker_death(result) if isinstance(result, WorkerDied) else result


def _record_worker_death(died: WorkerDied[Task]) -> CaseResult:
    """Record a case whose worker died even when run alone."""
    task = died.task
    remove_unfinished(task.out, task.case.dataset)
    cause = died.cause or "it was killed, most likely for lack of memory: use fewer --workers"
    detail = f"the process that worked on this case died twice: {cause}"
    reasons = {Reason.WORKER_DIED.value: 1}
    result = dataclasses.replace(new_result(task), drops=reasons, error=detail)
    _write_drop(task.out, result, DropRow(Reason.WORKER_DIED, detail=detail))
    return result


def _never_found(plan: Plan, seen: set[str]) -> list[str]:
    """Return the labels of the recipe of which no case has a single component; unions are left out."""
    labels = dict.fromkeys(label.name for group in plan.recipe.groups for label in group.labels)
    return [name for name in labels if name not in seen]


def _write_excluded(plan: Plan, out: Path) -> None:
    """Record the cases that the recipe excludes, with its reasons, and drop the records of those it no longer does."""
    dataset = plan.recipe.name
    dataset_folder(out, dataset).mkdir(parents=True, exist_ok=True)
    wanted = {CaseKey(EXCLUDED, case): reason for case, reason in plan.found.excluded}
    for key, path in list(fragments(out, dataset)):
        if key.token == EXCLUDED and key not in wanted:
            path.unlink()
    for key, reason in wanted.items():
        _write_drop(out, CaseResult(key, dataset), DropRow(Reason.EXCLUDED, detail=reason))


def _write_drop(out: Path, result: CaseResult, drop: DropRow) -> None:
    """Write the fragment of a case of which there is only this to say."""
    table = build_fragment([], [drop], {}, {}, {}, {"dataset": result.dataset, "case": result.case})
    write_fragment(fragment_path(out, result.dataset, result.key), table, result)
