"""Wrong recipes, each with the key and the code of its fault; `tests/golden/messages.txt` holds the messages."""

# ruff: noqa: E501 (a recipe per line)

from dataclasses import dataclass

from curate.recipe.faults import Code

HEAD = """\
name: S
license: {name: CC0-1.0}
modality: MR
anatomy: [abdomen, lesion]
"""
PAIR = 'cases: {image: "i/{case}.png", label: "m/{case}.png"}\n'


@dataclass(frozen=True)
class BadRecipe:
    """A recipe with one fault at a known line, and a title for the test."""

    title: str
    text: str
    line: int
    key: str
    code: Code


_TOP_LEVEL = [
    ("nmae: x", "nmae", Code.UNKNOWN_KEY),
    ("image: x", "image", Code.MISPLACED_KEY),
    ("name: T", "name", Code.DUPLICATE_KEY),
    ("title: 5", "title", Code.BAD_VALUE),
    ("homepage: www", "homepage", Code.BAD_VALUE),
    ("source: data", "source", Code.BAD_VALUE),
    ("source: package:a/../b", "source", Code.BAD_VALUE),
    ("sequence: T1", "sequence", Code.BAD_VALUE),
    ("encoding: threshhold", "encoding", Code.UNKNOWN_VALUE),
    ("encoding: rtstruct", "encoding", Code.UNKNOWN_VALUE),
    ("threshold: 3", "threshold", Code.NO_EFFECT),
    ("threshold: '3'", "threshold", Code.BAD_VALUE),
    ("threshold: .nan", "threshold", Code.BAD_VALUE),
    ("tolerance: 3", "tolerance", Code.NO_EFFECT),
    ("tolerance: 128", "tolerance", Code.BAD_VALUE),
    ("tolerance: 1.5", "tolerance", Code.BAD_VALUE),
    ("ignore: [1, 2]", "ignore", Code.CONFLICT),
    ("ignore: [x]", "ignore[0]", Code.BAD_VALUE),
    ("ignore: 3", "ignore", Code.BAD_VALUE),
    ("window: abdomne", "window", Code.UNKNOWN_VALUE),
    ("window: lung", "window", Code.CONFLICT),
    ("window: {level: 4}", "window.width", Code.MISSING),
    ("window: {level: 4, width: 0}", "window.width", Code.BAD_VALUE),
    ("window: {level: 4, width: 1, x: 1}", "window.x", Code.UNKNOWN_KEY),
    ("window: {minmax: slices}", "window.minmax", Code.UNKNOWN_VALUE),
    ("window: {percentile: [99, 1]}", "window", Code.BAD_VALUE),
    ("window: {percentile: [1]}", "window.percentile", Code.BAD_VALUE),
    ("window: {percentile: [1, 101]}", "window.percentile[1]", Code.BAD_VALUE),
    ("channels: {}", "channels", Code.BAD_VALUE),
    ("channels: {one: {}}", "channels.one", Code.BAD_VALUE),
    ("channels: {0: {}, 1: {}}", "channels.1", Code.CONFLICT),
    ("channels: {0: {modality: CT}}", "channels.0", Code.MISSING),
    ("channels: {0: {modality: CT, window: lungs}}", "channels.0.window", Code.UNKNOWN_VALUE),
    ("channels: {0: {name: t1}}", "channels.0.name", Code.UNKNOWN_KEY),
    ("axes: [x, q]", "axes[1]", Code.UNKNOWN_VALUE),
    ("axes: [x, x]", "axes", Code.DUPLICATE_VALUE),
    ("axes: []", "axes", Code.BAD_VALUE),
    ("stack: frame", "stack", Code.UNKNOWN_VALUE),
    ("isotropic: yes", "isotropic", Code.BAD_VALUE),
    ("union: 1", "union", Code.BAD_VALUE),
    ("min_area: -1", "min_area", Code.BAD_VALUE),
    ("subsample: 0", "subsample", Code.BAD_VALUE),
    ("subsample: 1:20", "subsample", Code.BAD_VALUE),
    ("subsample: true", "subsample", Code.BAD_VALUE),
    ("spacing: [1]", "spacing", Code.BAD_VALUE),
    ("spacing: [1, 0]", "spacing[1]", Code.BAD_VALUE),
    ("exclude: [a]", "exclude", Code.BAD_VALUE),
    ("exclude: {a: null}", "exclude.a", Code.BAD_VALUE),
    ("expect: 5", "expect", Code.BAD_VALUE),
    ("expect: {case: 5}", "expect.case", Code.UNKNOWN_KEY),
    ("patient: {csv: x.csv, case: a}", "patient.patient", Code.MISSING),
    ("patient: {csv: ../x.csv, case: a, patient: b}", "patient.csv", Code.PATTERN),
    ("patient: {csv: '{case}.csv', case: a, patient: b}", "patient.csv", Code.PATTERN),
    ("patient: '{pat}'", "patient", Code.UNKNOWN_FIELD),
    ("patient: '{case'", "patient", Code.PATTERN),
    ("doi: https://doi.org/10.5281/zenodo.1", "doi", Code.BAD_VALUE),
    ("status: done", "status", Code.UNKNOWN_VALUE),
    ("status: incomplete", "status", Code.MISSING),
    ("reason: no labels", "reason", Code.NO_EFFECT),
    ("reason: ''", "reason", Code.BAD_VALUE),
    ("overlaps: lits", "overlaps", Code.BAD_VALUE),
    ("overlaps: [LiTS]", "overlaps[0]", Code.BAD_VALUE),
    ("missing_labels: ignore", "missing_labels", Code.UNKNOWN_VALUE),
    ("split: training", "split", Code.UNKNOWN_VALUE),
    ("split: {field: part}", "split.field", Code.UNKNOWN_FIELD),
    ("split: {field: case, map: {a: dev}}", "split.map.a", Code.UNKNOWN_VALUE),
    ("split: {csv: a.csv, case: a}", "split.split", Code.MISSING),
    ("split: {csv: '*.csv', case: a, split: b}", "split.csv", Code.PATTERN),
    ("split: {lists: {dev: a.txt}}", "split.lists.dev", Code.UNKNOWN_VALUE),
    ("split: {lists: {test: /a.txt}}", "split.lists.test", Code.PATTERN),
    ("split: {list: {test: a.txt}}", "split.list", Code.UNKNOWN_KEY),
    ("orient: !!python/object:os.system x", "orient", Code.YAML),
]

