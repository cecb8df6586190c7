"""Official splits: a word, a folder, a table, lists, and what is missing from them."""

from pathlib import Path

import pytest

from curate.discovery.cases import find_cases
from curate.errors import SourceError
from curate.recipe.load import parse_recipe

HEAD = """\
name: Set
license: {name: CC0-1.0}
modality: MR
anatomy: other
"""


def find(source: Path, text: str, files: dict[str, str]) -> tuple[dict[str, str | None], tuple[str, ...]]:
    """Return the split of each image, and the warnings."""
    for name, content in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content.encode())
    found = find_cases(parse_recipe(HEAD + text, Path("set.yaml")), source)
    return {case.image.name: case.split for case in found.cases}, found.warnings


def test_a_word_is_that_of_its_group(tmp_path: Path) -> None:
    text = "cases:\n  - {image: 'a/{case}.png', split: test}\n  - {image: 'b/{case}.png'}\nsplit: train\n"
    splits, _ = find(tmp_path, text, {"a/1.png": "", "b/2.png": ""})
    assert splits == {"a/1.png": "test", "b/2.png": "train"}


def test_without_a_rule_there_is_none(tmp_path: Path) -> None:
    assert find(tmp_path, "cases: {image: '{case}.png'}\n", {"1.png": ""}) == ({"1.png": None}, ())


def test_by_a_folder(tmp_path: Path) -> None:
    text = (
        "cases: {image: '{part}/{case}.png'}\nsplit: {field: part, map: {training: train, Test B: test, extra: null}}\n"
    )
    files = dict.fromkeys(["training/1.png", "Test B/2.png", "extra/3.png", "test/4.png", "test/5.png"], "")
    splits, warnings = find(tmp_path, text, files)
    assert splits == {
        "training/1.png": "train",
        "Test B/2.png": "test",
        "extra/3.png": None,
        "test/4.png": None,
        "test/5.png": None,
    }
    assert warnings == ("'test' of {part} is no split that the recipe knows: 2 cases have none",)


def test_a_field_may_hold_the_words_themselves(tmp_path: Path) -> None:
    text = "cases: {image: '{part}/{case}.png'}\nsplit: {field: part}\n"
    splits, _ = find(tmp_path, text, {"val/1.png": "", "test/2.png": ""})
    assert splits == {"val/1.png": "val", "test/2.png": "test"}


TABLE = (
    "cases: {image: '{patient}/{case}.png'}\nsplit: {csv: meta.csv, case: ID, split: part, map: {dev: val, t: test}}\n"
)


def test_by_a_table_of_cases_or_patients(tmp_path: Path) -> None:
    files = dict.fromkeys(["p1/a.png", "p1/b.png", "p2/c.png", "p2/d.png", "p3/e.png"], "")
    files["meta.csv"] = "\ufeffID;age;part\r\np1;3;dev\r\nc;;t\r\nd;;other\r\n"
    splits, warnings = find(tmp_path, TABLE, files)
    assert splits == {
        "p1/a.png": "val",
        "p1/b.png": "val",
        "p2/c.png": "test",
        "p2/d.png": None,
        "p3/e.png": None,
    }
    assert warnings == (
        "'other' of meta.csv is no split that the recipe knows: 1 cases have none",
        "meta.csv has no split for e",
    )


def test_a_missing_table_is_a_warning(tmp_path: Path) -> None:
    splits, warnings = find(tmp_path, TABLE, {"p/a.png": ""})
    assert splits == {"p/a.png": None}
    assert warnings == ("meta.csv is not here: its cases have no official split",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ID,fold\n", "the split table .*meta.csv has no column part; it has: ID, fold"),
        ("ID,part\na,dev\na,t\n", "meta.csv:3: case 'a' has two splits: 'dev', 't'"),
    ],
)
def test_a_bad_table(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        find(tmp_path, TABLE, {"p/a.png": "", "meta.csv": content})


LISTS = "cases: {image: 'images/{case}.nii.gz'}\nsplit: {lists: {train: split/train.txt, test: split/test.txt}}\n"


def test_by_lists_of_ids_names_or_paths(tmp_path: Path) -> None:
    files = dict.fromkeys([f"images/{name}.nii.gz" for name in ("a b", "c", "d", "e")], "")
    files |= {"split/train.txt": "a b\r\n\r\nc.nii.gz\r\n", "split/test.txt": "images/d.nii.gz\n"}
    splits, warnings = find(tmp_path, LISTS, files)
    assert splits == {
        "images/a b.nii.gz": "train",
        "images/c.nii.gz": "train",
        "images/d.nii.gz": "test",
        "images/e.nii.gz": None,
    }
    assert warnings == ("split/train.txt, split/test.txt has no split for e",)


def test_a_missing_list_is_a_warning(tmp_path: Path) -> None:
    files = {"images/a.nii.gz": "", "images/b.nii.gz": "", "split/test.txt": "a\n"}
    splits, warnings = find(tmp_path, LISTS, files)
    assert splits == {"images/a.nii.gz": "test", "images/b.nii.gz": None}
    assert "split/train.txt is not here: its cases have no official split" in warnings


def test_a_case_in_two_lists_is_an_error(tmp_path: Path) -> None:
    files = {"images/a.nii.gz": "", "split/train.txt": "a\n", "split/test.txt": "a\n"}
    with pytest.raises(SourceError, match="name 'a' in both train and test"):
        find(tmp_path, LISTS, files)
