"""Good recipes, the bad ones with their exact messages, and what the hash is of."""

# ruff: noqa: E501 (messages stand as a user sees them)

import copy
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import RecipeError
from curate.imaging.window import DEFAULTS, MINMAX, MINMAX_SLICE, NONE, PERCENTILE, Window
from curate.recipe.load import load_recipe, parse_recipe
from curate.recipe.resolved import Channel, Label, License, PatientTable, Recipe

FILE = Path("r.yaml")
HEAD = """\
name: S
license: {name: CC0-1.0}
modality: MR
anatomy: [abdomen, lesion]
"""
PAIR = 'cases: {image: "i/{case}.png", label: "m/{case}.png"}\n'
MODALITIES = (
    "CT, MR, PET, X-ray, Ultrasound, Dermoscopy, Endoscopy, Fundus, OCT, Mammography, Microscopy, Histopathology"
)
ANATOMIES = "head_and_neck, thorax, abdomen, pelvis, lesion, other"
SHARED = (
    "modality, sequence, anatomy, patient, labels, encoding, threshold, tolerance, nearest, ignore, window, suv, nan, rescale, channels, axes, stack, "
    "orient, isotropic, geometry, aspect, min_area, union, subsample, spacing"
)
INTEGER = "a whole number, or a list of them"
COLOR = 'a colour such as "#ff0000" (in quotes) or [255, 0, 0], or a list of them'
WORD = "the word that stands for {label} in the file name, without / and *, or a list of them"


def faults(text: str) -> list[str]:
    """The faults of a recipe as `LINE: KEY: MESSAGE`."""
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, FILE)
    head, *lines = str(caught.value).split("\n")
    if not lines:
        return [head.removeprefix("r.yaml:")]
    assert head == f"r.yaml has {len(lines)} errors:"
    assert all(line.startswith("  r.yaml:") for line in lines)
    return [line.removeprefix("  r.yaml:") for line in lines]


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


# every bad recipe with its message

