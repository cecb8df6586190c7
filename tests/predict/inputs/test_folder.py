"""Folders as people have them: sub-folders, quick-looks, clashes, DICOM, names from macOS."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from predict.errors import CaseFault, FolderError, UsageError
from predict.inputs.challenge import ChallengeFile
from predict.inputs.folder import find_cases
from predict.inputs.input_options import InputOptions
from predict.inputs.label_files import LabelFolder
from predict.inputs.pictures import PictureFile
from predict.inputs.scans import ScanFile
from predict.notes import NoteKind
from predict.prompts.tables import NamedBoxes
from tests.predict.conftest import refused

BOX = NamedBoxes(np.array([[3.0, 4, 20, 30]]), ("",))
SOLID_BOX = NamedBoxes(np.array([[3.0, 4, 1, 20, 30, 2]]), ("",))
POINTS = np.ones((1, 4))


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def codes(found):
    return {name: error.fault for name, error in found.failed.items()}


def names(found):
    return [source.name for source in found.sources]


def test_cases_of_every_kind_are_found_by_name(tmp_path):
    touch(tmp_path, "f.MHA", "e.nii.gz", "b.npz", "a.JPG", "c.png", "d.x.nii", "g.nhdr", ".g.npz", "notes.txt", "h.raw")
    found = find_cases(tmp_path, InputOptions())
    assert [(source.name, type(source), source.target.name) for source in found.sources] == [
        ("a", PictureFile, "a.png"),
        ("b", ChallengeFile, "b.npz"),
        ("c", PictureFile, "c.png"),
        ("d.x", ScanFile, "d.x.nii.gz"),
        ("e", ScanFile, "e.nii.gz"),
        ("f", ScanFile, "f.mha"),
        ("g", ScanFile, "g.nrrd"),
    ]
    assert found.failed == found.notes == {}


def test_sub_folders_are_walked_and_results_keep_them(tmp_path):
    touch(tmp_path, "p1/scan.nii.gz", "p2/deep/scan.nii.gz", "p2/a.png", "b.png", ".hidden/c.png", "out/b.png")
    found = find_cases(tmp_path, InputOptions(), left_out=[tmp_path / "out"])
    assert [(source.name, source.target.as_posix()) for source in found.sources] == [
        ("b", "b.png"),
        ("p1/scan", "p1/scan.nii.gz"),
        ("p2/a", "p2/a.png"),
        ("p2/deep/scan", "p2/deep/scan.nii.gz"),
    ]


def test_links_to_folders_are_followed_once(tmp_path):
    touch(tmp_path, "cases/a.png", "elsewhere/b.png")
    (tmp_path / "cases" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "cases")
    assert names(find_cases(tmp_path / "cases", InputOptions())) == ["a", "more/b"]


def test_one_file_is_a_case(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    found = find_cases(tmp_path / "b.png", InputOptions(), BOX)
    assert names(found) == ["b"]
    assert found.sources[0].options.boxes == {"b": BOX}
    with pytest.raises(UsageError):
        find_cases(tmp_path, InputOptions(), BOX)


def test_a_folder_with_the_name_of_a_picture_is_a_folder(tmp_path):
    touch(tmp_path, "x.png/inner.png", "a.png")
    assert names(find_cases(tmp_path, InputOptions())) == ["a", "x.png/inner"]


def test_a_clash_of_results_fails_that_pair_alone(tmp_path):
    touch(tmp_path, "a.png", "a.jpg", "b.png", "c.nii", "c.nii.gz")
    found = find_cases(tmp_path, InputOptions())
    assert names(found) == ["b"]
    assert codes(found) == dict.fromkeys(("a.jpg", "a.png", "c.nii", "c.nii.gz"), CaseFault.CLASH)
    assert "a.jpg and a.png" in str(found.failed["a.png"])


@pytest.mark.parametrize("word", ["ct.nii.gz", "ct", "p/ct"])
def test_a_quick_look_beside_its_scan_is_left_out_and_named(word, tmp_path):
    touch(tmp_path, "p/ct.nii.gz", "p/ct.png", "p/mr.nii.gz")
    found = find_cases(tmp_path, InputOptions(boxes={word: SOLID_BOX}))
    assert names(found) == ["p/ct.nii.gz", "p/mr"]
    assert found.failed == {}
    assert set(found.sources[0].options.boxes) == {"p/ct.nii.gz"}
    assert {name: note.kind for name, note in found.notes.items()} == {
        "p/ct": NoteKind.NAMED, "p/ct.png": NoteKind.LEFT_OUT
    }  # fmt: skip


def test_a_picture_beside_a_scan_stays_where_it_has_prompts(tmp_path):
    touch(tmp_path, "a.nii.gz", "a.png")
    found = find_cases(tmp_path, InputOptions(boxes={"a.png": BOX, "a.nii.gz": SOLID_BOX}))
    assert [(source.name, source.target.name) for source in found.sources] == [
        ("a.nii.gz", "a.nii.gz"), ("a.png", "a.png")
    ]  # fmt: skip
    assert names(find_cases(tmp_path, InputOptions(points={"a": POINTS}))) == ["a.nii.gz", "a.png"]
    ambiguous = find_cases(tmp_path, InputOptions(boxes={"a": BOX}))
    assert codes(ambiguous) == {"a": CaseFault.AMBIGUOUS}


@pytest.mark.parametrize(
    ("word", "case"),
    [
        ("p1/scan.nii.gz", "p1/scan"),
        ("p1/scan", "p1/scan"),
        ("./p1/scan", "p1/scan"),
        ("p1\\scan.nii.gz", "p1/scan"),
        ("C:\\data\\cases\\p1\\scan.nii.gz", "p1/scan"),
        ("/somewhere/else/p2/scan.nii.gz", "p2/scan"),
        ("lone.png", "p2/lone"),
        ("lone", "p2/lone"),
        ("scan.nii.gz", CaseFault.AMBIGUOUS),
        ("scan", CaseFault.AMBIGUOUS),
        ("p3/scan", CaseFault.MISSING),
        ("other/lone.png", CaseFault.MISSING),
        ("p1/scan.png", CaseFault.MISSING),
    ],
)
def test_what_a_name_in_the_file_of_boxes_means(word, case, tmp_path):
    touch(tmp_path, "p1/scan.nii.gz", "p2/scan.nii.gz", "p2/lone.png")
    found = find_cases(tmp_path, InputOptions(boxes={word: BOX}, points={word: POINTS}))
    if isinstance(case, CaseFault):
        assert codes(found) == {word: case}
        assert len(found.sources) == 3
    else:
        assert set(found.sources[0].options.boxes) == set(found.sources[0].options.points) == {case}
        assert found.failed == {}


def test_two_names_of_one_image_fail_it_alone(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    found = find_cases(tmp_path, InputOptions(boxes={"a": BOX, "a.png": BOX}))
    assert names(found) == ["b"]
    assert codes(found) == {"a": CaseFault.PROMPT_TWICE}


@pytest.mark.parametrize(("stored", "written"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
def test_names_of_macos_are_those_of_the_table(stored, written, tmp_path):
    name = "Müller_é.png"
    touch(tmp_path / "cases", unicodedata.normalize(stored, name))
    touch(tmp_path / "truth", unicodedata.normalize(written, name))
    options = InputOptions(boxes={unicodedata.normalize(written, name): BOX}, truth=LabelFolder(tmp_path / "truth"))
    (source,) = (found := find_cases(tmp_path / "cases", options)).sources
    assert found.failed == {}
    assert source.name in source.options.boxes
    assert source.target.name == unicodedata.normalize(stored, name)  # as the user's file is called
    assert source.options.truth.find(source.stem, (".png",)) is not None


def test_label_folders_have_the_same_sub_folders(tmp_path):
    touch(tmp_path, "p1/scan.nii.gz", "p2/scan.mha", "p2/scan.nii")
    folder = LabelFolder(tmp_path)
    assert folder.find("p1/scan", (".nii.gz", ".nii", ".mha")) == tmp_path / "p1/scan.nii.gz"
    assert folder.find("scan", (".nii.gz",)) is None
    with refused(CaseFault.LABEL_FILE):
        folder.find("p2/scan", (".nii", ".mha"))


def dicom(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(128) + b"DICM" + bytes(100))


def test_dicom_is_named(tmp_path):
    touch(tmp_path, "a.png", "p1/README")
    for number in range(3):
        dicom(tmp_path / "p1" / f"IM{number}")
    touch(tmp_path, "p2/x.dcm")
    found = find_cases(tmp_path, InputOptions())
    assert names(found) == ["a"]
    assert codes(found) == {"p1 (DICOM)": CaseFault.FORMAT, "p2 (DICOM)": CaseFault.FORMAT}
    assert "3 DICOM files" in str(found.failed["p1 (DICOM)"])
    (tmp_path / "a.png").unlink()
    for place in (tmp_path, tmp_path / "p1" / "IM0"):
        with pytest.raises(FolderError, match="DICOM"):
            find_cases(place, InputOptions())


def test_a_folder_without_cases_says_what_it_holds(tmp_path):
    with pytest.raises(FolderError, match=r"has no case \(\.npz, .*it is empty"):
        find_cases(tmp_path, InputOptions())
    touch(tmp_path, *"dacb")
    with pytest.raises(FolderError, match=r"it holds a, b, c, \.\.\."):
        find_cases(tmp_path, InputOptions())
    with pytest.raises(FolderError, match=r"^a is not a case"):
        find_cases(tmp_path / "a", InputOptions())
    with pytest.raises(FolderError, match="not found"):
        find_cases(tmp_path / "none", InputOptions())
    with pytest.raises(FolderError, match="folder not found"):
        LabelFolder(tmp_path / "none")


def test_fingerprints_change_with_files_prompts_and_options(tmp_path):
    touch(tmp_path / "cases", "a.png")
    touch(tmp_path / "truth", "a.png")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 3, 4), np.uint8)), str(tmp_path / "cases/b.mhd"))

    def prints(**options):
        return [source.fingerprint() for source in find_cases(tmp_path / "cases", InputOptions(**options)).sources]

    before = prints()
    assert prints() == before
    truth = {"truth": LabelFolder(tmp_path / "truth"), "score": True}
    others = [{"boxes": {"a": BOX, "b": SOLID_BOX}}, {"score": True}, {"jitter": 3}, truth]
    found = [before, *(prints(**other) for other in others)]
    assert len({row[0] for row in found}) == len({row[1] for row in found[:-1]}) + 1 == len(found)
    (tmp_path / "truth/a.png").write_bytes(b"x")
    assert prints(**truth)[0] != found[-1][0]
    (tmp_path / "cases/b.raw").write_bytes(b"x")
    assert [a == b for a, b in zip(prints(), before, strict=True)] == [True, False]
