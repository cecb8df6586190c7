"""`curate run`: convert data sets into a corpus."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.stores.registry import store_names, store_records
from curate.cli.app import DEFAULT_CORPUS, JsonOption, RecipeArguments, app, load_recipes, print_json

if TYPE_CHECKING:
    from curate.recipe.resolved import Recipe
    from curate.run.plan import Options

STORES_HELP = (
    "Storage of the pixels. " + "; ".join(f"{record.name}: {record.summary}" for record in store_records()) + "."
)


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
    store: Annotated[str, typer.Option(metavar="|".join(store_names()), help=STORES_HELP)] = store_names()[0],
    axes: Annotated[str | None, typer.Option(help="Override the recipe's slice axes, such as z or x,y,z.")] = None,
    window: Annotated[
        str | None,
        typer.Option(help="Override the recipe's window: abdomen, lung, percentile, minmax, 40/400, ..."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Convert only the first N cases.")] = None,
    include: Annotated[
        list[str] | None, typer.Option(help="Convert only cases that match this glob; repeatable.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Skip cases that match this glob; repeatable.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes.  [default: one per core]")] = None,
    memory: Annotated[
        str | None,
        typer.Option(help="Memory for all workers together, such as 8G.  [default: 80 % of the machine's]"),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first case that fails.")] = False,
    strict_warnings: Annotated[
        bool, typer.Option("--strict-warnings", help="Exit with status 1 if a case has a warning.")
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
    loaded = load_recipes(recipes)
    from curate.discovery.source import source_folder
    from curate.errors import OptionError
    from curate.run.options import local_path, run_options

    try:
        out = local_path("out", out)
        source = None if source is None else local_path("source", source)
        options = run_options(
            store=store,
            axes=axes,
            window=window,
            limit=limit,
            include=include or (),
            exclude=exclude or (),
            workers=workers,
            memory=memory,
            strict=strict,
            strict_warnings=strict_warnings,
            keep_empty=keep_empty,
            replace=replace,
        )
    except OptionError as error:
        raise typer.BadParameter(error.detail, param_hint=f"--{error.option}") from None
    sources = [source_folder(recipe, source).absolute() for recipe in loaded]
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
