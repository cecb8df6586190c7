"""Pairs of .hdr and .img: NIfTI, Analyze 7.5 and SPM, as nibabel reads them."""

import gzip
import shutil
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.inputs import FileInput
from curate.readers import Header, companions, read, read_header
from tests.curate.readers.files import AFFINE, VOXELS, assert_placed_as_itk, refused

STRAIGHT = np.array([[-2.0, 0, 0, 60], [0, 3, 0, -40], [0, 0, 4, 25], [0, 0, 0, 1]])
"""An affine that Analyze can hold: x to the left, no rotation."""


def saved(path: Path, kind: Any, affine: Any = AFFINE, voxels: Any = VOXELS) -> Path:
    kind(voxels, affine).to_filename(path)
    return path


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair])
@pytest.mark.parametrize("suffixes", [(".hdr", ".img"), (".hdr.gz", ".img.gz")])
def test_a_nifti_pair(tmp_path: Path, kind: Any, suffixes: tuple[str, str]) -> None:
    saved(tmp_path / f"a{suffixes[1]}", kind)
    for suffix, other in (suffixes, suffixes[::-1]):
        path = tmp_path / f"a{suffix}"
        volume = read(path)
        np.testing.assert_array_equal(volume.voxels.transpose(2, 1, 0), VOXELS)
        np.testing.assert_array_equal(volume.affine, nib.load(path).affine)
        assert not volume.unplaced
        assert read_header(path) == Header((5, 6, 7), 2)
        assert companions(FileInput.at(path)) == (f"a{other}",)
    if kind is nib.Nifti1Pair:
        assert_placed_as_itk(volume, tmp_path / f"a{suffixes[1]}")


def test_a_pair_in_a_folder_and_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    saved(tmp_path / "case" / "a.img", nib.Nifti1Pair)
    assert companions(FileInput(tmp_path, "case/a.hdr")) == ("case/a.img",)
    for suffix in ("hdr", "img"):
        (tmp_path / "case" / f"a.{suffix}").rename(tmp_path / "case" / f"B.{suffix.upper()}")
    np.testing.assert_array_equal(read(tmp_path / "case" / "B.HDR").voxels.transpose(2, 1, 0), VOXELS)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_analyze(tmp_path: Path, dtype: str, endian: str) -> None:
    voxels = VOXELS.astype(dtype)
    header = nib.AnalyzeHeader(endianness=endian)
    header.set_data_dtype(dtype)
    path = tmp_path / "a.hdr"
    nib.AnalyzeImage(voxels, np.diag([-2.0, 3, 4, 1]), header).to_filename(path)
    theirs = nib.load(path)
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels.transpose(2, 1, 0), voxels)
    np.testing.assert_array_equal(volume.voxels, sitk.GetArrayFromImage(sitk.ReadImage(tmp_path / "a.img")))
    assert volume.voxels.dtype == np.dtype(dtype)
    assert volume.voxels.dtype.isnative
    np.testing.assert_allclose(volume.affine, theirs.affine)
    assert volume.unplaced  # neither which side is left, nor where the origin is
    assert (volume.slope, volume.intercept) == (1.0, 0.0)


def test_a_4d_analyze_file_by_channel(tmp_path: Path) -> None:
    series = np.random.default_rng(1).integers(-99, 99, (4, 3, 5, 6)).astype(np.int16)
    path = saved(tmp_path / "a.hdr", nib.AnalyzeImage, np.diag([-2.0, 3, 4, 1]), series)
    np.testing.assert_array_equal(read(path, 4).voxels.transpose(2, 1, 0), series[..., 4])


def test_spm_with_an_origin_in_its_header(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.hdr", nib.Spm99AnalyzeImage, STRAIGHT)
    (tmp_path / "a.mat").unlink()
    content = bytearray(path.read_bytes())
    header = nib.Spm99AnalyzeHeader(bytes(content))
    header.set_origin_from_affine(nib.load(path).affine)
    header["origin"][:3] = (2, 3, 4)
    path.write_bytes(header.binaryblock)
    volume = read(path)
    np.testing.assert_allclose(volume.affine, nib.load(path).affine)
    assert not volume.unplaced
    np.testing.assert_allclose(volume.affine @ (1, 2, 3, 1), (0, 0, 0, 1), atol=1e-12)  # its origin counts from 1


@pytest.mark.parametrize("kind", [nib.Spm99AnalyzeImage, nib.Spm2AnalyzeImage])
def test_spm_with_a_matrix_beside_it(tmp_path: Path, kind: Any) -> None:
    path = saved(tmp_path / "a.hdr", kind)
    assert (tmp_path / "a.mat").exists()
    volume = read(path)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-9)
    np.testing.assert_allclose(volume.affine, nib.load(path).affine, atol=1e-12)
    assert not volume.unplaced
    assert companions(FileInput.at(path)) == ("a.img", "a.mat")


