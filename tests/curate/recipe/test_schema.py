"""The JSON schema against an independent validator."""

# ruff: noqa: E501 (messages stand as a user sees them)

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from curate.recipe.library import shipped_recipes
from curate.recipe.model import Defaults, Group, Recipe
from curate.recipe.schema import json_schema

SCHEMA = json_schema()
GOOD: dict[str, Any] = {
    "name": "S",
    "license": {"name": "x"},
    "modality": "MR",
    "anatomy": "other",
    "cases": {"image": "{case}", "label": "{case}"},
    "labels": {"a": 1},
}


def test_it_is_a_schema_and_plain_json() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("model", [Defaults, Group, Recipe])
def test_every_key_is_explained(model: type[Defaults]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize("path", shipped_recipes().values(), ids=lambda path: path.stem)
def test_shipped_recipes_keep_to_it(path: Path) -> None:
    Draft202012Validator(SCHEMA).validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"cases": [{"image": "x", "window": {"minmax": "slice"}}, {"image": "y", "channels": {"0": {"sequence": "t1"}}}]},
        {"labels": ["a", "b"]},
        {"labels": {"a": "#ff0000", "b": [[1, 2, 3]], "c": {"value": [1, 2], "anatomy": "thorax"}}},
        {"window": {"level": 1, "width": 2.5}, "anatomy": ["other"], "patient": {"csv": "a", "case": "b", "patient": "c"}},
        {"split": "test", "status": "seen", "doi": "10.5281/zenodo.1", "citation": "x", "overlaps": ["kits19"]},
        {"split": {"field": "case", "map": {"a": "train", "b": None}}},
        {"split": {"csv": "a.csv", "case": "a", "split": "b"}},
        {"split": {"lists": {"val": "val.txt"}}},
    ],
)  # fmt: skip
def test_good(good: dict[str, Any]) -> None:
    Draft202012Validator(SCHEMA).validate({**GOOD, **good})


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "K S"},
        {"name": None},
        {"license": "MIT"},
        {"license": {}},
        {"nmae": "x"},
        {"cases": {"label": "x"}},
        {"cases": []},
        {"cases": {"image": "x", "name": "y"}},
        {"modality": "ct"},
        {"anatomy": []},
        {"encoding": "rle"},
        {"tolerance": 128},
        {"labels": {"left kidney": 1}},
        {"labels": {"a": {"valu": 1}}},
        {"window": {"level": 1}},
        {"window": {"minmax": "x"}},
        {"channels": {"x": {}}},
        {"patient": {"csv": "a"}},
        {"axes": ["q"]},
        {"spacing": [1]},
        {"exclude": {"a": 1}},
        {"expect": {"masks": 1}},
        {"status": "incomplete"},
        {"doi": "https://doi.org/10.5281/zenodo.1"},
        {"split": "training"},
        {"split": {"lists": {"dev": "a.txt"}}},
    ],
)
def test_bad(bad: dict[str, Any]) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid({**GOOD, **bad})


@pytest.mark.parametrize("key", ["name", "license", "cases"])
def test_required(key: str) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid({k: v for k, v in GOOD.items() if k != key})


def test_an_incomplete_recipe_has_a_reason_in_place_of_cases() -> None:
    without = {key: value for key, value in GOOD.items() if key != "cases"}
    validator = Draft202012Validator(SCHEMA)
    assert validator.is_valid({**without, "status": "incomplete", "reason": "labels withheld"})
    assert not validator.is_valid({**without, "status": "seen", "reason": "labels withheld"})