_LABELS = [
    ("ids", "{liver: x}", "labels.liver", Code.BAD_VALUE),
    ("ids", "{liver: 1.0}", "labels.liver", Code.BAD_VALUE),
    ("ids", "{liver: yes}", "labels.liver", Code.BAD_VALUE),
    ("ids", "{liver: 1:20}", "labels.liver", Code.BAD_VALUE),
    ("ids", "{liver: true}", "labels.liver", Code.BAD_VALUE),
    ("ids", "{liver: }", "labels.liver", Code.BAD_VALUE),
    ("ids", "{1: liver}", "labels.1", Code.BAD_VALUE),
    ("ids", "{liver: []}", "labels.liver", Code.BAD_VALUE),
    ("ids", "{liver: [1, 1]}", "labels.liver[1]", Code.DUPLICATE_VALUE),
    ("ids", "{liver: 1, Liver: 2}", "labels.Liver", Code.CONFLICT),
    ("ids", "{liver: [1, 2], spleen: [2, 1]}", "labels.spleen", Code.CONFLICT),
    ("ids", "{liver: 1, liver: 2}", "labels.liver", Code.DUPLICATE_KEY),
    ("ids", "{a--b: 1}", "labels.a--b", Code.BAD_VALUE),
    ("ids", "{left kidney: 1}", "labels.left kidney", Code.BAD_VALUE),
    ("ids", "{union_a: 1}", "labels.union_a", Code.BAD_VALUE),
    ("ids", "{a: {value: 1, anatomie: x}}", "labels.a.anatomie", Code.UNKNOWN_KEY),
    ("ids", "{a: {value: 1, anatomy: torax}}", "labels.a.anatomy", Code.UNKNOWN_VALUE),
    ("ids", "{a: {anatomy: thorax}}", "labels.a", Code.BAD_VALUE),
    ("ids", "[liver]", "labels", Code.BAD_VALUE),
    ("ids", "liver", "labels", Code.BAD_VALUE),
    ("ids", "{}", "labels", Code.BAD_VALUE),
    ("grey", "{a: -1}", "labels.a", Code.BAD_VALUE),
    ("rgb", '{a: "#ff00"}', "labels.a", Code.BAD_VALUE),
    ("rgb", "{a: [1, 2]}", "labels.a", Code.BAD_VALUE),
    ("rgb", "{a: [1, 2, 256]}", "labels.a", Code.BAD_VALUE),
    ("rgb", "{a: #ff0000\n  }", "labels.a", Code.BAD_VALUE),
    ("threshold", "{a: 255}", "labels.a", Code.BAD_VALUE),
    ("threshold", "[a, b]", "labels", Code.CONFLICT),
    ("threshold", "[5]", "labels[0]", Code.BAD_VALUE),
    ("threshold", "[a, a]", "labels[1]", Code.DUPLICATE_VALUE),
    ("threshold", "a", "labels", Code.BAD_VALUE),
]