AT_5 = [
    ("nmae: x", f"nmae: is not a known key; allowed: name, title, homepage, notes, license, source, cases, exclude, expect, {SHARED}; did you mean 'name'?"),
    ("image: x", "image: belongs inside cases"),
    ("name: T", "name: is listed twice, first on line 1; keep one"),
    ("title: 5", "title: 5 is not allowed here; allowed: text; in quotes it is text"),
    ("homepage: www", "homepage: 'www' is not allowed here; allowed: an address that begins with https:// or http://"),
    ("source: data", "source: 'data' is not allowed here; allowed: package:NAME/sub/folder, or an absolute folder"),
    ("source: package:a/../b", "source: 'package:a/../b' is not allowed here; allowed: package:NAME/sub/folder, or an absolute folder"),
    ("sequence: T1", "sequence: 'T1' is not allowed here; allowed: small letters and digits, such as flair or t1c"),
    ("encoding: threshhold", "encoding: 'threshhold' is not known; allowed: ids, files, instances, instance_files, threshold, grey, rgb, inverted, outline, one_hot, dicom_seg, rtstruct; did you mean 'threshold'?"),
    ("encoding: xyz", "encoding: 'xyz' is not known; allowed: ids, files, instances, instance_files, threshold, grey, rgb, inverted, outline, one_hot, dicom_seg, rtstruct"),
    ("threshold: 3", "threshold: 3 has no meaning for the encoding ids; allowed for: files, instance_files, threshold, inverted, outline, one_hot, dicom_seg"),
    ("threshold: '3'", "threshold: '3' is not allowed here; allowed: a number"),
    ("threshold: .nan", "threshold: '.nan' is not allowed here; allowed: a number"),
    ("tolerance: 3", "tolerance: 3 has no meaning for the encoding ids; allowed for: grey, rgb"),
    ("tolerance: 128", "tolerance: 128 is not allowed here; allowed: at most 127"),
    ("tolerance: 1.5", "tolerance: 1.5 is not allowed here; allowed: a whole number"),
    ("ignore: [1, 2]", "ignore: 1 is a value of the label 'liver' as well; choose one"),
    ("ignore: [x]", f"ignore[0]: 'x' is not allowed here; allowed: {INTEGER}"),
    ("ignore: 3", "ignore: 3 is not allowed here; allowed: a list"),
    ("window: abdomne", "window: 'abdomne' is not known; allowed: abdomen, lung, brain, mediastinum, bone, percentile, minmax, none, dicom; did you mean 'abdomen'?"),
    ("window: lung", "window: 'lung' is a window in HU, and the modality is MR; allowed: percentile, minmax, none, {level: ..., width: ...}"),
    ("window: {level: 4}", "window.width: is missing"),
    ("window: {level: 4, width: 0}", "window.width: 0 is not allowed here; allowed: more than 0"),
    ("window: {level: 4, width: 1, x: 1}", "window.x: is not a known key; allowed: level, width, percentile, minmax"),
    ("window: {minmax: slices}", "window.minmax: 'slices' is not known; allowed: volume, slice; did you mean 'slice'?"),
    ("window: {percentile: [99, 1]}", "window: [99.0, 1.0] is not allowed here; allowed: [low, high] with low under high, such as [0.5, 99.5]"),
    ("window: {percentile: [1]}", "window.percentile: [1] has 1 items; allowed: at least 2"),
    ("window: {percentile: [1, 101]}", "window.percentile[1]: 101 is not allowed here; allowed: at most 100"),
    ("channels: {}", "channels: {} has 0 items; allowed: at least 1"),
    ("channels: {one: {}}", "channels.one: 'one' is not allowed here; allowed: channel indices from 0"),
    ("channels: {0: {}, 1: {}}", "channels.1: would be mr_00 like channel 0; give each a sequence of its own"),
    ("channels: {0: {modality: CT}}", "channels.0: a window is missing; CT needs one: abdomen, lung, brain, mediastinum, bone, or {level: 40, width: 400}"),
    ("channels: {0: {modality: CT, window: lungs}}", "channels.0.window: 'lungs' is not known; allowed: abdomen, lung, brain, mediastinum, bone, percentile, minmax, none, dicom; did you mean 'lung'?"),
    ("channels: {0: {name: t1}}", "channels.0.name: is not a known key; allowed: sequence, modality, window"),
    ("axes: [x, q]", "axes[1]: 'q' is not known; allowed: x, y, z"),
    ("axes: [x, x]", "axes: ['x', 'x'] names an axis twice"),
    ("axes: []", "axes: [] has 0 items; allowed: at least 1"),
    ("stack: frame", "stack: 'frame' is not known; allowed: volume, frames; did you mean 'frames'?"),
    ("isotropic: yes", "isotropic: 'yes' is not allowed here; allowed: true, false or null; did you mean true?"),
    ("union: 1", "union: 1 is not allowed here; allowed: true, false or null"),
    ("min_area: -1", "min_area: -1 is not allowed here; allowed: at least 0"),
    ("subsample: 0", "subsample: 0 is not allowed here; allowed: at least 1"),
    ("subsample: 1:20", "subsample: '1:20' is not allowed here; allowed: a whole number"),
    ("subsample: true", "subsample: true is not allowed here; allowed: a whole number"),
    ("spacing: [1]", "spacing: [1] has 1 items; allowed: at least 2"),
    ("spacing: [1, 0]", "spacing[1]: 0 is not allowed here; allowed: more than 0"),
    ("exclude: [a]", "exclude: ['a'] is not allowed here; allowed: a mapping"),
    ("exclude: {a: null}", "exclude.a: null is not allowed here; allowed: text"),
    ("expect: 5", "expect: 5 is not allowed here; allowed: a mapping such as {cases: 489}"),
    ("expect: {case: 5}", "expect.case: is not a known key; allowed: cases, images; did you mean 'cases'?"),
    ("patient: {csv: x.csv, case: a}", "patient.patient: is missing"),
    ("patient: {csv: ../x.csv, case: a, patient: b}", "patient.csv: '../x.csv' holds '..'; allowed: names of folders below the source folder, joined by `/`"),
    ("patient: {csv: '{case}.csv', case: a, patient: b}", "patient.csv: '{case}.csv' is no single file; allowed: a path without fields"),
    ("patient: '{pat}'", "patient: the field {pat} is not in `image`, whose fields are: case"),
    ("patient: '{case'", "patient: '{case' has braces that hold no field; write {word}"),
    ("orient: !!python/object:os.system x", "orient: the tag 'python/object:os.system'; a recipe has no tags"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "message"), AT_5, ids=[line for line, _ in AT_5])
