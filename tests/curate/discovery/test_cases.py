from pathlib import Path

import pytest

from curate.discovery.cases import Case, find_cases
from curate.errors import RunError, SourceError
from curate.inputs import FileInput
from curate.recipe.load import parse_recipe
from curate.recipe.resolved import Recipe

HEAD = """\
name: Set
license: {name: CC0-1.0}
modality: MR
anatomy: other
"""


def recipe(text: str) -> Recipe:
    return parse_recipe(HEAD + text, Path("set.yaml"))


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names(case: Case) -> tuple[tuple[str, str], ...]:
    """Word and path of each label file."""
    return tuple((word, source.name) for word, source in case.labels)


ONE = """\
cases: {image: "{case}/image.nii.gz", label: "{case}/seg.nii.gz"}
labels: {liver: 1}
"""


def test_cases_with_and_without_labels(tmp_path: Path) -> None:
    touch(tmp_path, "b/image.nii.gz", "b/seg.nii.gz", "a/image.nii.gz", "c/seg.nii.gz")
    found = find_cases(recipe(ONE), tmp_path)
    assert found.cases == (
        Case("Set", "a", "a", 0, FileInput(tmp_path, "a/image.nii.gz"), ()),
        Case("Set", "b", "b", 0, FileInput(tmp_path, "b/image.nii.gz"), (("", FileInput(tmp_path, "b/seg.nii.gz")),)),
    )
    assert found.excluded == ()
    assert found.warnings == ()


def test_cases_without_labels_are_left_out_where_the_recipe_says_so(tmp_path: Path) -> None:
    touch(tmp_path, "b/image.nii.gz", "b/seg.nii.gz", "a/image.nii.gz")
    found = find_cases(recipe(f"{ONE}missing_labels: skip\n"), tmp_path)
    assert [case.case for case in found.cases] == ["b"]
    assert found.warnings == ("1 images without a label file are left out, as the recipe says",)


@pytest.mark.parametrize(
    ("cases", "file", "case"),
    [
        ('image: "{site}/{n}.png"', "x/1.png", "x_1"),
        ('image: "{site}/{case}.png"', "x/1.png", "1"),
        ('image: "{site}/{case}.png", case: "{case}-{site}"', "x/1.png", "1-x"),
        ("image: scan.nii.gz", "scan.nii.gz", "scan"),
        ("image: scan.v2.png", "scan.v2.png", "scan.v2"),
        ("image: scan", "scan", "scan"),
        ('image: "{case}.png"', "a b--c (1).png", "a_b-c_1_"),
    ],
)
def test_case_id(tmp_path: Path, cases: str, file: str, case: str) -> None:
    touch(tmp_path, file)
    (found,) = find_cases(recipe(f"cases: {{{cases}}}\n"), tmp_path).cases
    assert (found.case, found.image.name) == (case, file)


@pytest.mark.parametrize(
    ("rest", "patient"),
    [
        ('cases: {image: "{patient}/{case}.png"}', "p1"),
        ('cases: {image: "{patient}_x/{case}.png", patient: "{patient}-{case}"}', None),
        ('cases: {image: "{a}/{case}.png"}\npatient: "P {a}"', "P p1"),
        ('cases: {image: "{a}/{case}.png"}', "7"),
    ],
)
def test_patient(tmp_path: Path, rest: str, patient: str | None) -> None:
    touch(tmp_path, "p1/7.png", "p1_x/8.png") if patient is None else touch(tmp_path, "p1/7.png")
    (found,) = find_cases(recipe(rest), tmp_path).cases
    assert found.patient == (patient or "p1-8")


TABLE = 'cases: {image: "{case}.png"}\npatient: {csv: info/patients.csv, case: Image ID, patient: Subject}\n'


