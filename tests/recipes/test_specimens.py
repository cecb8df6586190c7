"""Every recipe finds exactly what the specimen of its data set states, and curates it; see builder.py."""

import csv
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from curate.discovery.cases import Case, find_cases
from curate.recipe.load import load_recipe
from curate.recipe.resolved import Label, Recipe
from curate.run.plan import Options
from curate.run.run import run
from tests.recipes.builder import SPECIMENS, Specimen, StatedCase, is_volume, load_specimen, voxels

RECIPES = Path(__file__).parents[2] / "recipes"
FILES = sorted(SPECIMENS.glob("*.yaml"))
LOSSY = (".jpg", ".jpeg")
OPTIONS = Options(workers=1, memory=4 << 30)

each = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def _recipe(path: Path) -> Recipe:
    return load_recipe(RECIPES / path.name)


def _labels(recipe: Recipe) -> dict[str, Label]:
    return {label.name: label for group in recipe.groups for label in group.labels}


@each
def test_a_specimen_says_where_its_facts_are_from(path: Path) -> None:
    specimen = load_specimen(path)
    assert specimen.facts
    assert all(len(fact) > 10 for fact in specimen.facts)
    named = {name for case in specimen.cases for name in (case.image, *(label for _, label in case.labels))}
    folders = {case.image.rpartition("/")[0] for case in specimen.cases}
    beside = any(label.rpartition("/")[0] in folders for case in specimen.cases for _, label in case.labels)
    assert len(specimen.cases) > 1
    assert beside or specimen.files.keys() - named, "a specimen has traps: files, or masks in the images' folder"


@each
def test_labels_are_the_published_ones_in_their_order(path: Path) -> None:
    specimen, labels = load_specimen(path), _labels(_recipe(path))
    assert list(labels) == list(specimen.labels)
    for name, values in specimen.labels.items():
        if labels[name].values:
            assert [_written(value) for value in labels[name].values] == list(values), name


def _written(value: Any) -> Any:
    """Return a value as a specimen writes it: colours as #rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*value) if isinstance(value, tuple) else value


@each
def test_exactly_the_stated_cases_are_found(path: Path, tmp_path: Path) -> None:
    specimen, recipe = load_specimen(path), _recipe(path)
    found = find_cases(recipe, specimen.build(tmp_path))
    stated = {(specimen.inside(case.image), case.sequence): case for case in specimen.cases}
    by_image = {key: case for case in found.cases for key in _keys(case, recipe)}
    assert sorted(by_image, key=str) == sorted(stated, key=str)
    for key, case in by_image.items():
        wanted = stated[key]
        assert {label.name for _, label in case.labels} == {specimen.inside(label) for _, label in wanted.labels}, key
        assert case.split == wanted.split, key
        if wanted.patient is not None:
            assert case.patient == wanted.patient, key
        if wanted.modality is not None:
            assert wanted.modality in {channel.modality for channel in found.recipe.groups[case.group].channels}, key
    assert not any("no split" in warning or "in place of" in warning for warning in found.warnings)


def _keys(case: Case, recipe: Recipe) -> list[tuple[str, str | None]]:
    """Return (image, sequence) of each channel of a case."""
    return [(case.image.name, channel.sequence) for channel in recipe.groups[case.group].channels]


@each
def test_curated_masks_are_the_stated_labels(path: Path, tmp_path: Path) -> None:
    specimen, recipe = load_specimen(path), _recipe(path)
    source = specimen.build(tmp_path / "source")
    failed = run(recipe, source, tmp_path / "out", OPTIONS).failed
    unlabelled = {specimen.inside(case.image) for case in specimen.cases if not case.labels}
    assert failed.keys() == {case.case for case in find_cases(recipe, source).cases if case.image.name in unlabelled}
    assert all("no label file" in reason for reason in failed.values())
    found: dict[tuple[str, str | None], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    sources: dict[tuple[str, str], list[str]] = {}
    splits: dict[str, str | None] = {}
    for row in pq.read_table(tmp_path / "out/catalog.parquet").to_pylist():
        splits[row["source_image"]] = row["split"]
        sources[row["source_image"], row["label"]] = row["source_label"].split(", ")
        areas = found[row["source_image"], row["sequence"]]
        areas[row["label"]] += row["area"] if row["axis"] in (None, "z") else 0
    for case in specimen.cases:
        image = specimen.inside(case.image)
        areas = found.pop((image, case.sequence), {})
        assert areas.keys() == case.names, image
        assert not case.names or splits[image] == case.split, image
        for name, label in case.labels:
            assert name not in case.names or specimen.inside(label) in sources[image, str(name)]
        for name, area in _areas(specimen, case, recipe).items():
            assert areas[name] == area, (image, name)
    assert not found


def _areas(specimen: Specimen, case: StatedCase, recipe: Recipe) -> dict[str, int]:
    """Return the voxels of each label, where the label files are lossless and on the image's grid."""
    image = specimen.files[case.image]
    files = [(name, specimen.files[label]) for name, label in case.labels]
    dims = 3 if is_volume(image.path) else 2
    if any(file.path.lower().endswith(LOSSY) or file.shape != image.shape[:dims] for _, file in files):
        return {}
    if any(file.spacing != image.spacing for _, file in files):
        return {}
    encoding = recipe.groups[0].encoding
    if files and len({name for name, _ in files} - {None}) == len(files):  # one file a label
        return {
            str(name): int((voxels(file) == 0 if encoding == "inverted" else voxels(file) > 0).sum())
            for name, file in files
            if name in case.names
        }
    if len(files) != 1 or encoding not in ("ids", "grey"):
        return {}
    held = voxels(files[0][1])
    return {name: sum(int((held == value).sum()) for value in specimen.labels[name]) for name in case.names}


