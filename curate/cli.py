"""The command line of curation: reads the wish, calls the work, prints what came of it.

Exit status: 0 done, 1 done but something failed, 2 asked wrongly. Heavy imports stand inside the commands.
"""

import dataclasses
import json
import os
import re
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalog.errors import MedcorpusError

if TYPE_CHECKING:
    from curate.recipe.resolved import Recipe
    from curate.run.plan import Options

app = typer.Typer(
    help="Raw scans become 8-bit slices and binary masks: one recipe a source, one corpus of all.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class StoreName(str, Enum):  # noqa: UP042 - typer shows the values of a str Enum
    """The stores of --store."""

    png = "png"
    npz = "npz"
    shards = "shards"


RecipeArguments = Annotated[
    list[str],
    typer.Argument(metavar="RECIPE...", help="A recipe's path, or the name of one that comes with medcorpus."),
]
CorpusArgument = Annotated[Path, typer.Argument(metavar="OUT", help="The corpus: the --out of curate run.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@app.command()
def run(
    recipes: RecipeArguments,
    out: Annotated[Path, typer.Option(help="The corpus; made, or added to.")],
    source: Annotated[Path | None, typer.Option(help="The folder the data set was unpacked into.")] = None,
    store: Annotated[StoreName, typer.Option(help="PNG files, one npz a slice, or Parquet shards.")] = StoreName.png,
    axes: Annotated[str | None, typer.Option(help="Slice axes in place of the recipe's, such as z or x,y,z.")] = None,
    window: Annotated[
        str | None,
        typer.Option(help="Window in place of the recipe's: abdomen, lung, percentile, minmax, 40/400, ..."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first N cases only.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Take cases that match this glob; may be repeated.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Leave out cases that match this glob; may be repeated.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes.  [default: one a core]")] = None,
    memory: Annotated[
        str | None,
        typer.Option(help="Memory of all workers together, such as 8G.  [default: 80 % of this machine's]"),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first case that fails.")] = False,
    keep_empty: Annotated[bool, typer.Option("--keep-empty", help="Keep images without any mask.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Let cases of another source folder take a name.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, from a probe of a few cases.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Curate a source into a corpus; what is done already is not done again."""
    from curate.discovery.source import source_folder
    from curate.recipe.library import find_recipe
    from curate.recipe.load import load_recipe

    loaded = _each([find_recipe(name) for name in recipes], load_recipe)
    sources = [source_folder(recipe, source).absolute() for recipe in loaded]
    options = _options(store, axes, window, limit, include, exclude, workers, memory, strict, keep_empty, replace)
    if dry_run:
        from curate.run.estimate import estimate
        from curate.run.plan import plan_run

        estimates = [
            estimate(plan_run(recipe, place, out, options)) for recipe, place in zip(loaded, sources, strict=True)
        ]
        if as_json:
            _print_json([dataclasses.asdict(one) for one in estimates])
        else:
            from curate.run.summary import print_estimate

            for one in estimates:
                print_estimate(one, options.workers)
        return

    from curate.run.progress import CaseProgress
    from curate.run.run import run as run_recipe
    from curate.run.summary import print_summary

    summaries = []
    for recipe, place in zip(loaded, sources, strict=True):
        try:
            with CaseProgress() as progress:
                summaries.append(run_recipe(recipe, place, out, options, progress.begin, progress.add))
        except KeyboardInterrupt:
            print("stopped; the same command goes on from here", file=sys.stderr)
            raise typer.Exit(1) from None
        if not as_json:
            print_summary(summaries[-1])
    if as_json:
        _print_json([dataclasses.asdict(one) for one in summaries])
    if any(one.failed for one in summaries):
        raise typer.Exit(1)


@app.command()
def check(recipes: RecipeArguments) -> None:
    """Check recipes; every error of all of them is told."""
    from curate.recipe.library import find_recipe
    from curate.recipe.load import load_recipe

    for recipe in _each([find_recipe(name) for name in recipes], load_recipe):
        labels = len({label.name for group in recipe.groups for label in group.labels})
        print(f"{recipe.path}: {recipe.name}, {labels} labels, {recipe.hash}")


@app.command()
def recipes(as_json: JsonOption = False) -> None:
    """List the recipes that come with medcorpus."""
    from curate.recipe.library import list_recipes

    entries = list_recipes()
    if as_json:
        _print_json([dataclasses.asdict(entry) for entry in entries])
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, expand=True)
    for column in ("recipe", "modality", "labels"):
        table.add_column(column, no_wrap=True)
    for column, share in (("licence", 1), ("title", 3)):
        table.add_column(column, no_wrap=True, overflow="ellipsis", ratio=share)
    for one in entries:
        table.add_row(one.recipe, ", ".join(one.modalities), str(one.labels), one.license, one.title)
    Console().print(table)


@app.command()
def schema() -> None:
    """Print the recipes' JSON schema, for editors that complete and check YAML by one."""
    from curate.recipe.schema import json_schema

    _print_json(json_schema())


@app.command()
def stats(
    corpus: CorpusArgument,
    by: Annotated[
        list[str] | None, typer.Option(help="Count by this catalog column too, such as sequence; may be repeated.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the figures into this .png, .svg or .html.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the counts as a tidy table.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a corpus holds, by modality, label, data set, anatomy and axis, and what was dropped."""
    from catalog.corpus import Corpus
    from catalog.report.statistics import corpus_statistics

    statistics = corpus_statistics(Corpus.open(corpus), by or ())
    if as_json:
        _print_json(statistics.to_json())
    else:
        from rich.console import Console

        from catalog.report.tables import print_statistics

        print_statistics(statistics, Console())
    if plot is not None:
        from catalog.report.plots import draw_plots

        draw_plots(statistics, plot)
    if csv is not None:
        from catalog.report.tables import write_csv

        write_csv(statistics, csv)


@app.command()
def sheet(
    corpus: CorpusArgument,
    out: Annotated[Path, typer.Option(help="The picture: a .png.")],
    tiles: Annotated[int, typer.Option(min=1, help="Slices to show.")] = 24,
    seed: Annotated[int, typer.Option(help="Another seed shows other slices.")] = 0,
) -> None:
    """Draw a contact sheet: slices with their masks' outlines and names, evenly over sets, modalities and axes."""
    from catalog.corpus import Corpus
    from catalog.report.contact_sheet import draw_sheet

    draw_sheet(Corpus.open(corpus), out, tiles=tiles, seed=seed)
    print(out)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except MedcorpusError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


# ---- what was asked ----


def _each(paths: list[Path], load: Any) -> "list[Recipe]":
    """Load every recipe; the faults of all in one error."""
    from curate.errors import RecipeError

    loaded, faults = [], []
    for path in paths:
        try:
            loaded.append(load(path))
        except RecipeError as error:
            faults.append(str(error))
    if faults:
        raise RecipeError("\n".join(faults))
    return loaded


def _options(
    store: StoreName,
    axes: str | None,
    window: str | None,
    limit: int | None,
    include: list[str] | None,
    exclude: list[str] | None,
    workers: int | None,
    memory: str | None,
    strict: bool,
    keep_empty: bool,
    replace: bool,
) -> "Options":
    from curate.imaging.volume import AXES
    from curate.imaging.window import parse_window
    from curate.run.plan import Options

    chosen = tuple(axes.replace(",", "")) if axes else None
    if chosen and (not set(chosen) <= set(AXES) or len(set(chosen)) < len(chosen)):
        raise typer.BadParameter(f"{axes!r} is not made of x, y and z", param_hint="--axes")
    try:
        parsed = parse_window(window) if window else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--window") from error
    return Options(
        store=store.value,
        axes=chosen,
        window=parsed,
        limit=limit,
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        workers=workers or len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else workers or os.cpu_count() or 1,
        memory=_bytes(memory) if memory else _default_memory(),
        strict=strict,
        keep_empty=keep_empty,
        replace=replace,
    )


def _bytes(text: str) -> int:
    """Return the bytes of `8G`, `500M` or a plain number."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if match is None or not float(match[1]):
        raise typer.BadParameter(f"{text!r} is no size; write 8G or 500M", param_hint="--memory")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def _default_memory() -> int:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        total = 8 << 30
    return int(total * 0.8)


def _print_json(content: Any) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False, default=str))