def test_a_bad_key(line: str, message: str) -> None:
    assert f"5: {message}" in faults(f"{HEAD}{line}\n{PAIR}labels: {{liver: 1}}\n")


LABELS = [
    ("ids", "{liver: x}", [f"labels.liver: 'x' is not allowed here; allowed: {INTEGER}"]),
    ("ids", "{liver: 1.0}", [f"labels.liver: 1 is not allowed here; allowed: {INTEGER}"]),
    ("ids", "{liver: yes}", [f"labels.liver: 'yes' is not allowed here; allowed: {INTEGER}"]),
    ("ids", "{liver: 1:20}", [f"labels.liver: '1:20' is not allowed here; allowed: {INTEGER}"]),
    ("ids", "{liver: true}", [f"labels.liver: true is not allowed here; allowed: {INTEGER}"]),
    ("ids", "{liver: }", [f"labels.liver: null is not allowed here; allowed: {INTEGER}"]),
    ("ids", "{1: liver}", [f"labels.1: 'liver' is not allowed here; allowed: {INTEGER}; write the name first: liver: 1"]),
    ("ids", "{liver: []}", [f"labels.liver: an empty list; allowed: {INTEGER}"]),
    ("ids", "{liver: [1, 1]}", ["labels.liver[1]: 1 is listed twice"]),
    ("ids", "{liver: 1, Liver: 2}", ["labels.Liver: differs from 'liver' in case only: their files would collide on some disks"]),
    ("ids", "{liver: [1, 2], spleen: [2, 1]}", ["labels.spleen: has the same values as 'liver'"]),
    ("ids", "{liver: 1, liver: 2}", ["labels.liver: is listed twice, first on line 7; keep one"]),
    ("ids", "{a--b: 1}", ["labels.a--b: 'a--b' is not a label name; allowed: letters, digits, _ . + and single -"]),
    ("ids", "{left kidney: 1}", ["labels.left kidney: 'left kidney' is not a label name; allowed: letters, digits, _ . + and single -"]),
    ("ids", "{union_a: 1}", ["labels.union_a: 'union_a' begins with union_, which is kept for the masks of touching labels"]),
    ("ids", "{a: {value: 1, anatomie: x}}", ["labels.a.anatomie: is not a known key; allowed: value, anatomy; did you mean 'anatomy'?"]),
    ("ids", "{a: {value: 1, anatomy: torax}}", [f"labels.a.anatomy: 'torax' is not known; allowed: {ANATOMIES}; did you mean 'thorax'?"]),
    ("ids", "{a: {anatomy: thorax}}", [f"labels.a: null is not allowed here; allowed: {INTEGER}"]),
    ("ids", "[liver]", [f"labels: a list of names; the encoding ids needs values: a mapping of names to values, {INTEGER}"]),
    ("ids", "liver", ["labels: 'liver' is not allowed here; allowed: a mapping of names to values"]),
    ("ids", "{}", ["labels: {} is not allowed here; allowed: a mapping of names to values"]),
    ("grey", "{a: -1}", ["labels.a: -1 is not allowed here; allowed: a grey level from 0 to 65535, or a list of them"]),
    ("rgb", '{a: "#ff00"}', [f"labels.a: '#ff00' is not allowed here; allowed: {COLOR}"]),
    ("rgb", "{a: [1, 2]}", [f"labels.a: [1, 2] is not allowed here; allowed: {COLOR}"]),
    ("rgb", "{a: [1, 2, 256]}", [f"labels.a: [1, 2, 256] is not allowed here; allowed: {COLOR}"]),
    ("rgb", "{a: #ff0000\n  }", [f"labels.a: null is not allowed here; allowed: {COLOR}; a colour without quotes is a comment"]),
    ("threshold", "{a: 255}", ["labels.a: 255 is not allowed here; allowed: no value, as in [a]: threshold has one label"]),
    ("threshold", "[a, b]", ["labels: 2 labels; the encoding threshold has exactly one: [a]"]),
    ("threshold", "[5]", ["labels[0]: 5 is not allowed here; allowed: a name, as text"]),
    ("threshold", "[a, a]", ["labels[1]: 'a' is listed twice"]),
    ("threshold", "a", ["labels: 'a' is not allowed here; allowed: a mapping of names to values, or a list of names"]),
]  # fmt: skip