def test_patient_table(tmp_path: Path) -> None:
    touch(tmp_path, "a 1.png", "b.png", "c.png")
    (tmp_path / "info").mkdir()
    (tmp_path / "info/patients.csv").write_text("\ufeffSubject;age; Image ID\nP9;5;a 1\nP9;5;b\nP9;5;b\n;3;c\n")
    found = find_cases(recipe(TABLE), tmp_path)
    assert [case.patient for case in found.cases] == ["P9", "P9", "c"]
    assert found.warnings == ("info/patients.csv has no patient for c: each counts as a separate patient",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"patient table info/patients.csv is not in "),
        ("a,b\n", r"has no column Image ID and Subject; it has: a, b"),
        ("", r"has no column Image ID and Subject; it has: \(none\)"),
        ("Image ID,Subject\nx,P1\nx,P2\n", r"patients.csv:3: case 'x' has two patients: 'P1', 'P2'"),
        (b"\xff\xfe", r"cannot be read: 'utf-8' codec"),
    ],
)
def test_bad_patient_table(tmp_path: Path, content: str | bytes | None, message: str) -> None:
    touch(tmp_path, "x.png", "info/note")
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "info/patients.csv").write_bytes(data)
    with pytest.raises(SourceError, match=message):
        find_cases(recipe(TABLE), tmp_path)


def test_one_file_a_label(tmp_path: Path) -> None:
    rest = """\
cases: {image: "{case}/ct.nii.gz", label: "{case}/seg/{label}.nii.gz"}
encoding: files
labels: {kidney: [kidney_left, kidney_right], left: kidney_left, liver: liver}
"""
    touch(tmp_path, "a/ct.nii.gz", "a/seg/liver.nii.gz", "a/seg/kidney_left.nii.gz", "a/seg/other.nii.gz")
    (case,) = find_cases(recipe(rest), tmp_path).cases
    assert names(case) == (("kidney_left", "a/seg/kidney_left.nii.gz"), ("liver", "a/seg/liver.nii.gz"))


def test_one_file_an_instance(tmp_path: Path) -> None:
    rest = """\
cases: {image: "{case}/images/{case}.png", label: "{case}/masks/{instance}.png"}
encoding: instance_files
labels: [nucleus]
"""
    touch(tmp_path, "a/images/a.png", "a/masks/2.png", "a/masks/1.png", "b/images/b.png", "b/masks/3.txt")
    first, second = find_cases(recipe(rest), tmp_path).cases
    assert names(first) == (("", "a/masks/1.png"), ("", "a/masks/2.png"))
    assert names(second) == ()


def test_several_label_files_by_star(tmp_path: Path) -> None:
    rest = 'cases: {image: "i/{case}.png", label: "m/{case}_*.png"}\nlabels: {tumor: 1}\n'
    touch(tmp_path, "i/a.png", "i/ab.png", "m/a_1.png", "m/a_2.png", "m/ab_1.png")
    a, ab = find_cases(recipe(rest), tmp_path).cases
    assert [path for _, path in names(a)] == ["m/a_1.png", "m/a_2.png"]
    assert [path for _, path in names(ab)] == ["m/ab_1.png"]


def test_groups_share_cases(tmp_path: Path) -> None:
    rest = """\
cases:
  - {image: "{case}/t1.nii", label: "{case}/seg.nii", sequence: t1}
  - {image: "{case}/t2.nii", label: "{case}/seg.nii", sequence: t2}
  - {image: "{case}/ct.nii", label: "{case}/seg.nii", modality: CT, window: lung}
labels: {liver: 1}
expect: {cases: 2, images: 4}
"""
    touch(tmp_path, "b/t1.nii", "a/t1.nii", "a/t2.nii", "a/seg.nii")
    found = find_cases(recipe(rest), tmp_path)
    assert [(case.case, case.group) for case in found.cases] == [("a", 0), ("a", 1), ("b", 0)]
    assert found.warnings == ("Set should have 4 images, found 3", "no image matches {case}/ct.nii")


