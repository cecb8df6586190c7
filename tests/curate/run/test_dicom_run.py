"""Whole runs on DICOM: the corpus that comes out, and that nothing in it leads back to a patient."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from catalog.errors import MedcorpusError
from curate.cli import app
from tests.curate.corpora import contents, rows
from tests.curate.dicom.make import image, noise, save, save_series, structure_set

NAME, IDENTITY, ACCESSION = "Zaphod", "ZB-4711", "ACC0042"
BIRTH, DAY = "19520311", "20210605"
STUDY, SERIES, SPACE = "1.2.826.0.1.4242.1", "1.2.826.0.1.4242.2", "1.2.826.0.1.4242.3"
PLANTED = (NAME, "Beeblebrox", IDENTITY, ACCESSION, BIRTH, DAY, "1.2.826.0.1.4242", "Dr_Who", "Somewhere General")

RECIPE = """
name: Hospital
license: {name: proprietary, redistributable: false, commercial: false}
modality: CT
anatomy: [abdomen]
window: abdomen
cases: {series: {modality: CT}CASE}
encoding: rtstruct
labels: {tumour: "(?i)gtv.*"}
"""


def _plant(folder: Path) -> Path:
    """A study in which names, ids, dates and UIDs are wherever they can be; return the source folder."""
    source = folder / "source"
    place = source / f"{NAME}^Beeblebrox_{BIRTH}" / f"{DAY}_{IDENTITY}"
    tags: dict[str, Any] = {
        "PatientName": f"Beeblebrox^{NAME}", "PatientID": IDENTITY, "PatientBirthDate": BIRTH,
        "AccessionNumber": ACCESSION, "StudyDate": DAY, "SeriesDate": DAY, "ContentDate": DAY,
        "StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "FrameOfReferenceUID": SPACE,
        "ReferringPhysicianName": "Dr_Who", "InstitutionName": "Somewhere General",
        "StudyDescription": f"CT of {NAME}", "SeriesDescription": f"portal {NAME}", "OtherPatientIDs": IDENTITY,
        "OperatorsName": "Dr_Who", "BurnedInAnnotation": "YES",
    }  # fmt: skip
    images = save_series(place / f"CT_{SERIES}", noise((6, 24, 24)), [0, 2, 4, 6, 10, 12], **tags)
    square = [(4.5, 4.5), (18.5, 4.5), (18.5, 18.5), (4.5, 18.5)]
    contours = [[(x, y, z) for x, y in square] for z in (0, 2, 4, 6, 10)]
    label = structure_set(images, {"GTV": [*contours, ("POINT", [(1, 1, 2)])], "couch": contours})
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "AccessionNumber"):
        setattr(label, keyword, tags.get(keyword, ""))
    save(label, place / f"RS_{IDENTITY}.dcm")
    # a series that cannot be read, one without a label, one damaged file
    bad = {**tags, "SeriesInstanceUID": f"{SERIES}.1", "RescaleSlope": 0, "RescaleIntercept": 0}
    save_series(place / f"bad_{NAME}", noise((3, 24, 24)), **{**bad, "FrameOfReferenceUID": f"{SPACE}.1"})
    other = structure_set(
        [image(noise((4, 4)), SeriesInstanceUID=f"{SERIES}.1", FrameOfReferenceUID=f"{SPACE}.1")],
        {"GTV": contours},
    )
    save(other, place / f"RS2_{IDENTITY}.dcm")
    save_series(
        place / f"none_{NAME}", noise((3, 24, 24)),
        **{**tags, "SeriesInstanceUID": f"{SERIES}.2", "FrameOfReferenceUID": f"{SPACE}.2"},
    )  # fmt: skip
    path = save(image(noise((4, 4))), place / f"{NAME}.dcm")
    path.write_bytes(path.read_bytes()[:250])
    return source


def _run(folder: Path, *options: str, case: str = "") -> tuple[int, str]:
    recipe = folder / "hospital.yaml"
    recipe.write_text(RECIPE.replace("CASE", case))
    words = ["run", str(recipe), "--source", str(folder / "source"), "--out", str(folder / "out"), "--workers", "1"]
    return _invoke([*words, "--memory", "2G", *options])


def _invoke(words: list[str]) -> tuple[int, str]:
    """The exit code and what is printed, errors included, as `curate.cli.main` has them."""
    done = CliRunner().invoke(app, words)
    if isinstance(done.exception, MedcorpusError):
        return done.exception.exit_code, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, done.output


def _everything(out: Path) -> bytes:
    """Every name and every byte below a folder, Parquet and Arrow files as text."""
    found = b""
    for path in sorted(out.rglob("*")):
        found += str(path.relative_to(out)).encode() + b"\n"
        if path.suffix == ".parquet":
            found += str(rows(path.parent, path.stem)).encode()
        if path.is_file():
            found += path.read_bytes()
    return found


@pytest.mark.parametrize("store", ["png", "npz", "shards"])
def test_nothing_in_a_corpus_leads_back_to_a_patient(store: str, tmp_path: Path) -> None:
    _plant(tmp_path)
    exit_code, output = _run(tmp_path, "--store", store, "--salt", "secret")
    assert exit_code == 1, output  # two of the three series fail
    out = tmp_path / "out"
    assert len(rows(out)) == 5
    assert {row["reason"] for row in rows(out, "drops")} >= {"unreadable", "no_label", "geometry"}
    assert len(rows(out, "warnings")) >= 3
    found = _everything(out)
    for word in (*PLANTED, "secret", str(tmp_path)):
        assert word.encode() not in found, word


def test_the_test_would_find_a_name(tmp_path: Path) -> None:
    """The same corpus with the patient's id mapped, which is then in names and rows."""
    _plant(tmp_path)
    _run(tmp_path, "--salt", "secret", case=', patient: "{patient_id}", case: "{patient_id}_{series}"')
    found = _everything(tmp_path / "out")
    assert {row["patient"] for row in rows(tmp_path / "out")} == {IDENTITY}
    assert IDENTITY.encode() in found
    assert NAME.encode() not in found