@pytest.mark.parametrize(("encoding", "labels", "messages"), LABELS, ids=[f"{e} {v}" for e, v, _ in LABELS])
def test_bad_labels(encoding: str, labels: str, messages: list[str]) -> None:
    text = f"{HEAD}{PAIR}encoding: {encoding}\nlabels: {labels}\n"
    assert faults(text) == [f"7: {message}" for message in messages]


@pytest.mark.parametrize(
    ("value", "hint"),
    [("../etc", ""), ("a/b", ""), ("'*'", ""), ("'{x}'", ""), ("..", ""), ("''", ""), ("001", "; in quotes it is text")],
)  # fmt: skip
def test_bad_words(value: str, hint: str) -> None:
    text = f'{HEAD}cases: {{image: "{{case}}", label: "{{label}}"}}\nencoding: files\nlabels: {{a: {value}}}\n'
    (fault,) = faults(text)
    assert fault.startswith("7: labels.a: ")
    assert fault.endswith(f"is not allowed here; allowed: {WORD}{hint}")


PATTERNS = [
    ("ids", "label: m", "cases.image: is missing; every group needs a pattern for its images, or `series`"),
    ("ids", 'image: "/abs/{case}", label: x', "cases.image: '/abs/{case}' is absolute; allowed: a path relative to the source folder"),
    ("ids", 'image: "{case}", label: "../{case}"', "cases.label: '../{case}' holds '..'; allowed: names of folders below the source folder, joined by `/`"),
    ("ids", 'image: "{case:[}", label: x', "cases.image: '{case:[}' holds `{case:[}`, whose regex is wrong: unterminated character set"),
    ("ids", 'image: "{case}", label: "{cas}"', "cases.label: the field {cas} is not in `image`, whose fields are: case; did you mean 'case'?"),
    ("ids", 'image: "x", label: "{q}"', "cases.label: the field {q} is not in `image`, whose fields are: (none)"),
    ("ids", 'image: "{case}", label: x, case: "{site}"', "cases.case: the field {site} is not in `image`, whose fields are: case"),
    ("ids", 'image: "{label}", label: x', "cases.image: holds {label}, which only `label` may; rename the field"),
    ("ids", 'image: "{case}", label: "{case:.+}"', "cases.label: gives {case} a regex; only {instance} may have one here"),
    ("ids", 'image: "{case}", label: "{label}"', "cases.label: '{label}' has {label}, which belongs to the encoding files, not ids"),
    ("ids", 'image: "{case}", label: "{instance}"', "cases.label: '{instance}' has {instance}, which belongs to the encoding instance_files, not ids"),
    ("files", 'image: "{case}", label: "m/{case}"', "cases.label: 'm/{case}' has no {label}; files: one file a label, its name holding {label}"),
    ("instance_files", 'image: "{case}", label: "m/{case}"', "cases.label: 'm/{case}' has no {instance} or *; instance_files: one file an object of the one label, its name holding {instance} or *"),
    ("ids", "image: {case}, label: x", "cases.image: {'case': None} is not allowed here; allowed: text; a value that begins with { is put in quotes, \"{case}\""),
    ("ids", "image: x, lable: y", f"cases.lable: is not a known key; allowed: image, series, label, not, case, {SHARED}; did you mean 'label'?"),
    ("ids", "image: x, name: y", "cases.name: belongs at the top"),
]  # fmt: skip


