"""The application that the command modules add to, and the options they share."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from curate.recipe.resolved import Recipe

DEFAULT_CORPUS = Path("corpus")

app = typer.Typer(
    help="Convert medical segmentation data sets into one training corpus of 8-bit slices and binary masks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RecipeArguments = Annotated[
    list[str],
    typer.Argument(metavar="RECIPE...", help="Path of a recipe, or name of one that ships with medcorpus."),
]
CorpusArgument = Annotated[Path, typer.Argument(metavar="OUT", help="Corpus folder: the --out of curate run.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"medcorpus {version('medcorpus')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Convert medical segmentation data sets into one training corpus of 8-bit slices and binary masks."""


def load_recipes(names: list[str]) -> "list[Recipe]":
    """Return the recipes of names or paths; raises RecipeError with the faults of all recipes."""
    from curate.errors import RecipeError
    from curate.recipe.library import find_recipe
    from curate.recipe.load import load_recipe

    loaded, errors = [], []
    for path in [find_recipe(name) for name in names]:
        try:
            loaded.append(load_recipe(path))
        except RecipeError as error:
            errors.append(error)
    if errors:
        raise RecipeError("\n".join(map(str, errors)), tuple(fault for error in errors for fault in error.faults))
    return loaded


def print_json(content: Any) -> None:
    """Print indented JSON."""
    print(json.dumps(content, indent=2, ensure_ascii=False, default=str))
