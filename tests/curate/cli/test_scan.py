"""`curate scan` as a user meets it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pydicom
import pytest
from typer.testing import CliRunner

from curate.cli import app
from tests.curate.dicom.make import image, noise, save, save_series, structure_set

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A CT with contours, an MR with two echoes and a gap, a film, a report, a damaged file and a text."""
    ct = save_series(tmp_path / "ct", noise((5, 8, 10)), SeriesInstanceUID="1.2.1", PixelSpacing=[0.5, 0.25])
    square = [(1, 1, 1), (6, 1, 1), (6, 6, 1), (1, 6, 1)]
    save(structure_set(ct, {"GTV": [square], "couch": [square]}), tmp_path / "rs.dcm")
    for echo in (1, 2):
        save_series(
            tmp_path / f"mr{echo}", noise((4, 8, 8)), [0, 2, 4, 8], PatientID="P2", Modality="MR", EchoNumbers=echo,
            SeriesInstanceUID="1.2.2", StudyInstanceUID="1.9", FrameOfReferenceUID="1.2.2.1", BurnedInAnnotation="YES",
        )  # fmt: skip
    frames = noise((3, 8, 8), "uint8", 0, 255)
    film = image(
        frames[0], None, NumberOfFrames=3, PixelData=frames.tobytes(), Modality="US", SeriesInstanceUID="1.2.3"
    )
    save(film, tmp_path / "film")
    shutil.copy(TEST_FILES / "test-SR.dcm", tmp_path / "report")
    path = save(image(noise((8, 8))), tmp_path / "damaged")
    path.write_bytes(path.read_bytes()[:250])
    (tmp_path / "readme.txt").write_text("text")
    return tmp_path


def _scan(*words: object) -> str:
    done = CliRunner().invoke(app, ["scan", *map(str, words)], env={"COLUMNS": "400", "NO_COLOR": "1"})
    assert done.exit_code == 0, done.output
    return done.output


def test_what_a_person_sees(folder: Path) -> None:
    output = _scan(folder)
    assert "18 files: 14 images of 2 patients, 2 studies, 4 volumes, images and films; 1 segmentations" in output
    assert "passed over: 1 Comprehensive SR Storage, 1 that are not DICOM" in output
    assert "damaged: damaged: its header breaks off" in output
    assert "5 x 8 x 10" in output
    assert "1 x 0.5 x 0.25" in output
    assert "1 of its slices are missing" in output
    assert "text burned into the pixels" in output
    assert "a film: set" in output
    assert "GTV, couch" in output


def test_what_a_program_reads(folder: Path) -> None:
    found: dict[str, Any] = json.loads(_scan(folder, "--json"))
    assert found["others"] == {"Comprehensive SR Storage": 1}
    assert (found["foreign"], found["damaged"]) == (1, [["damaged", "its header breaks off"]])
    assert [(one["modality"], one["part"], one["parts"], one["shape"]) for one in found["series"]] == [
        ("CT", 1, 1, [5, 8, 10]), ("US", 1, 1, [3, 8, 8]), ("MR", 1, 2, [4, 8, 8]), ("MR", 2, 2, [4, 8, 8]),
    ]  # fmt: skip
    (label,) = found["labels"]
    assert label["refers_to"] == [found["series"][0]["name"]]
    assert (label["by"], label["names"]) == ("images", ["GTV", "couch"])
    assert found["series"][0]["labels"] == [label["name"].partition("/")[2]]


def test_names_depend_on_the_salt(folder: Path) -> None:
    plain, salted = (json.loads(_scan(folder, "--json", *salt)) for salt in ((), ("--salt", "s")))
    assert plain["series"][0]["name"] != salted["series"][0]["name"]


def test_a_label_of_no_image(folder: Path) -> None:
    shutil.rmtree(folder / "ct")
    found = json.loads(_scan(folder, "--json"))
    assert found["labels"][0]["odd"] == ["5 of the 5 images it refers to are not here", "belongs to no image here"]


def test_a_folder_without_dicom(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    assert "1 files: 0 images" in _scan(tmp_path)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["scan", str(tmp_path / "nothing")])
    assert "is not a folder" in str(done.exception)
