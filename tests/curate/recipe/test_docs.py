"""docs/recipes.md is true: its examples load, its table has every key, its errors are what one gets."""

import re
from pathlib import Path

import pytest

from curate.errors import RecipeError
from curate.labels.registry import ENCODINGS
from curate.recipe.load import parse_recipe
from curate.recipe.model import Defaults, Group, Recipe, keys_of

TEXT = (Path(__file__).parents[3] / "docs/recipes.md").read_text(encoding="utf-8")
EXAMPLE, *ENCODED = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
HEAD = "name: S\nlicense: {name: x}\nmodality: MR\nanatomy: other\n"
PAIR = 'cases: {image: "i/{case}.png", label: "m/{case}.png"}\n'


def test_the_worked_example_loads() -> None:
    recipe = parse_recipe(EXAMPLE, Path("my_kits.yaml"))
    assert [label.values for label in recipe.groups[0].labels] == [(1, 2, 3), (2,), (3,)]


def test_every_encoding_has_an_example_that_loads() -> None:
    found = [parse_recipe(HEAD + ("" if "cases:" in text else PAIR) + text, Path("s.yaml")) for text in ENCODED]
    assert [recipe.groups[0].encoding for recipe in found] == list(ENCODINGS)


def test_the_table_has_every_key_with_its_place() -> None:
    rows = re.findall(r"^\| (`[^|]*?) \|", TEXT.partition("## Keys")[2].partition("## Encodings")[0], re.MULTILINE)
    documented = {key: row.endswith("(g)") for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert documented.keys() == set(keys_of(Recipe)) | set(keys_of(Group))
    assert {key for key, everywhere in documented.items() if everywhere} == Defaults.model_fields.keys()


def test_the_errors_are_those_one_gets() -> None:
    text = EXAMPLE.replace("modality: CT", "modality: ct").replace("label: dataset/{case}", "label: dataset/{cse}")
    text = re.sub(r"  kidney: \[.*", "  1: kidney", text)
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, Path("my_kits.yaml"))
    message = re.sub(r"X-ray, .*;", "X-ray, ...;", str(caught.value))
    assert "\n".join(f"    {line}" for line in message.split("\n")) in TEXT
