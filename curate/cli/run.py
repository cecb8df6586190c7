"""`curate run`: convert data sets into a corpus."""

import dataclasses
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.sizes import parse_size
from catalog.stores.registry import store_names, store_records
from curate.cli.app import DEFAULT_CORPUS, JsonOption, RecipeArguments, app, load_recipes, print_json

if TYPE_CHECKING:
    from curate.recipe.resolved import Recipe
    from curate.run.plan import Options

STORES_HELP = (
    "How pixels are kept. " + "; ".join(f"{record.name}: {record.summary}" for record in store_records()) + "."
)


def _known_store(name: str) -> str:
    if name not in store_names():
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(store_names())}")
    return name


@app.command()
def run(
    recipes: RecipeArguments,
    out: Annotated[Path, typer.Option(help="Corpus folder, created or extended.")] = DEFAULT_CORPUS,
    source: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the unpacked data set.  [default: $MEDCORPUS_SOURCES/RECIPE, else sources/RECIPE]"
        ),
    ] = None,
    store: Annotated[
        str, typer.Option(metavar="|".join(store_names()), callback=_known_store, help=STORES_HELP)
    ] = store_names()[0],
    axes: Annotated[str | None, typer.Option(help="Slice axes in place of the recipe's, such as z or x,y,z.")] = None,
    window: Annotated[
        str | None,
        typer.Option(help="Window in place of the recipe's: abdomen, lung, percentile, minmax, 40/400, ..."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first N cases only.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Take cases that match this glob; repeatable.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out cases that match this glob; repeatable.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes.  [default: one a core]")] = None,
    memory: Annotated[
        str | None,
        typer.Option(help="Memory of all workers together, such as 8G.  [default: 80 % of this machine's]"),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first case that fails.")] = False,
    strict_warnings: Annotated[
        bool, typer.Option("--strict-warnings", help="Exit with status 1 where a case has a warning.")
    ] = False,
    keep_empty: Annotated[bool, typer.Option("--keep-empty", help="Keep images without any mask.")] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Overwrite a case of the same id that came from another source folder."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate the result and the time from a few cases; write nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Convert a data set into a corpus; finished cases are skipped."""
    from curate.discovery.source import source_folder

    _refuse_url(out, "--out")
    if source is not None:
        _refuse_url(source, "--source")
    loaded = load_recipes(recipes)
    sources = [source_folder(recipe, source).absolute() for recipe in loaded]
    options = _options(
        store, axes, window, limit, include, exclude, workers, memory, strict, strict_warnings, keep_empty, replace
    )
    if dry_run:
        _estimate(loaded, sources, out, options, as_json)
        return

    from curate.run.progress import CaseProgress
    from curate.run.run import run as run_recipe
    from curate.run.summary import print_summary

    summaries = []
    for recipe, folder in zip(loaded, sources, strict=True):
        try:
            with CaseProgress() as progress:
                summaries.append(run_recipe(recipe, folder, out, options, progress.begin, progress.add))
        except KeyboardInterrupt:
            print("Interrupted. Run the same command again to resume.", file=sys.stderr)
            raise typer.Exit(1) from None
        if not as_json:
            print_summary(summaries[-1])
    if as_json:
        print_json([dataclasses.asdict(one) for one in summaries])
    if any(one.wrong or (options.strict_warnings and one.case_warnings) for one in summaries):
        raise typer.Exit(1)


def _estimate(recipes: "list[Recipe]", sources: list[Path], out: Path, options: "Options", as_json: bool) -> None:
    from curate.run.estimate import estimate
    from curate.run.plan import find, plan_run
    from curate.run.summary import print_estimate

    estimates = [
        estimate(plan_run(find(recipe, folder, options), folder, out, options))
        for recipe, folder in zip(recipes, sources, strict=True)
    ]
    if as_json:
        print_json([dataclasses.asdict(one) for one in estimates])
        return
    for one in estimates:
        print_estimate(one, options.workers)


def _refuse_url(path: Path, option: str) -> None:
    """Refuse `s3://...`: as a local path it would make a folder called `s3:`."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
        raise typer.BadParameter(f"{str(path)!r} is a URL; only local folders are supported", param_hint=option)


def _options(
    store: str,
    axes: str | None,
    window: str | None,
    limit: int | None,
    include: list[str] | None,
    exclude: list[str] | None,
    workers: int | None,
    memory: str | None,
    strict: bool,
    strict_warnings: bool,
    keep_empty: bool,
    replace: bool,
) -> "Options":
    from curate.imaging.volume import AXES
    from curate.imaging.window import parse_window
    from curate.run.plan import LEAST_MEMORY, WORKER_BYTES, Options

    chosen = tuple(axes.replace(",", "")) if axes else None
    if chosen and (not set(chosen) <= set(AXES) or len(set(chosen)) < len(chosen)):
        raise typer.BadParameter(f"{axes!r} is not made of x, y and z", param_hint="--axes")
    try:
        parsed = parse_window(window) if window else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--window") from error
    limit_bytes = _bytes(memory) if memory else _default_memory()
    if limit_bytes < LEAST_MEMORY:
        raise typer.BadParameter(
            f"{memory} is too little: a worker takes {WORKER_BYTES >> 20} MB and three times the decoded volume; "
            f"give at least {LEAST_MEMORY >> 20}M",
            param_hint="--memory",
        )
    return Options(
        store=store,
        axes=chosen,
        window=parsed,
        limit=limit,
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        workers=workers or _cores(),
        memory=limit_bytes,
        strict=strict,
        strict_warnings=strict_warnings,
        keep_empty=keep_empty,
        replace=replace,
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _bytes(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--memory") from None


def _default_memory() -> int:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        total = 8 << 30
    return int(total * 0.8)
