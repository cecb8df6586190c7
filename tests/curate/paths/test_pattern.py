"""Patterns against a plain walk over all files, and wrong patterns."""

import os
import string
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import SourceError
from curate.paths.listing import Folders
from curate.paths.pattern import PatternError, parse_pattern, render, template_fields


def touch(root: Path, *names: str) -> Folders:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return Folders(root)


@pytest.mark.parametrize(
    ("pattern", "path", "fields"),
    [
        ("{case}/imaging.nii.gz", "case_1/imaging.nii.gz", {"case": "case_1"}),
        ("{case}/imaging.nii.gz", "a/case_1/imaging.nii.gz", None),
        ("{case}/{case}.png", "a/a.png", {"case": "a"}),
        ("{case}/{case}.png", "a/b.png", None),
        # lazy from left to right, and longer where the rest asks for it
        ("{a}_{b}.png", "x_y_z.png", {"a": "x", "b": "y_z"}),
        ("{case}_{date}/{case}.nii", "pat_1_2015/pat_1.nii", {"case": "pat_1", "date": "2015"}),
        (r"{case:\d+}_HC.png", "001_HC.png", {"case": "001"}),
        (r"{case:\d+}_HC.png", "x01_HC.png", None),
        (r"{case:\d{3}}.png", "0123.png", None),
        ("{kind:CT|MR}_{n}.nii", "MR_5.nii", {"kind": "MR", "n": "5"}),
        (r"{case}/{case:\d+}.png", "a/a.png", None),
        ("img*/{case}.png", "img/x.png", {"case": "x"}),
        ("img*/{case}.png", "img_9/x.png", {"case": "x"}),
        ("*.png", "a/b.png", None),
        ("**/{case}.png", "x.png", {"case": "x"}),
        ("**/{case}.png", "a/b/x.png", {"case": "x"}),
        ("a/**/{case}.png", "a/b/c/x.png", {"case": "x"}),
        ("a/**/{case}.png", "b/c/x.png", None),
        ("**/{site:.+}/{case}.png", "a/b/x.png", {"site": "b", "case": "x"}),
        ("{case}.png", "a.PNG", None),
        ("a (1) [b]+?.png", "a (1) [b]+?.png", {}),
        ("a.png", "aXpng", None),
        ("{case}.png", "a\nb.png", {"case": "a\nb"}),
        ("{case}.png", ".png", None),
        ("é_{case}.png", unicodedata.normalize("NFD", "é_ü.png"), {"case": "ü"}),
    ],
)
def test_match(pattern: str, path: str, fields: dict[str, str] | None) -> None:
    assert parse_pattern(pattern).match(path) == fields


BAD_PATTERNS = {
    "/data/{case}.png": 1,
    "~/x.png": 1,
    "C:\\x.png": 2,
    "../{case}.png": 1,
    "a/../../{case}.png": 2,
    "a//b.png": 1,
    "": 1,
    "{case.png": 2,
    "case}.png": 1,
    "{}.png": 1,
    "{1a}.png": 1,
    "{a:[}.png": 1,
    "{a:(x)}.png": 1,
    "{a:x*}.png": 1,
    "{a:x/y}.png": 1,
    "{a:x}/{a:y}.png": 1,
    "a/**": 1,
    "a**/x.png": 1,
}
"""Wrong patterns and the number of their faults; tests/golden/messages.txt holds the messages."""


@pytest.mark.parametrize("pattern", BAD_PATTERNS)
def test_bad_patterns(pattern: str) -> None:
    with pytest.raises(PatternError) as caught:
        parse_pattern(pattern)
    assert len(caught.value.faults) == BAD_PATTERNS[pattern]


VALUES = st.text(
    st.characters(blacklist_characters="/\0{}*_\\", blacklist_categories=["Cs"]), min_size=1, max_size=8
).map(lambda text: unicodedata.normalize("NFC", text))


@given(VALUES, VALUES, VALUES)
def test_fill_then_match_is_the_identity(a: str, b: str, c: str) -> None:
    fields = {"a": a, "b": b, "c": c}
    pattern = parse_pattern("x_{a}/{b}_(1)[2]_{c}/{a}.nii.gz")
    assert pattern.match(pattern.fill(fields)) == fields


WORDS = st.text("ab_./", min_size=1, max_size=12).filter(lambda text: "//" not in text and text.strip("/") == text)


@given(st.sampled_from(["{a}_{b}", "{a}/{b}_{a}", "{a}{b}/{b}", "{a}.{b}.{c}", "{a:[ab]+}{b}/{c}"]), WORDS)
def test_match_then_fill_is_the_path(text: str, path: str) -> None:
    pattern = parse_pattern(text)
    fields = pattern.match(path)
    if fields is not None:
        assert pattern.fill(fields) == path
        assert not any("/" in value for value in fields.values())


@given(st.text(string.printable, max_size=20))
def test_any_text_parses_or_says_why(text: str) -> None:
    try:
        pattern = parse_pattern(text)
    except PatternError as error:
        wrong = error.faults
    else:
        wrong = [part for part in pattern.text.split("/") if part not in ("", ".", "..")]
    assert wrong


def test_fill_refuses_what_fields_cannot_tell() -> None:
    with pytest.raises(ValueError, match="needs more than the fields a"):
        parse_pattern("{a}/*.png").fill({"a": "x"})
    with pytest.raises(ValueError, match="needs more than the fields"):
        parse_pattern("{a}/{b}.png").fill({"a": "x"})


