"""Good recipes, wrong ones with line, key and code of their faults, and what changes the hash."""

# ruff: noqa: E501 (one recipe a line)

import copy
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.imaging.window import DEFAULTS, MINMAX, MINMAX_SLICE, NONE, PERCENTILE, Window
from curate.recipe.faults import Code
from curate.recipe.load import load_recipe, parse_recipe
from curate.recipe.model import Defaults
from curate.recipe.resolved import Channel, Label, License, PatientTable, Recipe, SplitField, SplitLists, SplitTable
from tests.curate.recipe.bad_recipes import (
    BAD_DOCUMENTS,
    BAD_RECIPES,
    HEAD,
    MANY_FAULTS,
    PAIR,
    TOLERANCES,
    BadRecipe,
    tolerance_recipe,
)

FILE = Path("r.yaml")


def faults(text: str) -> list[tuple[int | None, str, Code]]:
    """Line, key and code of each fault of a recipe."""
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, FILE)
    assert caught.value.code == "recipe"
    assert str(caught.value).count("r.yaml:") == len(caught.value.faults)
    return [(fault.line, fault.key, fault.code) for fault in caught.value.faults]


def recipe(rest: str) -> Recipe:
    return parse_recipe(HEAD + rest, FILE)


# what a good recipe becomes


def test_the_smallest_recipe() -> None:
    found = recipe(PAIR + "labels: {liver: 1}\n")
    (group,) = found.groups
    assert found.license == License("CC0-1.0", None, None)
    assert (found.title, found.homepage, found.source, found.notes, found.path) == (
        None,
        None,
        None,
        None,
        FILE,
    )
    assert (found.exclude, found.expect) == ({}, {})
    assert group.labels == (Label("liver", 1, (1,), "abdomen"),)
    assert group.channels == (Channel(None, "MR", None, PERCENTILE),)
    assert (group.image, group.label, group.case, group.patient) == (
        "i/{case}.png",
        "m/{case}.png",
        None,
        None,
    )
    assert (group.encoding, group.threshold, group.tolerance, group.ignore) == ("ids", None, 0, ())
    assert (group.axes, group.stack, group.orient, group.geometry) == (
        ("x", "y", "z"),
        "volume",
        "radiological",
        "header",
    )
    assert (group.isotropic, group.aspect, group.union) == (False, None, False)
    assert (group.min_area, group.subsample, group.spacing) == (100.0, 1, None)


def test_everything_at_once() -> None:
    found = parse_recipe(
        """\
name: Every-Thing_1
title: "T: é"
homepage: https://example.org/x
license: {name: own words, redistributable: false, commercial: null}
source: package:nilearn/datasets/data
modality: CT
anatomy: thorax
window: {level: -600, width: 1500}
encoding: grey
tolerance: 3
ignore: [7]
axes: [z, x]
aspect: true
spacing: [2, 0.5, 0.5]
patient: {csv: t/p.csv, case: id, patient: who}
cases:
  - image: "a/{site}/{case}.nii"
    label: "b/{site}/{case}.nii"
    case: "{site}_{case}"
    labels: {lung: [20, 30], nodule: {value: 40, anatomy: lesion}}
  - image: "**/{n:[0-9]+}.tif"
    label: "m/{n}_{instance:[a-z]+}.tif"
    modality: Microscopy
    encoding: instance_files
    tolerance: 0
    ignore: []
    window: null
    stack: frames
    axes: [z]
    patient: "{n}"
    labels: {nucleus: {anatomy: other}}
    threshold: 5
    min_area: 0
    subsample: 10
exclude: {c1: blurred}
expect: {cases: 3, images: 4}
""",
        FILE,
    )
    first, second = found.groups
    assert found.source == "package:nilearn/datasets/data"
    assert first.channels == (Channel(None, "CT", None, Window("fixed", -1350.0, 150.0)),)
    assert first.labels == (Label("lung", 1, (20, 30), "thorax"), Label("nodule", 2, (40,), "lesion"))
    assert first.patient == PatientTable("t/p.csv", "id", "who")
    assert (first.axes, first.spacing, first.aspect) == (("x", "z"), (2.0, 0.5, 0.5), True)
    assert (first.tolerance, first.ignore) == (3, (7,))
    assert second.channels == (Channel(None, "Microscopy", None, NONE),)
    assert second.labels == (Label("nucleus", 1, (), "other"),)
    assert (second.axes, second.stack, second.patient, second.threshold) == (("z",), "frames", "{n}", 5.0)
    assert (second.min_area, second.subsample, second.ignore) == (0.0, 10, ())
    assert found.expect == {"cases": 3, "images": 4}
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(
    ("encoding", "threshold"),
    [
        ("threshold", 128.0),
        ("inverted", 128.0),
        ("outline", 128.0),
        ("instances", None),
        ("instance_files", None),
    ],
)
def test_one_label(encoding: str, threshold: float | None) -> None:
    label = "m/{case}/*.png" if encoding == "instance_files" else "m/{case}.png"
    group = recipe(
        f'cases: {{image: "{{case}}.png", label: "{label}"}}\nencoding: {encoding}\nlabels: [cell]\n'
    ).groups[0]
    assert group.labels == (Label("cell", 1, (), "abdomen"),)
    assert group.threshold == threshold


