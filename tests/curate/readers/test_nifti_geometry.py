"""The geometry of NIfTI headers as people have them; right is what nibabel and ITK make of it, where they agree."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.drop_reasons import Reason
from curate.readers import read
from tests.curate.readers.files import AFFINE, assert_placed_as_itk, nifti_file, refused

SHIFTED = AFFINE.copy()
SHIFTED[:3, 3] += (4.0, -3.0, 6.0)
UNITS = {1: 1000.0, 2: 1.0, 3: 0.001, 0: 1.0}


@pytest.mark.parametrize("codes", [(2, 1), (4, 1), (2, 2), (1, 1)])
def test_two_forms_that_differ_are_both_kept(tmp_path: Path, codes: tuple[int, int]) -> None:
    volume = read(nifti_file(tmp_path / "a.nii", sform=SHIFTED, codes=codes))
    assert not volume.unplaced
    np.testing.assert_allclose(volume.affine, SHIFTED, atol=1e-5)
    np.testing.assert_array_equal(volume.affine, nib.load(tmp_path / "a.nii").get_sform())
    np.testing.assert_allclose(volume.other_affine, AFFINE, atol=1e-4)
    np.testing.assert_allclose(volume.other_affine, nib.load(tmp_path / "a.nii").get_qform(), atol=1e-6)


@pytest.mark.parametrize(("shift", "differ"), [(0.0, False), (0.0007, False), (0.002, True)])
def test_two_forms_that_agree_are_one(tmp_path: Path, shift: float, differ: bool) -> None:
    """To 1e-3 of the voxel, which has 0.8 mm along i."""
    moved = AFFINE.copy()
    moved[:3, 3] += AFFINE[:3, 0] * shift
    volume = read(nifti_file(tmp_path / "a.nii", sform=moved))
    assert (volume.other_affine is not None) is differ


@pytest.mark.parametrize("codes", [(1, 0), (0, 1)])
def test_a_form_without_a_code_does_not_count(tmp_path: Path, codes: tuple[int, int]) -> None:
    path = nifti_file(tmp_path / "a.nii", sform=SHIFTED if codes[0] else np.zeros((4, 4)), codes=codes)
    volume = read(path)
    assert volume.other_affine is None
    assert not volume.unplaced
    np.testing.assert_allclose(volume.affine, SHIFTED if codes[0] else AFFINE, atol=1e-4)


def test_without_a_form_only_spacing_is_known(tmp_path: Path) -> None:
    path = nifti_file(tmp_path / "a.nii", codes=(0, 0))
    volume = read(path)
    assert volume.unplaced
    assert volume.other_affine is None
    np.testing.assert_allclose(volume.affine, nib.load(path).affine)


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (2, 1)])
@pytest.mark.parametrize("unit", UNITS)
def test_units_become_mm(tmp_path: Path, unit: int, codes: tuple[int, int]) -> None:
    path = nifti_file(tmp_path / "a.nii", sform=SHIFTED if codes[0] else AFFINE, codes=codes, xyzt_units=unit | 8)
    volume = read(path)
    theirs = nib.load(path)
    to_mm = np.diag([*[UNITS[unit]] * 3, 1])
    np.testing.assert_allclose(volume.affine, to_mm @ theirs.affine, rtol=1e-5, atol=1e-9)
    if codes == (2, 1):
        np.testing.assert_allclose(volume.other_affine, to_mm @ theirs.get_qform(), rtol=1e-5, atol=1e-9)
    else:
        assert_placed_as_itk(volume, path, atol=1e-4 * UNITS[unit])


def test_units_of_a_header_without_a_position(tmp_path: Path) -> None:
    path = nifti_file(tmp_path / "a.nii", codes=(0, 0), xyzt_units=3)
    volume = read(path)
    assert volume.unplaced
    np.testing.assert_allclose(np.abs(np.diag(volume.affine)[:3]), [0.0008, 0.0015, 0.003], rtol=1e-6)


@pytest.mark.parametrize("codes", [(0, 1), (0, 0), (1, 1), (1, 0)])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_a_voxel_without_an_extent_fails_as_geometry(tmp_path: Path, axis: int, codes: tuple[int, int]) -> None:
    """nibabel takes 1 mm, and ITK too, against the sform: every label of the case would be lost, or misplaced."""
    pixdim = np.array([1, 0.8, 1.5, 3, 0, 0, 0, 0])
    pixdim[axis] = 0
    detail = refused(nifti_file(tmp_path / "a.nii", codes=codes, pixdim=pixdim), Reason.GEOMETRY)
    assert detail == f"a.nii: the header's voxel size along {'ijk'[axis - 1]} is 0 (pixdim[{axis}]); correct it"


def test_one_slice_needs_no_thickness(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    nib.Nifti1Image(np.arange(12, dtype=np.int16).reshape(3, 4, 1), AFFINE).to_filename(path)
    content = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(content[:348]))
    header["pixdim"][3] = 0
    content[:348] = header.binaryblock
    path.write_bytes(bytes(content))
    np.testing.assert_array_equal(read(path).affine, nib.load(path).affine)


def test_an_sform_of_zeros_is_passed_over_as_itk_does(tmp_path: Path) -> None:
    zeros = {f"srow_{axis}": [0.0] * 4 for axis in "xyz"}
    path = nifti_file(tmp_path / "a.nii", **zeros)
    volume = read(path)
    assert volume.other_affine is None
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-4)
    assert_placed_as_itk(volume, path)
    refused(nifti_file(tmp_path / "a.nii", codes=(1, 0), **zeros), Reason.GEOMETRY)


@pytest.mark.parametrize("fields", [{"srow_x": [0, 0, 0, 0]}, {"srow_y": [np.nan, 1, 0, 0]}])
def test_an_sform_of_nonsense_without_a_qform(tmp_path: Path, fields: dict[str, Any]) -> None:
    assert "singular or not finite" in refused(nifti_file(tmp_path / "a.nii", codes=(1, 0), **fields), Reason.GEOMETRY)


@pytest.mark.parametrize("excess", [3.8e-7, 9e-6])
def test_a_quaternion_a_little_longer_than_1_is_accepted_as_itk_does(tmp_path: Path, excess: float) -> None:
    """MICCAI 2012's data: w^2 = -3.8e-7, at which nibabel gives up."""
    vector = np.array([1.0, 2.0, 2.0]) / 3 * np.sqrt(1 + excess)
    path = nifti_file(tmp_path / "a.nii", codes=(0, 1), **dict(zip(("quatern_b", "quatern_c", "quatern_d"), vector)))  # noqa: B905
    assert_placed_as_itk(read(path), path)


