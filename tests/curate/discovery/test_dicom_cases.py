"""Cases of DICOM series: rules on tags, fields, labels by rule or pattern, and faults of recipes."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate.discovery.cases import Found, find_cases
from curate.errors import RecipeError, RunError, SourceError
from curate.readers import read
from curate.recipe.load import parse_recipe
from tests.curate.dicom.make import image, noise, save, save_series

HEAD = "name: Series\nlicense: {name: CC0-1.0}\nmodality: MR\nanatomy: [abdomen]\n"


def find(folder: Path, cases: str, extra: str = "", salt: str = "") -> Found:
    """The cases of a recipe with this group."""
    return find_cases(parse_recipe(f"{HEAD}cases: {cases}\n{extra}", Path("series.yaml")), folder, salt)


def _slices(found: Found) -> list[int]:
    return sorted(read(case.image).shape[0] for case in found.cases)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Series of two patients: a portal and a native CT, a localiser, and an MR with two echoes."""
    sets: list[tuple[int, dict[str, Any]]] = [
        (20, {"SeriesDescription": "Portal Venous", "SeriesNumber": 2, "BodyPartExamined": "ABDOMEN"}),
        (24, {"SeriesDescription": "native", "SeriesNumber": 3, "SliceThickness": 5}),
        (2, {"SeriesDescription": "portal localiser", "SeriesNumber": 1}),
        (10, {"PatientID": "P2", "Modality": "MR", "SeriesDescription": "T2 map", "SeriesNumber": 7, "EchoNumbers": 1}),
        (10, {"PatientID": "P2", "Modality": "MR", "SeriesDescription": "T2 map", "SeriesNumber": 7, "EchoNumbers": 2}),
    ]
    for number, (count, tags) in enumerate(sets):
        uid = f"1.2.{tags['SeriesNumber']}"
        study = f"1.9.{tags.get('PatientID', 'P1')[1:]}"
        save_series(
            tmp_path / f"s{number}", noise((count, 8, 8)), SeriesInstanceUID=uid, StudyInstanceUID=study, **tags
        )
    return tmp_path


@pytest.mark.parametrize(
    ("rules", "slices"),
    [
        ("{}", [2, 10, 10, 20, 24]),
        ("{modality: CT}", [2, 20, 24]),
        ('{modality: CT, description: "(?i)portal"}', [2, 20]),
        ('{modality: CT, description: "(?i)portal", slices: ">=20"}', [20]),
        ("{modality: CT, description: portal}", [2]),
        ("{modality: ct, number: [2, 3]}", [20, 24]),
        ('{slices: "10..20"}', [10, 10, 20]),
        ("{modality: MR, echo: 2}", [10]),
        ("{modality: MR, part: 1}", [10]),
        ("{thickness: 5}", [24]),
        ("{body_part: abdomen}", [20]),
        ("{orientation: axial, step: 1, rows: 8}", [2, 10, 10, 20, 24]),
        ('{patient_id: "^P2$"}', [10, 10]),
        ('{folder: "s{n:[01]}"}', [20, 24]),
    ],
)
def test_rules(rules: str, slices: list[int], folder: Path) -> None:
    assert _slices(find(folder, f"{{series: {rules}}}")) == slices


def test_no_series_fits(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"looked for DICOM series \{modality: PET\}; `curate scan"):
        find(folder, "{series: {modality: PET}}")


def test_ids_are_pseudonyms_under_a_salt(folder: Path) -> None:
    plain = find(folder, "{series: {modality: CT}}")
    salted = find(folder, "{series: {modality: CT}}", salt="secret")
    assert len({case.patient for case in plain.cases}) == 1
    assert len({case.case for case in plain.cases}) == 3
    assert all(len(case.case) == 16 and set(case.case) <= set("0123456789abcdef") for case in plain.cases)
    assert {case.case for case in plain.cases}.isdisjoint(case.case for case in salted.cases)
    assert plain.cases[0].patient != salted.cases[0].patient


def test_parts_of_a_series_have_names_of_their_own(folder: Path) -> None:
    found = find(folder, "{series: {modality: MR}}")
    assert [case.case[16:] for case in found.cases] == ["_1", "_2"]
    assert found.cases[0].patient == found.cases[1].patient


def test_ids_of_fields(folder: Path) -> None:
    found = find(folder, '{series: {modality: CT}, case: "{patient_id}_{number}", patient: "{patient_id}"}')
    assert [(case.case, case.patient) for case in found.cases] == [("P1_1", "P1"), ("P1_2", "P1"), ("P1_3", "P1")]
    found = find(folder, '{series: {folder: "{case:s[01]}"}}')
    assert [case.case for case in found.cases] == ["s0", "s1"]


def test_two_series_of_one_id_are_refused(folder: Path) -> None:
    with pytest.raises(RunError, match="two image files map to the same case id"):
        find(folder, '{series: {modality: CT}, case: "{patient}"}')