@pytest.mark.parametrize(("encoding", "cases", "message"), PATTERNS, ids=[cases for _, cases, _ in PATTERNS])
def test_bad_patterns(encoding: str, cases: str, message: str) -> None:
    labels = "{a: 1}" if encoding == "ids" else "[a]"
    text = f"{HEAD}cases: {{{cases}}}\nencoding: {encoding}\nlabels: {labels}\n"
    assert f"5: {message}" in faults(text)


def test_what_is_missing() -> None:
    assert faults("title: x\n") == [
        "1: name: is missing; every recipe needs it",
        "1: license: is missing; every recipe needs it",
        "1: cases: is missing; every recipe needs it",
    ]
    text = "name: S\nlicense: {redistributable: true}\ncases:\n  - {image: x, label: y}\n  - {image: z, modality: CT}\n"
    assert faults(text) == [
        "1: modality: is missing; set it at the top or in each group",
        "1: anatomy: is missing; set it at the top or in each group",
        "1: labels: is missing; a group with `label` needs labels, such as {liver: 1}",
        "1: window: is missing; CT needs one: abdomen, lung, brain, mediastinum, bone, or {level: 40, width: 400}",
        "2: license.name: is missing",
    ]


def test_every_error_at_once_with_its_line() -> None:
    text = """\
name: Ki TS
license: MIT
modality: ct
anatomy:
  - abdomen
  - brain
cases:
  - image: "/data/{case}.nii"
    label: "{cse}.nii"
  - nothing
  - image: "{case}.nii"
    widow: lung
    min_area: small
labels:
  liver: 1
  1: spleen
stack: frames
axes: [x]
"""
    assert faults(text) == [
        "1: name: 'Ki TS' is not allowed here; allowed: letters, digits, _ and single -",
        "2: license: 'MIT' is not allowed here; allowed: a mapping such as {name: CC-BY-4.0, redistributable: true, commercial: true}",
        f"3: modality: 'ct' is not known; allowed: {MODALITIES}; did you mean 'CT'?",
        f"6: anatomy[1]: 'brain' is not known; allowed: {ANATOMIES}",
        "8: cases[0].image: '/data/{case}.nii' is absolute; allowed: a path relative to the source folder",
        "10: cases[1]: 'nothing' is not allowed here; allowed: a mapping such as {image: \"{case}/image.nii.gz\", label: \"{case}/labels.nii.gz\"}",
        f"12: cases[2].widow: is not a known key; allowed: image, series, label, not, case, {SHARED}; did you mean 'window'?",
        "13: cases[2].min_area: 'small' is not allowed here; allowed: a number",
        f"16: labels.1: 'spleen' is not allowed here; allowed: {INTEGER}; write the name first: spleen: 1",
        "18: axes: ['x'] is not allowed here; allowed: [z]: frames are 2D images",
    ]  # fmt: skip


def test_unions_of_one_name() -> None:
    text = f"{HEAD}{PAIR}union: true\nlabels: {{a: 1, b_c: 2, a_b: 3, c: 4}}\n"
    assert faults(text) == [
        "7: labels: the unions of a with b_c and of a_b with c would both be union_a_b_c; rename one of the labels"
    ]


