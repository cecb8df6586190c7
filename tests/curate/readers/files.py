"""Files of the readers' tests: headers that say what a library would not write, and what a refusal must look like."""

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.readers import read

VOXELS = np.random.default_rng(0).integers(0, 120, (5, 6, 7)).astype(np.int16)
"""Voxels (i, j, k) of a NIfTI file."""

AFFINE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.3, -0.2, 0.1) @ np.diag([-0.8, 1.5, 3.0]), [12.5, -40.0, 101.25]
)


def nifti_file(path: Path, sform: Any = AFFINE, qform: Any = AFFINE, codes: Any = (1, 1), **fields: Any) -> Path:
    """Save VOXELS with both forms and their codes (sform, qform), then change fields of the header."""
    image = nib.Nifti1Image(VOXELS, AFFINE)
    image.set_sform(sform, codes[0])
    image.set_qform(qform, codes[1])
    content = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for field, value in fields.items():
        header[field] = value
    content[:348] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(content)) if path.suffix == ".gz" else bytes(content))
    return path


def refused(path: Path, reason: Reason = Reason.UNREADABLE, **keys: Any) -> str:
    """Return the message of a refusal, which names the file once and not its folder."""
    with pytest.raises(CaseError) as caught:
        read(path, **keys)
    assert caught.value.reason is reason
    assert caught.value.detail.startswith(path.name)
    assert str(path.parent) not in caught.value.detail  # which is another on every machine
    assert "0x" not in caught.value.detail  # an address would make every run's drops.parquet another
    return caught.value.detail


def assert_placed_as_itk(volume: Volume, path: Path, atol: float = 1e-4) -> None:
    """Compare where voxels are with the points in the patient, LPS, that SimpleITK gives."""
    assert_placed_as(volume, sitk.ReadImage(path), atol)


def assert_placed_as(volume: Volume, image: sitk.Image, atol: float = 1e-6) -> None:
    """Compare where voxels are with the points in the patient, LPS, of a SimpleITK image."""
    assert volume.affine is not None
    size = (*image.GetSize(), 1)[:3]
    for i, j, k in ((0, 0, 0), (size[0] - 1, 0, 0), (0, size[1] - 1, 0), (0, 0, size[2] - 1), (2, 3, 0)):
        index = (i, j, k, 0)[: image.GetDimension()]
        lps = (*image.TransformIndexToPhysicalPoint(index), 0.0)[:3]
        np.testing.assert_allclose((volume.affine @ (i, j, k, 1))[:3], np.array(lps) * (-1, -1, 1), atol=atol)