@pytest.mark.parametrize(
    ("cases", "extra", "fault"),
    [
        ("{series: {modalty: CT}}", "", "series.modalty: is not a known key; .*did you mean 'modality'"),
        ('{series: {description: "(?i"}}', "", r"series.description: '\(\?i' is not allowed here; allowed: a regular"),
        ('{series: {slices: "many"}}', "", "series.slices: 'many' is not allowed here; allowed: a number such as 20"),
        ("{series: {slices: [1, true]}}", "", "series.slices: .*allowed: text, a number, or a list of these"),
        ('{series: {folder: "/x"}}', "", "series.folder: '/x' is absolute"),
        ('{series: {}, image: "x"}', "", "series: cannot be used with `image`"),
        ('{series: {}, not: ["x"]}', "", "not: cannot be used with `series`"),
        ('{series: {}, case: "{patient_id}"}', "", r"case: contains \{patient_id\}, which identifies the patient"),
        ('{series: {}, case: "{name}"}', "", r"the field \{name\} is not in `series`, whose fields are: patient"),
        ('{image: "x", label: {modality: SEG}}', "labels: {a: 1}", "label: rules choose labels of DICOM series"),
        ('{series: {}, label: {modality: SEG}}', "labels: {a: 1}\nencoding: files", "encoding files needs a pattern"),
        ('{image: "x"}', "suv: bw", "suv: 'bw' has no effect without `series`"),
        ("{series: {}}", "encoding: dicom_seg", "labels: is missing"),
        ("{series: {}}", "encoding: rtstruct\nlabels: {a: 1}", "labels.a: 1 is not allowed here; allowed: a regular"),
        ("{series: {}}", 'encoding: rtstruct\nlabels: {a: "("}', "labels.a: .* is not allowed here; allowed: a reg"),
        ("{series: {}}", "encoding: dicom_seg\nlabels: {a: 0}", "labels.a: 0 is not allowed here; allowed: the number"),
        ("{series: {}}", "modality: {field: modality, map: {CT: CT}}", "a map cannot be used with `series`"),
    ],
)  # fmt: skip
def test_faults_of_recipes(cases: str, extra: str, fault: str) -> None:
    head = HEAD.replace("modality: MR\n", "") if "modality: {" in extra else HEAD
    with pytest.raises(RecipeError, match=fault):
        parse_recipe(f"{head}cases: {cases}\n{extra}\n", Path("series.yaml"))


def test_a_mask_that_is_a_series(shared_data: Path) -> None:
    found = find(
        shared_data / "Brain-Tumor-Progression",
        "{series: {description: T1post}, label: {description: Mask}}",
        "labels: [tumour]\nencoding: threshold\nthreshold: 1\n",
    )
    (case,) = found.cases
    ((word, label),) = case.labels
    assert word == ""
    assert np.allclose(read(label).affine, read(case.image).affine, atol=1e-3)  # type: ignore[arg-type]
    assert (read(label).voxels > 0).any()


def test_the_mask_series_of_the_same_study(tmp_path: Path) -> None:
    for patient in ("A", "B"):
        for number, what in enumerate(("image", "mask")):
            save_series(
                tmp_path / patient / what, noise((4, 8, 8), "uint8", 0, 2), PatientID=patient, SeriesDescription=what,
                SeriesInstanceUID=f"1.{ord(patient)}.{number}", StudyInstanceUID=f"1.{ord(patient)}",
                FrameOfReferenceUID="" if patient == "B" else f"1.{ord(patient)}.9",
            )  # fmt: skip
    rules = "{series: {description: image}, label: {description: mask}, patient: '{patient_id}'}"
    found = find(tmp_path, rules, "labels: {a: 1}")
    assert [case.patient for case in found.cases] == ["A", "B"]
    for case in found.cases:
        assert isinstance(case.labels[0][1], type(case.image))
        assert case.labels[0][1].files[0].startswith(f"{case.patient}/mask/")  # type: ignore[attr-defined]


def test_several_masks_that_fit_are_refused(tmp_path: Path) -> None:
    for number, what in enumerate(("image", "mask 1", "mask 2")):
        save_series(tmp_path / what, noise((4, 8, 8)), SeriesDescription=what, SeriesInstanceUID=f"1.{number}")
    found = find(tmp_path, "{series: {description: image}, label: {description: mask}}", "labels: {a: 1}")
    assert found.cases[0].labels == ()
    assert found.warnings[0].startswith("1 series have several mask series that match `label`")


def test_labels_by_pattern_of_fields(tmp_path: Path) -> None:
    save_series(tmp_path / "scans" / "John Doe", noise((4, 8, 8)))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "John Doe.nii.gz").write_bytes(b"")
    found = find(tmp_path, '{series: {folder: "scans/{who}"}, label: "labels/{who}.nii.gz"}', "labels: {a: 1}")
    ((_, label),) = found.cases[0].labels
    assert label.name.startswith("files/")
    assert label.name.endswith(".nii.gz")
    assert "Doe" not in label.name + found.cases[0].case
    assert label.stamps(())[0][1] == 0


def test_series_beside_files(tmp_path: Path) -> None:
    """One recipe with a group of files and a group of series."""
    save_series(tmp_path / "ct", noise((4, 8, 8)))
    (tmp_path / "a.png").write_bytes(b"")
    recipe = parse_recipe(
        f'{HEAD}cases: [{{image: "{{case}}.png"}}, {{series: {{modality: CT}}}}]\n', Path("series.yaml")
    )
    assert [case.group for case in find_cases(recipe, tmp_path).cases] == [1, 0]


def test_damaged_files_are_a_warning(tmp_path: Path) -> None:
    save_series(tmp_path / "ct", noise((4, 8, 8)))
    path = save(image(noise((8, 8))), tmp_path / "x")
    path.write_bytes(path.read_bytes()[:250])
    shutil.copy(path, tmp_path / "y")
    assert find(tmp_path, "{series: {}}").warnings == (
        "2 DICOM files are damaged and were passed over; `curate scan` lists them",
    )