def test_files_take_names_or_words() -> None:
    head = 'cases: {image: "{case}.png", label: "{label}/{case}.png"}\nencoding: files\n'
    assert recipe(head + "labels: [spleen, liver]").groups[0].labels[1] == Label("liver", 2, ("liver",), "abdomen")
    group = recipe(head + "labels: {kidney: [kidney left, r], no: on}").groups[0]
    assert [label.values for label in group.labels] == [("kidney left", "r"), ("on",)]
    assert group.threshold is None


def test_colors() -> None:
    labels = 'labels: {a: "#ff8000", b: [1, 2, 3], c: ["#000000", [4, 5, 6]]}\nignore: ["#FFFFFF"]\n'
    group = recipe(PAIR + "encoding: rgb\n" + labels).groups[0]
    assert [label.values for label in group.labels] == [
        ((255, 128, 0),),
        ((1, 2, 3),),
        ((0, 0, 0), (4, 5, 6)),
    ]
    assert group.ignore == ((255, 255, 255),)


def test_channels() -> None:
    text = """\
sequence: t1
channels:
  10: {modality: CT, window: brain}
  2: {}
  0: {sequence: flair, window: minmax}
"""
    group = recipe('cases: {image: "{case}.nii"}\n' + text).groups[0]
    assert group.channels == (
        Channel(0, "MR", "flair", MINMAX),
        Channel(2, "MR", "t1", PERCENTILE),
        Channel(10, "CT", None, Window("fixed", 0.0, 80.0)),
    )


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ("percentile", PERCENTILE),
        ("{percentile: [1, 99]}", Window("percentile", 1.0, 99.0)),
        ("minmax", MINMAX),
        ("{minmax: volume}", MINMAX),
        ("{minmax: slice}", MINMAX_SLICE),
        ("none", NONE),
        ("null", PERCENTILE),
        ("{level: 40, width: 400.0}", Window("fixed", -160.0, 240.0)),
    ],
)
def test_windows(window: str, expected: Window) -> None:
    assert recipe(f'cases: {{image: "{{case}}.nii"}}\nwindow: {window}\n').groups[0].channels[0].window == expected


@pytest.mark.parametrize("modality", sorted(DEFAULTS))
def test_default_windows(modality: str) -> None:
    text = HEAD.replace("MR", modality) + 'cases: {image: "{case}.nii"}\n'
    assert parse_recipe(text, FILE).groups[0].channels[0].window == DEFAULTS[modality]


def test_a_group_wins_and_null_takes_the_default() -> None:
    text = """\
sequence: t1
labels: {liver: 1}
min_area: 5
cases:
  - {image: "a/{case}", label: "b/{case}"}
  - {image: "c/{case}", sequence: null, min_area: null, modality: PET, anatomy: pelvis}
  - {image: "d/{case}", label: "e/{case}", sequence: t2, labels: {spleen: 4}}
"""
    a, b, c = recipe(text).groups
    assert [g.channels[0].sequence for g in (a, b, c)] == ["t1", None, "t2"]
    assert [g.min_area for g in (a, b, c)] == [5.0, 100.0, 5.0]
    assert [[label.name for label in g.labels] for g in (a, b, c)] == [["liver"], [], ["spleen"]]
    assert b.channels[0].modality == "PET"


