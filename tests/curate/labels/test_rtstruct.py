"""Contours to masks: the real structure sets against their NIfTI and plastimatch, and every trap of contours."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from curate.discovery.cases import Found, find_cases
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.labels.base import Decoded, LabelFile
from curate.labels.registry import ENCODINGS
from curate.readers import read
from curate.recipe.load import parse_recipe
from tests.curate.dicom.make import image, noise, save, save_series, structure_set

RECIPE = """
name: Contours
license: {name: CC0-1.0}
modality: CT
anatomy: [lesion]
window: abdomen
cases: {series: {modality: "CT|PT"}}
encoding: rtstruct
"""


def find(folder: Path, labels: str = '"*"') -> Found:
    """The cases of a folder with these labels."""
    return find_cases(parse_recipe(f"{RECIPE}labels: {labels}\n", Path("contours.yaml")), folder)


def decode(found: Found, case: int = 0) -> tuple[Volume, Decoded]:
    """The image and the decoded labels of a case."""
    one = found.cases[case]
    volume = read(one.image)
    files = [LabelFile(word, source) for word, source in one.labels]
    return volume, ENCODINGS["rtstruct"].decode(found.recipe.groups[0], files, volume)


def mask_of(decoded: Decoded, number: int = 1) -> NDArray[np.bool_]:
    """Where a label is, in any layer."""
    return np.any([(layer.classes == number)[layer.voxels] for layer in decoded.layers], axis=0)


def _square(x0: float, y0: float, x1: float, y1: float, z: float) -> list[tuple[float, float, float]]:
    return [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]


def _contoured(folder: Path, regions: dict[str, list[Any]], labels: str = '"*"', step: float = 2.0) -> Found:
    """Five slices of 16 x 20 pixels of 1 mm, `step` mm apart, with a structure set."""
    images = save_series(folder / "image", noise((5, 16, 20)), [step * n for n in range(5)])
    save(structure_set(images, regions), folder / "rs.dcm")
    return find(folder, labels)


@pytest.mark.parametrize(("scan", "voxels"), [("CT", 17090), ("PET", 555)])
def test_ibsi_contours_equal_their_nifti_mask(scan: str, voxels: int, shared_data: Path) -> None:
    found = find(shared_data / f"IBSI_STS/dicom/STS_002/{scan}", '{tumour: "(?i)gtv.*"}')
    volume, decoded = decode(found)
    mask = np.ascontiguousarray(mask_of(decoded).transpose(2, 1, 0).astype(np.uint8))
    ours = nib.as_closest_canonical(nib.Nifti1Image(mask, volume.affine))
    theirs = nib.as_closest_canonical(nib.load(shared_data / f"IBSI_STS/nifti/STS_002/{scan}_mask.nii.gz"))
    assert np.asanyarray(ours.dataobj).sum() == voxels
    assert np.array_equal(np.asanyarray(ours.dataobj), np.asanyarray(theirs.dataobj))


@pytest.mark.parametrize("scan", ["CT", "PET"])
def test_ibsi_contours_equal_plastimatch_to_a_pixel_of_the_border(scan: str, shared_data: Path, tmp_path: Path) -> None:
    if shutil.which("plastimatch") is None:
        pytest.skip("needs plastimatch (apt-get install plastimatch)")
    folder = shared_data / f"IBSI_STS/dicom/STS_002/{scan}"
    command = ["plastimatch", "convert", "--input", folder / "mask/RS.dcm", "--referenced-ct", folder / "image",
               "--output-prefix", tmp_path, "--prefix-format", "nrrd"]  # fmt: skip
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    (path,) = tmp_path.glob("*.nrrd")
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(str(path))) > 0
    _, decoded = decode(find(folder))
    ours = mask_of(decoded)
    differing = np.argwhere(ours != theirs)
    assert len(differing) <= 0.02 * ours.sum()
    inner = sitk.GetArrayFromImage(sitk.BinaryErode(_itk(ours), [1, 1, 0])) > 0
    outer = sitk.GetArrayFromImage(sitk.BinaryDilate(_itk(ours), [1, 1, 0])) > 0
    assert not (inner & ~theirs).any()
    assert not (theirs & ~outer).any()


def _itk(mask: NDArray[np.bool_]) -> Any:
    return sitk.GetImageFromArray(mask.astype(np.uint8))


def test_a_contour_fills_the_pixels_whose_centres_it_holds(tmp_path: Path) -> None:
    _, decoded = decode(_contoured(tmp_path, {"GTV": [_square(2.5, 3.5, 9.5, 7.5, 4)]}))
    mask = mask_of(decoded)
    assert np.argwhere(mask.any(axis=(1, 2))).ravel().tolist() == [2]
    assert mask[2, 4:8, 3:10].all()
    assert mask.sum() == 4 * 7
    assert decoded.notes == ()


def test_contours_of_a_slice_are_combined_by_exclusive_or(tmp_path: Path) -> None:
    outer, hole = _square(2.5, 2.5, 12.5, 12.5, 4), _square(4.5, 4.5, 8.5, 8.5, 4)
    apart = _square(14.5, 2.5, 18.5, 6.5, 4)
    keyhole = [*_square(2.5, 2.5, 12.5, 12.5, 6), (2.5, 2.5, 6), *_square(4.5, 4.5, 8.5, 8.5, 6)[::-1], (4.5, 8.5, 6)]
    _, decoded = decode(_contoured(tmp_path, {"GTV": [outer, hole, apart, keyhole]}))
    mask = mask_of(decoded)
    assert mask[2].sum() == 100 - 16 + 16
    assert mask[3].sum() == 100 - 16


def test_non_square_images_and_pixels(tmp_path: Path) -> None:
    images = save_series(tmp_path / "image", noise((2, 16, 20)), PixelSpacing=[2.0, 0.5])
    save(structure_set(images, {"GTV": [_square(1.25, 3, 4.75, 9, 1)]}), tmp_path / "rs.dcm")
    _, decoded = decode(find(tmp_path))
    rows, columns = np.nonzero(mask_of(decoded)[1])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 4, 3, 9)


@pytest.mark.parametrize(("z", "slice_number"), [(4.9, 2), (5.1, 3), (8.9, 4), (-0.9, 0)])
def test_a_contour_between_slices_goes_to_the_nearest(z: float, slice_number: int, tmp_path: Path) -> None:
    _, decoded = decode(_contoured(tmp_path, {"GTV": [_square(2.5, 2.5, 6.5, 6.5, z)]}))
    assert np.flatnonzero(mask_of(decoded).any(axis=(1, 2))).tolist() == [slice_number]


def test_of_two_planes_nearest_to_one_slice_the_nearer_is_taken(tmp_path: Path) -> None:
    contours = [_square(2.5, 2.5, 6.5, 6.5, 3.9), _square(2.5, 2.5, 10.5, 10.5, 4.5)]
    _, decoded = decode(_contoured(tmp_path, {"GTV": contours}))
    assert mask_of(decoded).sum() == 16
    assert decoded.notes == (
        "contours of the region 'GTV' were passed over: 1 further from a slice than another plane",
    )


def test_contours_that_enclose_nothing_are_passed_over_and_counted(tmp_path: Path) -> None:
    regions = {
        "GTV": [
            _square(2.5, 2.5, 6.5, 6.5, 4),
            ("POINT", [(1, 1, 4)]),
            ("OPEN_PLANAR", _square(2, 2, 8, 8, 4)),
            ("OPEN_PLANAR", _square(2, 2, 8, 8, 2)),
            ("CLOSED_PLANAR", [(1, 1, 4), (2, 2, 4)]),
            _square(2.5, 2.5, 6.5, 6.5, 40),
            [(2, 2, 0), (9, 2, 8), (9, 9, 8), (2, 9, 0)],
        ]
    }
    _, decoded = decode(_contoured(tmp_path, regions))
    assert mask_of(decoded).sum() == 16
    assert decoded.notes == (
        "contours of the region 'GTV' were passed over: 1 beyond the slices, 1 damaged, "
        "1 not in the plane of the slices, 2 open_planar, 1 point",
    )


def test_a_region_without_contours(tmp_path: Path) -> None:
    _, decoded = decode(_contoured(tmp_path, {"GTV": [], "organ": [_square(2.5, 2.5, 6.5, 6.5, 4)]}))
    assert decoded.notes == ("the region 'GTV' has no closed contour",)
    assert len(decoded.layers) == 1


def test_structures_that_reach_over_the_border_are_kept(tmp_path: Path) -> None:
    _, decoded = decode(_contoured(tmp_path, {"BODY": [_square(-50, -50, 50, 50, 4)]}))
    assert mask_of(decoded)[2].all()


def test_names_by_regular_expression_one_label_of_several_names(tmp_path: Path) -> None:
    regions = {
        "Lung_L": [_square(1.5, 1.5, 4.5, 4.5, 0)],
        "LUNG R": [_square(6.5, 1.5, 9.5, 4.5, 0)],
        "GTV-1": [_square(2.5, 2.5, 5.5, 5.5, 0)],
        "couch": [_square(0, 0, 19, 15, 0)],
        "isocentre": [("POINT", [(0, 0, 0)])],
    }
    found = _contoured(tmp_path, regions, '{lungs: "(?i)lung.*", gtv: ["GTV-\\\\d+", "gtv"]}')
    assert found.unnamed == {"couch": 1, "isocentre": 1}
    _, decoded = decode(found)
    assert mask_of(decoded, 1).sum() == 18
    assert mask_of(decoded, 2).sum() == 9  # overlaps a lung


def test_overlapping_regions_of_one_label_are_one_mask(tmp_path: Path) -> None:
    regions = {"a": [_square(1.5, 1.5, 5.5, 5.5, 0)], "b": [_square(3.5, 3.5, 7.5, 7.5, 0)]}
    _, decoded = decode(_contoured(tmp_path, regions, '{both: "[ab]"}'))
    assert len(decoded.layers) == 1
    assert mask_of(decoded).sum() == 16 + 16 - 4


def test_every_name_as_a_label(tmp_path: Path) -> None:
    found = _contoured(tmp_path, {"Left lung (new)": [_square(1, 1, 5, 5, 0)], "GTV": [_square(1, 1, 3, 3, 0)]})
    assert [label.name for label in found.recipe.groups[0].labels] == ["GTV", "Left_lung_new_"]
    _, decoded = decode(found)
    assert mask_of(decoded, 1).any()
    assert mask_of(decoded, 2).any()


def _oblique(folder: Path) -> tuple[list[Dataset], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    row, column = np.array([0.8, 0.6, 0.0]), np.array([0.0, 0.0, -1.0])
    normal = np.cross(row, column)
    made = []
    for number in range(4):
        one = image(noise((16, 20)), (normal * 2.5 * number + [5, 6, 7]).tolist(), InstanceNumber=number)
        one.ImageOrientationPatient = [*row, *column]
        save(one, folder / f"{number}.dcm")
        made.append(one)
    return made, row, column, normal


def test_an_oblique_series(tmp_path: Path) -> None:
    images, row, column, normal = _oblique(tmp_path / "image")
    corner = np.array([5, 6, 7]) + normal * 5
    square = [corner + row * x + column * y for x, y in ((2.5, 3.5), (9.5, 3.5), (9.5, 7.5), (2.5, 7.5))]
    save(structure_set(images, {"GTV": [square]}), tmp_path / "rs.dcm")
    _, decoded = decode(find(tmp_path))
    mask = mask_of(decoded)
    assert mask[2, 4:8, 3:10].all()
    assert mask.sum() == 28


def test_contours_of_another_plane_than_the_images_are_passed_over(tmp_path: Path) -> None:
    images, *_ = _oblique(tmp_path / "image")
    save(structure_set(images, {"GTV": [_square(0, 0, 20, 20, 5)]}), tmp_path / "rs.dcm")
    _, decoded = decode(find(tmp_path))
    assert not decoded.layers
    assert decoded.notes == ("contours of the region 'GTV' were passed over: 1 not in the plane of the slices",)


def test_uneven_slices_have_each_their_contours(tmp_path: Path) -> None:
    images = save_series(tmp_path / "image", noise((4, 16, 20)), [0, 2, 8, 10])
    contours = [_square(2.5, 2.5, 6.5, 6.5, z) for z in (2, 8)]
    save(structure_set(images, {"GTV": [*contours, _square(2.5, 2.5, 6.5, 6.5, 5)]}), tmp_path / "rs.dcm")
    _, decoded = decode(find(tmp_path))
    assert mask_of(decoded).sum(axis=(1, 2)).tolist() == [0, 16, 16, 0]
    assert decoded.notes == ("contours of the region 'GTV' were passed over: 1 beyond the slices",)


def test_references_to_images_that_are_not_there(oracles: Path, tmp_path: Path) -> None:
    """The structure set of rt_utils refers to five images, of which two are there."""
    for name in ("ct_1.dcm", "ct_2.dcm", "invalid_reference_rt.dcm"):
        shutil.copy(oracles / "rt_utils/tests/mock_data" / name, tmp_path)
    found = find(tmp_path)
    assert [label.name for label in found.recipe.groups[0].labels] == ["ROI-1", "ROI-2", "ROI-3", "ROI-4"]
    _, decoded = decode(found)
    assert decoded.notes[0] == "3 of the 5 images it refers to are not here (RTSTRUCT)"


def test_references_in_the_contours_alone(oracles: Path, tmp_path: Path) -> None:
    for name in ("ct_1.dcm", "ct_2.dcm", "non_existent_reference_rt.dcm"):
        shutil.copy(oracles / "rt_utils/tests/mock_data" / name, tmp_path)
    _, decoded = decode(find(tmp_path))
    assert decoded.notes[0] == "1 of the 3 images it refers to are not here (RTSTRUCT)"


def test_a_structure_set_of_another_space_is_refused(tmp_path: Path) -> None:
    save_series(tmp_path / "image", noise((3, 16, 20)))
    other = image(noise((8, 8)), FrameOfReferenceUID="1.2.9", SeriesInstanceUID="1.2.8")
    save(structure_set([other], {"GTV": [_square(1, 1, 5, 5, 1)]}), tmp_path / "rs.dcm")
    found = find(tmp_path)
    assert found.cases[0].labels == ()
    assert found.warnings == (
        "1 DICOM RTSTRUCT objects belong to no image here: the images they refer to are missing, and no other shares "
        "their frame of reference",
    )


def test_the_real_structure_set_of_rt_utils(oracles: Path, tmp_path: Path) -> None:
    for name in ("ct_1.dcm", "ct_2.dcm", "rt.dcm"):
        shutil.copy(oracles / "rt_utils/tests/mock_data" / name, tmp_path)
    volume, decoded = decode(find(tmp_path))
    mask = mask_of(decoded)
    assert volume.affine is not None
    assert mask.any(axis=(1, 2)).tolist() == [True, False]
    assert mask.sum() * 0.488281**2 == pytest.approx(24 * 24 - 224.5, rel=0.05)  # a square with an octagonal hole


def test_what_is_no_structure_set(tmp_path: Path) -> None:
    images = save_series(tmp_path / "image", noise((3, 16, 20)))
    rs = save(structure_set(images, {"GTV": [_square(1, 1, 5, 5, 1)]}), tmp_path / "rs.dcm")
    found = find(tmp_path)
    rs.write_bytes(rs.read_bytes()[:-100])
    with pytest.raises(CaseError, match="cannot be read: its header breaks off"):
        decode(found)
    rs.unlink()
    with pytest.raises(CaseError, match="cannot be read: No such file"):
        decode(found)