def test_find_is_sorted_and_skips_what_is_hidden(tmp_path: Path) -> None:
    hidden = ("a/._x.png", "a/.x.png", ".git/x.png", ".DS_Store")
    folders = touch(tmp_path, "b/x.png", "a/x.png", *hidden, "a/y.jpg", "x.png", "c/x.png/z")
    found = parse_pattern("{case}/{name}.png").find(folders)
    assert found == [("a/x.png", {"case": "a", "name": "x"}), ("b/x.png", {"case": "b", "name": "x"})]
    assert parse_pattern(".git/{name}.png").find(folders) == [(".git/x.png", {"name": "x"})]


def test_find_any_folders(tmp_path: Path) -> None:
    names = ["a/b/a/b/x.png", "a/x.png", "b/a/c/x.png", "x.png"]
    folders = touch(tmp_path, *names)
    assert [path for path, _ in parse_pattern("**/{n}.png").find(folders)] == names
    assert [path for path, _ in parse_pattern("**/a/**/{n}.png").find(folders)] == names[:3]


PARTS = st.sampled_from(["a", "b", "{x}", "{y}", "*", "**", "a*", "{x}b", "{x:[ab]+}"])
TREE = st.lists(st.lists(st.sampled_from(["a", "b", "ab", "bb"]), min_size=1, max_size=4).map("/".join), max_size=8)


@given(st.lists(PARTS, min_size=1, max_size=4).map("/".join), TREE)
def test_find_is_match_over_all_files(tmp_path_factory: pytest.TempPathFactory, text: str, tree: list[str]) -> None:
    try:
        pattern = parse_pattern(text)
    except PatternError:
        return
    root = tmp_path_factory.mktemp("tree")
    folders = touch(root, *[f"{path}/f" for path in tree])
    every = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    expected = [(path, fields) for path in every if (fields := pattern.match(path)) is not None]
    assert pattern.find(folders) == expected
    for path, fields in expected:
        assert path in pattern.paths(folders, fields)


def test_names_with_blanks_brackets_and_unicode(tmp_path: Path) -> None:
    names = ["PH2 Dataset images/IMD (1)/a [x]{y}.bmp", "PH2 Dataset images/脳 é/a [x]é.bmp"]
    folders = touch(tmp_path, *names)
    found = parse_pattern("PH2 Dataset images/{case}/a [x]{rest}.bmp").find(folders)
    assert [(path, fields["case"]) for path, fields in found] == [(names[0], "IMD (1)"), (names[1], "脳 é")]


def test_a_decomposed_name_on_disk_matches_and_comes_back_as_written(tmp_path: Path) -> None:
    written = unicodedata.normalize("NFD", "é/ü.png")
    folders = touch(tmp_path, written)
    assert parse_pattern("é/{case}.png").find(folders) == [(written, {"case": "ü"})]
    assert folders.path("é/ü.png") == written
    assert folders.path("é/ö.png") is None


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/x.png", "source/y.png")
    source = tmp_path / "source"
    (source / "link").symlink_to(tmp_path / "elsewhere")
    (source / "loop").symlink_to(source)
    (source / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    found = parse_pattern("**/{n}.png").find(Folders(source))
    assert [path for path, _ in found] == ["link/x.png", "y.png"]


def test_paths_bind_fields_and_keep_ties(tmp_path: Path) -> None:
    folders = touch(
        tmp_path,
        "c1/m/a.png",
        "c1/m/b.png",
        "c2/m/a.png",
        "c1/p/p.png",
        "c1/p/q.png",
        "c1_x.png",
        "c10_x.png",
    )
    assert parse_pattern("{case}/m/{instance}.png").paths(folders, {"case": "c1"}) == [
        "c1/m/a.png",
        "c1/m/b.png",
    ]
    assert parse_pattern("{case}/{i}/{i}.png").paths(folders, {"case": "c1"}) == ["c1/p/p.png"]
    assert parse_pattern("{case}_*.png").paths(folders, {"case": "c1"}) == ["c1_x.png"]


def test_a_value_with_regex_characters_is_bound_literally(tmp_path: Path) -> None:
    folders = touch(tmp_path, "a+b/m_1.png", "aab/m_1.png")
    assert parse_pattern("{case}/m_*.png").paths(folders, {"case": "a+b"}) == ["a+b/m_1.png"]


def test_many_looks_into_one_folder_agree_with_one(tmp_path: Path) -> None:
    folders = touch(tmp_path, *[f"seg/{i}.png" for i in range(0, 20, 2)])
    assert [folders.path(f"seg/{i}.png") is not None for i in range(20)] == [i % 2 == 0 for i in range(20)]
    assert folders.path("none/1.png") is None


def test_a_folder_that_cannot_be_read_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = touch(tmp_path, "a/x.png", "b/x.png")
    scandir = os.scandir

    def closed(path: Path) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert [path for path, _ in parse_pattern("{c}/{n}.png").find(folders)] == ["a/x.png"]
    assert folders.warnings == [f"{tmp_path / 'b'} was skipped: Permission denied"]


def test_source_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="file is a file; pass the folder"):
        Folders(tmp_path / "file")
    with pytest.raises(SourceError, match="none does not exist"):
        Folders(tmp_path / "none")


def test_templates() -> None:
    assert template_fields("{site}_{case}_{site}") == ("site", "case")
    assert render("{site}_{case}", {"site": "a", "case": "{site}"}) == "a_{site}"
    for bad in ("{site", "site}", "{}", "{a:b}"):
        with pytest.raises(PatternError, match="braces without the name of a field"):
            template_fields(bad)