def test_yaml_is_read_as_editors_read_it() -> None:
    text = HEAD.replace("S\n", "no\n", 1) + 'cases: {image: "{case}", label: "{case}"}\n'
    found = parse_recipe(text + "labels: {no: 010, on: 0x1F, y: 0o17, 2015-01-01: 5}\ntitle: 1:20\n", FILE)
    assert (found.name, found.title) == ("no", "1:20")
    assert [(label.name, label.values) for label in found.groups[0].labels] == [
        ("no", (10,)), ("on", (31,)), ("y", (15,)), ("2015-01-01", (5,))
    ]  # fmt: skip


def test_anchors_may_be_shared() -> None:
    text = """\
cases:
  - {image: "a/{case}", label: "b/{case}", labels: &organs {liver: 1, spleen: 2}}
  - {image: "c/{case}", label: "d/{case}", labels: *organs, sequence: t2}
"""
    first, second = recipe(text).groups
    assert first.labels == second.labels


# wrong recipes: line, key and code; the messages are in tests/golden/messages.txt


@pytest.mark.parametrize("bad", BAD_RECIPES, ids=[bad.title for bad in BAD_RECIPES])
def test_a_bad_recipe(bad: BadRecipe) -> None:
    assert (bad.line, bad.key, bad.code) in faults(bad.text)


@pytest.mark.parametrize(("encoding", "labels", "tolerance"), TOLERANCES)
def test_the_largest_tolerance_that_keeps_levels_apart(encoding: str, labels: str, tolerance: int) -> None:
    text = tolerance_recipe(encoding, labels, tolerance - 1)
    assert parse_recipe(text, FILE).groups[0].tolerance == tolerance - 1


def test_missing_keys() -> None:
    assert faults("title: x\n") == [(1, key, Code.MISSING) for key in ("name", "license", "cases")]
    text = "name: S\nlicense: {redistributable: true}\ncases:\n  - {image: x, label: y}\n  - {image: z, modality: CT}\n"
    assert faults(text) == [
        *((1, key, Code.MISSING) for key in ("modality", "anatomy", "labels", "window")),
        (2, "license.name", Code.MISSING),
    ]


def test_an_incomplete_recipe_needs_no_cases() -> None:
    found = recipe("status: incomplete\nreason: labels withheld\noverlaps: [lits]\n")
    assert (found.groups, found.status, found.reason) == ((), "incomplete", "labels withheld")
    assert (found.modalities, found.anatomies, found.overlaps) == (("MR",), ("abdomen", "lesion"), ("lits",))


def test_modalities_and_anatomies_are_those_of_all_groups() -> None:
    found = recipe(
        "cases:\n"
        "  - {image: 'a/{m}/{case}.nii', modality: {field: m, map: {p: PET, c: {modality: CT, window: lung}}}}\n"
        "  - {image: 'b/{case}.nii', channels: {0: {sequence: t1}, 1: {modality: PET}}, anatomy: pelvis}\n"
    )
    assert found.modalities == ("PET", "CT", "MR")
    assert found.anatomies == ("abdomen", "lesion", "pelvis")


def test_splits() -> None:
    def split(text: str) -> object:
        return recipe(f"{PAIR}labels: {{liver: 1}}\nsplit: {text}\n").groups[0].split

    same = (("train", "train"), ("val", "val"), ("test", "test"))
    assert split("test") == "test"
    assert split("null") is None
    assert split("{field: case}") == SplitField("case", same)
    assert split("{field: case, map: {Tr: train, Un: null}}") == SplitField("case", (("Tr", "train"), ("Un", None)))
    assert split("{csv: a.csv, case: id, split: part}") == SplitTable("a.csv", "id", "part", same)
    assert split("{lists: {train: a.txt, test: b.txt}}") == SplitLists((("train", "a.txt"), ("test", "b.txt")))


def test_every_error_at_once_with_its_line() -> None:
    assert faults(MANY_FAULTS) == [
        (1, "name", Code.BAD_VALUE),
        (2, "license", Code.BAD_VALUE),
        (3, "modality", Code.UNKNOWN_VALUE),
        (6, "anatomy[1]", Code.UNKNOWN_VALUE),
        (8, "cases[0].image", Code.PATTERN),
        (10, "cases[1]", Code.BAD_VALUE),
        (12, "cases[2].widow", Code.UNKNOWN_KEY),
        (13, "cases[2].min_area", Code.BAD_VALUE),
        (16, "labels.1", Code.BAD_VALUE),
        (18, "axes", Code.CONFLICT),
    ]


# texts that are not YAML, and files that are not text