_CASES = [
    ("ids", "label: m", "cases.image", Code.MISSING),
    ("ids", 'image: "/abs/{case}", label: x', "cases.image", Code.PATTERN),
    ("ids", 'image: "{case}", label: "../{case}"', "cases.label", Code.PATTERN),
    ("ids", 'image: "{case:[}", label: x', "cases.image", Code.PATTERN),
    ("ids", 'image: "{case}", label: "{cas}"', "cases.label", Code.UNKNOWN_FIELD),
    ("ids", 'image: "x", label: "{q}"', "cases.label", Code.UNKNOWN_FIELD),
    ("ids", 'image: "{case}", label: x, case: "{site}"', "cases.case", Code.UNKNOWN_FIELD),
    ("ids", 'image: "{label}", label: x', "cases.image", Code.PATTERN),
    ("ids", 'image: "{case}", label: "{case:.+}"', "cases.label", Code.PATTERN),
    ("ids", 'image: "{case}", label: "{label}"', "cases.label", Code.CONFLICT),
    ("ids", 'image: "{case}", label: "{instance}"', "cases.label", Code.CONFLICT),
    ("files", 'image: "{case}", label: "m/{case}"', "cases.label", Code.CONFLICT),
    ("instance_files", 'image: "{case}", label: "m/{case}"', "cases.label", Code.CONFLICT),
    ("ids", "image: {case}, label: x", "cases.image", Code.BAD_VALUE),
    ("ids", "image: x, lable: y", "cases.lable", Code.UNKNOWN_KEY),
    ("ids", "image: x, name: y", "cases.name", Code.MISPLACED_KEY),
]

_WORDS = ["../etc", "a/b", "'*'", "'{x}'", "..", "''", "001"]

TOLERANCES = [
    ("grey", "{a: 64, b: 200}", 32),
    ("grey", "{a: 255, b: 250}", 3),
    ("rgb", '{a: "#ff0000", b: "#f00000"}', 8),
]


def _cases(encoding: str, cases: str) -> str:
    labels = "{a: 1}" if encoding == "ids" else "[a]"
    return f"{HEAD}cases: {{{cases}}}\nencoding: {encoding}\nlabels: {labels}\n"


def tolerance_recipe(encoding: str, labels: str, tolerance: int) -> str:
    """A recipe whose tolerance may be too large for its labels."""
    return f"{HEAD}{PAIR}encoding: {encoding}\nlabels: {labels}\ntolerance: {tolerance}\n"


BAD_RECIPES = [
    *(BadRecipe(line, f"{HEAD}{line}\n{PAIR}labels: {{liver: 1}}\n", 5, key, code) for line, key, code in _TOP_LEVEL),
    *(
        BadRecipe(f"{encoding}: {labels}", f"{HEAD}{PAIR}encoding: {encoding}\nlabels: {labels}\n", 7, key, code)
        for encoding, labels, key, code in _LABELS
    ),
    *(BadRecipe(f"{encoding}: {cases}", _cases(encoding, cases), 5, key, code) for encoding, cases, key, code in _CASES),
    *(
        BadRecipe(
            f"files: {{a: {word}}}",
            f'{HEAD}cases: {{image: "{{case}}", label: "{{label}}"}}\nencoding: files\nlabels: {{a: {word}}}\n',
            7,
            "labels.a",
            Code.BAD_VALUE,
        )
        for word in _WORDS
    ),
    *(
        BadRecipe(f"{encoding}: {labels}, tolerance: {tolerance}", tolerance_recipe(encoding, labels, tolerance), 8, "tolerance", Code.CONFLICT)
        for encoding, labels, tolerance in TOLERANCES
    ),
    BadRecipe(
        "unions of one name", f"{HEAD}{PAIR}union: true\nlabels: {{a: 1, b_c: 2, a_b: 3, c: 4}}\n", 7, "labels", Code.CONFLICT
    ),
]  # fmt: skip

MANY_FAULTS = """\
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

_ALIASES = "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 10)}]\n" for p, c in zip("abcdef", "bcdefg", strict=True))

BAD_DOCUMENTS = {
    "empty": ("", [1]),
    "only a comment": ("# nothing\n", [1]),
    "a word": ("foo", [1]),
    "a list": ("- a", [1]),
    "tabs": ("name: S\n\tx: 1\n  \ty: 2\n", [2, 3]),
    "an unquoted field": ("cases:\n  image: {case}/x.nii\n", [2]),
    "an unquoted star": ("cases:\n  - image: */x.nii\n", [2]),
    "an open bracket": ("name: S\nname : [", [3]),
    "two colons": ("a: b: c", [1]),
    "two documents": ("name: S\n---\nname: T\n", [2]),
    "a control character": ("name: S\n\x07", [2]),
    "deep nesting": ("[" * 100_000, [1]),
    "an alias of itself": ("a: &a [*a]", [1]),
    "aliases that multiply": (f"a: &a [x,x,x,x,x,x,x,x,x,x]\n{_ALIASES}", [1]),
}
"""Texts that are not YAML for recipes, and the lines of their faults."""