def test_slices_of_uneven_series_are_cut_along_z_alone(tmp_path: Path) -> None:
    _plant(tmp_path)
    _, output = _run(tmp_path)
    out = tmp_path / "out"
    assert {row["axis"] for row in rows(out)} == {"z"}
    refused = [row for row in rows(out, "drops") if row["reason"] == "geometry"]
    assert sorted(str(row["axis"]) for row in refused) == ["x", "y"]
    assert "1 of its slices are missing: 4.00 mm between slices 3 and 4, 2.00 mm elsewhere" in str(refused[0]["detail"])
    warnings = {row["code"]: row["warning"] for row in rows(out, "warnings")}
    assert warnings["uneven"].startswith("only slices along z were cut: 1 of its slices are missing")
    assert "burned" in warnings["image"]
    assert warnings["label"] == "contours of the region 'GTV' were passed over: 1 point"
    assert all(row["spacing_slice"] is None for row in rows(out))
    assert "couch (1)" in output  # a name that no label takes
    assert "hashed without a salt" in output


def test_axes_that_an_uneven_series_does_not_have(tmp_path: Path) -> None:
    _plant(tmp_path)
    exit_code, output = _run(tmp_path, "--axes", "x")
    assert exit_code == 1
    assert "only slices along z can be cut, and `axes` asks for x" in output


def test_a_second_run_with_the_same_salt_does_nothing_and_another_salt_is_refused(tmp_path: Path) -> None:
    _plant(tmp_path)
    _run(tmp_path, "--salt", "secret")
    before = contents(tmp_path / "out")
    _, output = _run(tmp_path, "--salt", "secret")
    assert "(1 done before)" in output
    assert contents(tmp_path / "out") == before
    exit_code, _ = _run(tmp_path, "--salt", "other")
    assert exit_code == 2
    assert contents(tmp_path / "out") == before