@pytest.mark.parametrize("title", BAD_DOCUMENTS)
def test_text_that_is_not_yaml(title: str) -> None:
    text, lines = BAD_DOCUMENTS[title]
    found = faults(text)
    assert [line for line, _, _ in found] == lines
    assert {code for _, _, code in found} == {Code.YAML}


def test_files_that_are_not_recipes(tmp_path: Path) -> None:
    (tmp_path / "scan.nii.gz").write_bytes(b"\x1f\x8b\x08\x00\xff\xfe")
    (tmp_path / "big.yaml").write_bytes(b"#" * (5 * 2**20))
    for name in ("none.yaml", ".", "scan.nii.gz", "big.yaml"):
        with pytest.raises(RecipeError) as caught:
            load_recipe(tmp_path / name)
        assert caught.value.faults == ()
    (tmp_path / "bom.yaml").write_text("\ufeff" + HEAD + PAIR + "labels: {a: 1}\n", encoding="utf-8")
    assert load_recipe(tmp_path / "bom.yaml").name == "S"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([*Defaults.model_fields, "name", "license", "cases", "exclude", "expect", "source", "homepage"])


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(KEYS | st.sampled_from(["image", "label", "case"]), VALUES, max_size=4))  # fmt: skip
def test_whatever_stands_there_the_answer_is_a_recipe_or_a_recipe_error(
    top: dict[str, object], group: dict[str, object]
) -> None:
    base = {"name": "S", "license": {"name": "x"}, "modality": "MR", "anatomy": "other", "labels": {"a": 1}}
    data = {**base, "cases": [{"image": "{case}", "label": "m/{case}", **group}], **top}
    try:
        parse_recipe(json.dumps(data), FILE)
    except RecipeError as error:
        message = str(error)
    else:
        message = str(FILE)
    assert message.startswith("r.yaml")


# the hash

BASE = HEAD + PAIR + "labels: {liver: 1, spleen: 2}\n"


@pytest.mark.parametrize(
    "same",
    [
        BASE + "doi: 10.1000/x\ncitation: x\nstatus: incomplete\nreason: y\noverlaps: [lits]\n",
        BASE + "title: x\nhomepage: https://x.org\nnotes: y\nsource: /data\nexclude: {a: b}\nexpect: {cases: 4}\n",
        "# a comment\n" + BASE + "min_area: 100.0\nencoding: ids\nwindow: {percentile: [0.5, 99.5]}\n",
        "".join(sorted(BASE.splitlines(keepends=True))),
        BASE.replace("CC0-1.0}", "CC0-1.0, commercial: true}"),
        BASE.replace("1, spleen: 2", "[1], spleen: {value: 2, anatomy: abdomen}"),
        BASE.replace('{image: "i/{case}.png", label: "m/{case}.png"}', '[{label: "m/{case}.png", image: "i/{case}.png", modality: MR}]'),
    ],
)  # fmt: skip
def test_the_hash_is_of_the_meaning(same: str) -> None:
    assert parse_recipe(same, Path("other.yaml")).hash == parse_recipe(BASE, FILE).hash


@pytest.mark.parametrize(
    "other",
    [
        BASE.replace("name: S", "name: T"),
        BASE.replace("CC0-1.0}", "CC0-1.0, redistributable: true}"),
        BASE.replace("CC0", "CC1"),
        BASE.replace("{liver: 1, spleen: 2}", "{spleen: 2, liver: 1}"),
        BASE.replace("spleen: 2", "spleen: 3"),
        BASE.replace("abdomen, lesion", "pelvis"),
        BASE.replace("MR", "PET"),
        *(BASE + line for line in ["min_area: 5", "sequence: t1", "ignore: [4]", "axes: [z]", "union: true", "window: minmax",
          "orient: native", "geometry: index", "isotropic: true", "aspect: false", "spacing: [1, 1]", "patient: p", "subsample: 2", "split: test", "missing_labels: skip",
          "split: {field: case}", "split: {csv: a.csv, case: a, split: b}", "split: {lists: {test: a.txt}}"]),
    ],
)  # fmt: skip
def test_the_hash_changes_with_the_meaning(other: str) -> None:
    assert parse_recipe(other, FILE).hash != parse_recipe(BASE, FILE).hash


def test_the_hash_is_the_same_everywhere() -> None:
    found = parse_recipe(BASE, FILE)
    assert found.hash == copy.deepcopy(found).hash == pickle.loads(pickle.dumps(found)).hash
    assert len(found.hash) == 16
    assert int(found.hash, 16) >= 0