@pytest.mark.parametrize(
    ("encoding", "labels", "tolerance", "message"),
    [
        ("grey", "{a: 64, b: 200}", 32, "32 makes 0 and 64 overlap; at most 31 tells them apart"),
        ("grey", "{a: 255, b: 250}", 3, "3 makes 250 and 255 overlap; at most 2 tells them apart"),
        ("rgb", '{a: "#ff0000", b: "#f00000"}', 8, "8 makes (240, 0, 0) and (255, 0, 0) overlap; at most 7 tells them apart"),
    ],
)  # fmt: skip
def test_a_tolerance_that_mixes_levels(encoding: str, labels: str, tolerance: int, message: str) -> None:
    text = f"{HEAD}{PAIR}encoding: {encoding}\nlabels: {labels}\ntolerance: "
    assert faults(f"{text}{tolerance}\n") == [f"8: tolerance: {message}"]
    assert parse_recipe(f"{text}{tolerance - 1}\n", FILE).groups[0].tolerance == tolerance - 1


# what is no YAML


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1: is empty; a recipe is a mapping that begins such as `name: KiTS23`"]),
        ("# nothing\n", ["1: is empty; a recipe is a mapping that begins such as `name: KiTS23`"]),
        ("foo", ["1: holds 'foo'; a recipe is a mapping that begins such as `name: KiTS23`"]),
        ("- a", ["1: holds ['a']; a recipe is a mapping that begins such as `name: KiTS23`"]),
        ("name: S\n\tx: 1\n  \ty: 2\n", [f"{n}: a tab at the line's beginning; YAML is indented by spaces" for n in (2, 3)]),
        ("cases:\n  image: {case}/x.nii\n", ['2: {case}/x.nii begins with `{`: put it in quotes, "{case}/x.nii"']),
        ("cases:\n  - image: */x.nii\n", ['2: */x.nii begins with `*`: put it in quotes, "*/x.nii"']),
        ("name: S\nname : [", ["3: not valid YAML: "]),
        ("a: b: c", ["1: not valid YAML: mapping values are not allowed"]),
        ("name: S\n---\nname: T\n", ["2: not valid YAML: "]),
        ("name: S\n\x07", ["2: a control character; a recipe is plain text"]),
        ("[" * 100_000, ["1: lists or mappings are nested too deep"]),
        ("a: &a [*a]", ["1: a[0]: an alias (`*name`) that stands for itself or for too much"]),
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 10)}]\n" for p, c in zip("abcdef", "bcdefg", strict=True)), None),
    ],
)  # fmt: skip
def test_no_recipe(text: str, expected: list[str] | None) -> None:
    found = faults(text)
    if expected is None:
        assert "an alias (`*name`) that stands for itself or for too much" in found[0]
        return
    assert len(found) == len(expected)
    for got, want in zip(found, expected, strict=True):
        assert got.startswith(want)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none.yaml cannot be read: No such file"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match="is a folder; a recipe is a YAML file"):
        load_recipe(tmp_path)
    (tmp_path / "scan.nii.gz").write_bytes(b"\x1f\x8b\x08\x00\xff\xfe")
    with pytest.raises(RecipeError, match="is no recipe: byte 1 is not UTF-8 text"):
        load_recipe(tmp_path / "scan.nii.gz")
    (tmp_path / "big.yaml").write_bytes(b"#" * (5 * 2**20))
    with pytest.raises(RecipeError, match="has 5 MB; a recipe is a short YAML file"):
        load_recipe(tmp_path / "big.yaml")
    (tmp_path / "bom.yaml").write_text("\ufeff" + HEAD + PAIR + "labels: {a: 1}\n", encoding="utf-8")
    assert load_recipe(tmp_path / "bom.yaml").name == "S"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([*SHARED.split(", "), "name", "license", "cases", "exclude", "expect", "source", "homepage"])


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
          "orient: native", "geometry: index", "isotropic: true", "aspect: false", "spacing: [1, 1]", "patient: p", "subsample: 2"]),
    ],
)  # fmt: skip
def test_the_hash_changes_with_the_meaning(other: str) -> None:
    assert parse_recipe(other, FILE).hash != parse_recipe(BASE, FILE).hash


def test_the_hash_is_the_same_everywhere() -> None:
    found = parse_recipe(BASE, FILE)
    assert found.hash == copy.deepcopy(found).hash == pickle.loads(pickle.dumps(found)).hash
    assert len(found.hash) == 16
    assert int(found.hash, 16) >= 0