def test_two_files_that_want_one_name(tmp_path: Path) -> None:
    touch(tmp_path, *[f"{site}/{n:02}.png" for site in "xy" for n in range(12)])
    with pytest.raises(RunError) as caught:
        find_cases(recipe('cases: {image: "{site}/{case}.png"}\n'), tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[:2] == [
        "Set: two image files map to the same case id:",
        "  mr_00--Set--00: x/00.png and y/00.png",
    ]
    assert lines[-2:] == [
        "  and 2 more",
        "add a field to `case`, such as '{site}_{case}', or give one of the groups a `sequence`",
    ]
    assert len(lines) == 13


def test_names_that_become_one(tmp_path: Path) -> None:
    touch(tmp_path, "a b.png", "a_b.png")
    with pytest.raises(RunError, match=r"mr_00--Set--a_b: a b.png and a_b.png"):
        find_cases(recipe('cases: {image: "{case}.png"}\n'), tmp_path)
    excluded = 'cases: {image: "{case}.png"}\nexclude: {a b: twice}\n'
    assert find_cases(recipe(excluded), tmp_path).excluded == (("a_b", "twice"),)


def test_one_file_in_two_groups(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    with pytest.raises(RunError, match=r"a\.png and a\.png"):
        find_cases(recipe('cases: [{image: "{case}.png"}, {image: "{case}.*"}]\n'), tmp_path)


def test_exclude_and_expect(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "c d.png")
    rest = 'cases: {image: "{case}.png"}\nexclude: {c d: blurred, zz: gone, 007: gone}\nexpect: {cases: 4}\n'
    found = find_cases(recipe(rest), tmp_path)
    assert [case.case for case in found.cases] == ["a", "b"]
    assert found.excluded == (("c_d", "blurred"),)
    assert found.warnings == (
        "Set should have 4 cases, found 3",
        "the recipe excludes cases that were not found: 007, zz",
    )


def test_subsample_counts_numbers(tmp_path: Path) -> None:
    touch(tmp_path, *[f"v/frame_{n}.png" for n in range(1, 13)])
    found = find_cases(recipe('cases: {image: "v/{case}.png"}\nsubsample: 4\nexclude: {frame_5: bad}'), tmp_path)
    assert [case.case for case in found.cases] == ["frame_1", "frame_9"]
    assert found.excluded == (("frame_5", "bad"),)


def test_nothing_found_says_what_lies_there(tmp_path: Path) -> None:
    touch(tmp_path, *[f"a/{n}.txt" for n in range(12)], "readme")
    with pytest.raises(SourceError) as caught:
        find_cases(recipe(ONE), tmp_path)
    assert str(caught.value).splitlines() == [
        f"no image of Set in {tmp_path}",
        f"  looked for {{case}}/image.nii.gz; {tmp_path / 'a'} contains: "
        "0.txt, 1.txt, 10.txt, 11.txt, 2.txt, 3.txt, 4.txt, 5.txt, 6.txt, 7.txt and 2 more",
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"contains: \(nothing\)"):
        find_cases(recipe(ONE), tmp_path / "empty")


def test_nothing_found_names_the_folder_that_would_do(tmp_path: Path) -> None:
    touch(tmp_path, "kits/dataset/a/image.nii.gz", "kits/dataset/b/image.nii.gz")
    plain = recipe(ONE)
    with pytest.raises(SourceError, match=f"found 2 under dataset/: use --source {tmp_path}/kits/dataset$"):
        find_cases(plain, tmp_path / "kits")
    deep = recipe('cases: {image: "dataset/{case}/image.nii.gz"}')
    with pytest.raises(SourceError, match=f"found 2 under dataset/: use --source {tmp_path}/kits$"):
        find_cases(deep, tmp_path / "kits/dataset")
    with pytest.raises(SourceError, match=f"found 1 under dataset/a/: use --source {tmp_path}/kits$"):
        find_cases(deep, tmp_path / "kits/dataset/a")


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        find_cases(recipe(ONE), tmp_path / "none")


def test_a_label_is_found_although_it_is_spelled_decomposed(tmp_path: Path) -> None:
    touch(tmp_path, "e\u0301/image.nii.gz", "e\u0301/seg.nii.gz")
    (case,) = find_cases(recipe(ONE), tmp_path).cases
    assert case.image.name == "e\u0301/image.nii.gz"
    assert names(case) == (("", "e\u0301/seg.nii.gz"),)
