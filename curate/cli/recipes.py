"""Commands about recipes: check, recipes, schema."""

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.app import JsonOption, RecipeArguments, app, load_recipes, print_json

if TYPE_CHECKING:
    from curate.recipe.library import RecipeInfo

_WITH_TITLES = 110
"""From this many columns on the list has a column of titles."""

_STATUSES = ("seen", "recalled", "incomplete")


@app.command()
def check(recipes: RecipeArguments) -> None:
    """Validate recipes and report every error."""
    for recipe in load_recipes(recipes):
        labels = len({label.name for group in recipe.groups for label in group.labels})
        print(f"{recipe.path}: {recipe.name}, {labels} labels, {recipe.hash}")


@app.command("recipes")
def list_all(
    modality: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only with this modality, such as CT; repeatable.")
    ] = None,
    anatomy: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only with this anatomy, such as abdomen; repeatable.")
    ] = None,
    license: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Only with a licence that holds this text, such as CC-BY-4.0; repeatable."),
    ] = None,
    status: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only seen, recalled or incomplete; repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the recipes that ship with medcorpus; several filters apply together."""
    from catalog.names import ANATOMIES, MODALITY_TOKENS
    from curate.recipe.library import list_recipes

    modalities = _known(modality, MODALITY_TOKENS, "--modality")
    anatomies = _known(anatomy, ANATOMIES, "--anatomy")
    statuses = _known(status, _STATUSES, "--status")
    licenses = [text.casefold() for text in license or ()]
    entries = [
        one
        for one in list_recipes()
        if (not modalities or modalities & set(one.modalities))
        and (not anatomies or anatomies & set(one.anatomies))
        and (not statuses or one.status in statuses)
        and (not licenses or any(text in one.license.casefold() for text in licenses))
    ]
    if as_json:
        print_json([dataclasses.asdict(entry) for entry in entries])
    else:
        _print_table(entries)


def _known(given: list[str] | None, allowed: Iterable[str], option: str) -> set[str]:
    """Return the words of an option as they are spelled, whatever their case; raises BadParameter for others."""
    from curate.recipe.faults import unknown

    spelled = {word.casefold(): word for word in allowed}
    for word in given or ():
        if word.casefold() not in spelled:
            raise typer.BadParameter(unknown(word, spelled.values()), param_hint=option)
    return {spelled[word.casefold()] for word in given or ()}


def _print_table(entries: "list[RecipeInfo]") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    titles = console.width >= _WITH_TITLES
    table = Table(box=None, pad_edge=False, expand=titles)
    table.add_column("recipe", no_wrap=True)
    table.add_column("modality", overflow="fold", max_width=14)
    table.add_column("labels", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("licence", overflow="fold", max_width=40 if titles else None)
    if titles:
        table.add_column("title", no_wrap=True, overflow="ellipsis", ratio=1)
    for one in entries:
        cells = [one.recipe, ", ".join(one.modalities), str(one.labels or ""), one.status or "", one.license]
        table.add_row(*cells, *([one.title or ""] if titles else []))
    console.print(table)


@app.command()
def schema() -> None:
    """Print the JSON schema of recipes, for editors that complete and check YAML."""
    from curate.recipe.schema import json_schema

    print_json(json_schema())