def test_a_matrix_needs_scipy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.hdr", nib.Spm2AnalyzeImage)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    assert "pip install scipy" in refused_mat(path)


def refused_mat(path: Path) -> str:
    with pytest.raises(CaseError, match=r"a\.mat") as caught:
        read(path)
    return str(caught.value)


def test_a_matrix_of_another_kind(tmp_path: Path) -> None:
    from scipy.io import savemat

    path = saved(tmp_path / "a.hdr", nib.Spm2AnalyzeImage)
    savemat(tmp_path / "a.mat", {"other": np.eye(4)})
    assert "neither `mat` nor `M`" in refused_mat(path)
    savemat(tmp_path / "a.mat", {"mat": np.eye(3)})
    assert "3 x 3, not 4 x 4" in refused_mat(path)
    savemat(tmp_path / "a.mat", {"mat": np.zeros((4, 4))})
    assert "singular" in refused_mat(path)


@pytest.mark.parametrize("slope", [0.5, -2.0, 0.0, np.nan])
def test_spm_scaling(tmp_path: Path, slope: float) -> None:
    path = saved(tmp_path / "a.hdr", nib.Spm2AnalyzeImage, STRAIGHT)
    header = nib.Spm2AnalyzeHeader(path.read_bytes())
    header["scl_slope"] = slope
    path.write_bytes(header.binaryblock)
    volume = read(path)
    source = volume.voxels.transpose(2, 1, 0) * volume.slope + volume.intercept
    np.testing.assert_array_equal(source, nib.load(path).get_fdata())


def test_a_single_file_under_the_name_of_a_pair(tmp_path: Path) -> None:
    nib.Nifti1Image(VOXELS, AFFINE).to_filename(tmp_path / "a.nii")
    shutil.move(tmp_path / "a.nii", tmp_path / "a.hdr")
    np.testing.assert_array_equal(read(tmp_path / "a.hdr").voxels.transpose(2, 1, 0), VOXELS)


def test_a_missing_half_is_named(tmp_path: Path) -> None:
    saved(tmp_path / "a.hdr", nib.Nifti1Pair)
    (tmp_path / "a.hdr").rename(tmp_path / "b.hdr")
    assert refused(tmp_path / "a.img") == "a.img cannot be read: a.hdr, the header of a.img, is missing"
    assert refused(tmp_path / "b.hdr") == ("b.hdr cannot be read: b.img, which holds the voxels of b.hdr, is missing")


@pytest.mark.parametrize("content", [b"", b"ENVI\nsamples = 5\n", b"\0" * 348, gzip.compress(b"x" * 400)])
def test_a_hdr_of_something_else(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.hdr").write_bytes(content)
    (tmp_path / "a.img").write_bytes(bytes(1000))
    refused(tmp_path / "a.hdr")


def test_every_truncation_of_either_half_is_noticed(tmp_path: Path) -> None:
    saved(tmp_path / "a.hdr", nib.AnalyzeImage, np.diag([-2.0, 3, 4, 1]))
    for name in ("a.hdr", "a.img"):
        whole = (tmp_path / name).read_bytes()
        for size in [*range(0, len(whole), 23), len(whole) - 1]:
            (tmp_path / name).write_bytes(whole[:size])
            refused(tmp_path / "a.hdr")
        (tmp_path / name).write_bytes(whole)
    read(tmp_path / "a.hdr")


def test_a_voxel_without_an_extent_fails_as_geometry(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.hdr", nib.AnalyzeImage, np.diag([-2.0, 3, 4, 1]))
    header = nib.AnalyzeHeader(path.read_bytes())
    header["pixdim"][2] = 0
    path.write_bytes(header.binaryblock)
    assert "voxel size along j is 0" in refused(path, Reason.GEOMETRY)