def test_the_map_is_written_outside_the_corpus_alone(tmp_path: Path) -> None:
    _plant(tmp_path)
    _run(tmp_path, "--salt", "secret", "--map", str(tmp_path / "map.csv"))
    text = (tmp_path / "map.csv").read_text("utf-8")
    assert all(word in text for word in (IDENTITY, STUDY, SERIES, "Beeblebrox"))
    (case,) = {str(row["case"]) for row in rows(tmp_path / "out")}
    assert case in text
    inside = tmp_path / "out" / "map.csv"
    exit_code, _ = _run(tmp_path, "--salt", "secret", "--map", str(inside))
    assert exit_code == 2
    assert not inside.exists()


def test_a_series_that_grew_is_done_again(tmp_path: Path) -> None:
    source = _plant(tmp_path)
    _run(tmp_path)
    assert len(rows(tmp_path / "out")) == 5
    (folder,) = source.glob("*/*/CT_*")
    missing = image(
        noise((24, 24)), (0, 0, 8), PatientID=IDENTITY, StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES,
        FrameOfReferenceUID=SPACE,
    )  # fmt: skip
    save(missing, folder / "later")
    _run(tmp_path)
    assert "geometry" not in {row["reason"] for row in rows(tmp_path / "out", "drops")}  # the gap is closed
    assert "uneven" not in {row["code"] for row in rows(tmp_path / "out", "warnings")}


def test_the_same_case_of_another_folder_is_refused_unless_nothing_changed(tmp_path: Path) -> None:
    _plant(tmp_path)
    _run(tmp_path)
    shutil.move(tmp_path / "source", tmp_path / "elsewhere")
    recipe, out = str(tmp_path / "hospital.yaml"), str(tmp_path / "out")
    words = ["run", recipe, "--source", str(tmp_path / "elsewhere"), "--out", out, "--workers", "1", "--memory", "2G"]
    exit_code, output = _invoke(words)
    assert exit_code == 1
    assert "(1 done before)" in output
    (changed,) = (tmp_path / "elsewhere").glob("*/*/CT_*/000.dcm")
    os.utime(changed, (0, 0))
    exit_code, output = _invoke(words)
    assert exit_code == 2
    assert "one from another folder" in output
    assert _invoke([*words, "--replace"])[0] == 1


def test_monochrome1_through_its_own_window(tmp_path: Path) -> None:
    """MONOCHROME1 through the file's own window: the catalog's window maps the picture back to intensities."""
    pixels = np.tile(np.arange(0, 4096, 64, dtype=np.uint16), (64, 1))
    save(
        image(pixels, None, Modality="DX", PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11,
              WindowCenter=2048, WindowWidth=1025),
        tmp_path / "source" / "x",
    )  # fmt: skip
    (tmp_path / "hospital.yaml").write_text(
        "name: Hospital\nlicense: {name: x}\nmodality: X-ray\nanatomy: [thorax]\nwindow: dicom\n"
        "cases: {series: {modality: X-ray}}\n"
    )
    words = ["run", str(tmp_path / "hospital.yaml"), "--source", str(tmp_path / "source"), "--keep-empty"]
    exit_code, output = _invoke([*words, "--out", str(tmp_path / "out"), "--workers", "1", "--memory", "2G"])
    assert exit_code == 0, output
    (row,) = rows(tmp_path / "out")
    assert (row["window_low"], row["window_high"]) == (4095 - 2559.5, 4095 - 1535.5)
    picture = cv2.imread(str(tmp_path / "out" / str(row["image"])), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert (picture[0, 0], picture[0, 32], picture[0, -1]) == (255, 127, 0)


def test_run_json_holds_no_path(tmp_path: Path) -> None:
    _plant(tmp_path)
    _run(tmp_path)
    content = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert content["datasets"]["Hospital"]["files_unnamed"] == {"couch": 1}
    assert len(content["datasets"]["Hospital"]["failed"]) == 2
