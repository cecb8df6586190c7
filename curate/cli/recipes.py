"""Commands about recipes: check, recipes, schema."""

import dataclasses

from curate.cli.app import JsonOption, RecipeArguments, app, load_recipes, print_json


@app.command()
def check(recipes: RecipeArguments) -> None:
    """Validate recipes and report every error."""
    for recipe in load_recipes(recipes):
        labels = len({label.name for group in recipe.groups for label in group.labels})
        print(f"{recipe.path}: {recipe.name}, {labels} labels, {recipe.hash}")


@app.command("recipes")
def list_all(as_json: JsonOption = False) -> None:
    """List the recipes that ship with medcorpus."""
    from curate.recipe.library import list_recipes

    entries = list_recipes()
    if as_json:
        print_json([dataclasses.asdict(entry) for entry in entries])
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, expand=True)
    for column in ("recipe", "modality", "labels", "licence"):
        table.add_column(column, no_wrap=column != "licence", overflow="fold")
    table.add_column("title", no_wrap=True, overflow="ellipsis", ratio=1)
    for one in entries:
        table.add_row(one.recipe, ", ".join(one.modalities), str(one.labels), one.license, one.title)
    Console().print(table)


@app.command()
def schema() -> None:
    """Print the JSON schema of recipes, for editors that complete and check YAML."""
    from curate.recipe.schema import json_schema

    print_json(json_schema())