WITH_DATA = [path for path in FILES if re.search("^shared:", path.read_text(encoding="utf-8"), re.MULTILINE)]


@pytest.mark.parametrize("path", WITH_DATA, ids=lambda path: path.stem)
def test_the_real_data_is_found_whole(path: Path, shared_data: Path) -> None:
    specimen = load_specimen(path)
    found = find_cases(_recipe(path), shared_data / specimen.shared["folder"])
    assert len(found.cases) == specimen.shared["cases"]
    assert all(case.labels for case in found.cases)


def _facts(shared_data: Path) -> dict[str, dict[str, str]]:
    with (shared_data.parent / "datasets/datasets.tsv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}


@each
def test_ids_are_those_of_the_table_of_facts(path: Path, shared_data: Path) -> None:
    """Each `id=name` of datasets.tsv is a value of a label that shares a word and the side with it.

    The specimen says why where it is not. Encodings with one label have no ids; there the names are compared.
    """
    specimen, labels = load_specimen(path), _labels(_recipe(path)).values()
    strange = set()
    for key, name in re.findall(r"(?:^|[;:. ])\s*([\w#.]+)=([a-z0-9_]+)", _facts(shared_data)[path.stem]["labels"]):
        if name == "background":
            continue
        fitting = [one for one in labels if not one.values or key.casefold() in {*map(str.casefold, _texts(one))}]
        if not any(_words(name) & _words(one.name) and _sides(name) <= _sides(one.name) for one in fitting):
            strange.add(key)
    assert strange == specimen.differs.keys()


def _texts(label: Label) -> list[str]:
    return [str(_written(value)) for value in label.values]


SYNONYMS = {
    "tumor": "tumour",
    "cancer": "tumour",
    "postcava": "cava",
    "hemorrhage": "haemorrhage",
    "edema": "oedema",
    "lv": "ventricle",
    "rv": "ventricle",
}


def _words(name: str) -> set[str]:
    words = {
        SYNONYMS.get(word, word).rstrip("s")
        for word in re.split(r"[_\W]+", name.casefold().replace("brain_stem", "brainstem"))
    }
    return words - {"left", "right", "of"}


def _sides(name: str) -> set[str]:
    sides = {"lv": "left", "la": "left", "rv": "right", "ra": "right"}
    return {"left", "right"} & {sides.get(word, word) for word in name.casefold().split("_")}


LISTS = {
    "ctspine1k": "ctspine1k",
    "totalsegmentator_v1": "totalsegmentator_v1",
    "totalsegmentator_v2": "totalsegmentator_v2",
    "verse19": "verse",
    "verse20": "verse",
}
"""Recipe to its list of labels in ../shared/datasets/labels."""

RESERVED = {"verse19": {26, 27, 28}, "verse20": {26, 27}}
"""Ids of a list that the set does not use: sacrum, coccyx, and T13 before 2020."""


@pytest.mark.parametrize("stem", LISTS)
def test_labels_are_those_of_the_published_lists(stem: str, shared_data: Path) -> None:
    with (shared_data.parent / "datasets/labels" / f"{LISTS[stem]}.tsv").open(encoding="utf-8", newline="") as file:
        listed = {int(row["id"]): row["name"] for row in csv.DictReader(file, delimiter="\t")}
    labels = _labels(load_recipe(RECIPES / f"{stem}.yaml")).values()
    by_word = all(isinstance(label.values[0], str) for label in labels)
    found = {label.id if by_word else label.values[0]: label.name.removeprefix("vertebra_") for label in labels}
    assert found == {key: name for key, name in listed.items() if key not in RESERVED.get(stem, ())}