@pytest.mark.parametrize("quaternion", [(1, 1, 1), (1.001, 0, 0), (np.nan, 0, 0)])
def test_a_quaternion_that_is_no_rotation(tmp_path: Path, quaternion: tuple[float, ...]) -> None:
    fields = {f"quatern_{axis}": value for axis, value in zip("bcd", quaternion, strict=True)}
    assert "is no rotation" in refused(nifti_file(tmp_path / "a.nii", codes=(0, 1), **fields), Reason.GEOMETRY)
    volume = read(nifti_file(tmp_path / "a.nii", codes=(1, 1), **fields))  # the sform counts
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-4)
    assert volume.other_affine is None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    spacing=st.tuples(*[st.floats(0.01, 50)] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
    mirrored=st.booleans(),
)
def test_every_qform_is_read_as_nibabel_and_itk_do(
    tmp_path: Path, angles: Any, spacing: Any, origin: Any, mirrored: bool
) -> None:
    turn = nib.eulerangles.euler2mat(*angles)
    qform = nib.affines.from_matvec(turn @ np.diag(spacing) @ np.diag([1, 1, -1 if mirrored else 1]), origin)
    path = nifti_file(tmp_path / "a.nii", qform=qform, codes=(0, 2))
    volume = read(path)
    np.testing.assert_allclose(volume.affine, nib.load(path).affine, rtol=1e-6, atol=1e-5)
    assert_placed_as_itk(volume, path, atol=2e-3 * max(spacing))
