"""NRRD (.nrrd, .nhdr) and MetaImage (.mha, .mhd), read by SimpleITK; its LPS becomes RAS+."""

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses

from catalog.reasons import Reason
from curate.errors import CaseError
from curate.readers import Header
from curate.volume import Affine, Volume, checked_affine

_ITEMSIZE = {
    sitk.sitkUInt8: 1, sitk.sitkInt8: 1, sitk.sitkUInt16: 2, sitk.sitkInt16: 2, sitk.sitkUInt32: 4, sitk.sitkInt32: 4,
    sitk.sitkFloat32: 4, sitk.sitkUInt64: 8, sitk.sitkInt64: 8, sitk.sitkFloat64: 8,
    sitk.sitkVectorUInt8: 1, sitk.sitkVectorInt16: 2, sitk.sitkVectorUInt16: 2, sitk.sitkVectorFloat32: 4,
    sitk.sitkVectorFloat64: 8,
}  # fmt: skip


def read_header(path: Path) -> Header:
    """Return shape (i, j, k, ..., components) and voxel size in bytes."""
    reader = _information(path)
    shape = tuple(int(n) for n in reader.GetSize())
    components = reader.GetNumberOfComponents()
    itemsize = _ITEMSIZE.get(reader.GetPixelID())
    if itemsize is None or min(shape, default=0) < 1:
        raise CaseError(Reason.UNREADABLE, f"{path.name} holds no scalar intensities")
    return Header(shape if components == 1 else (*shape, components), itemsize)


def read(path: Path, channel: int | None = None) -> Volume:
    """Return a 3D file, or volume `channel` of a 4D or multi-component one, in its stored dtype."""
    reader = _information(path)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    voxels: Any = sitk.GetArrayFromImage(image)
    dimension, components = image.GetDimension(), image.GetNumberOfComponentsPerPixel()
    if components > 1:
        voxels = _pick(path, np.moveaxis(voxels, -1, 0), channel)
    elif dimension == 4:
        voxels = _pick(path, voxels, channel)
    elif channel:
        raise CaseError(Reason.GEOMETRY, f"{path.name} is {dimension}D: it has no channel {channel}")
    if dimension == 2:
        voxels = voxels[np.newaxis]
    return Volume(np.ascontiguousarray(voxels), checked_affine(_affine(image)))


def _information(path: Path) -> Any:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    return reader


def _pick(path: Path, volumes: Any, channel: int | None) -> Any:
    if channel is None or channel >= len(volumes):
        raise CaseError(
            Reason.GEOMETRY,
            f"{path.name} holds {len(volumes)} volumes: say in the recipe's `channels` which to take",
        )
    return volumes[channel]


def _affine(image: Any) -> Affine:
    """Return (i, j, k, 1) to RAS+ mm from ITK's direction, spacing and origin (LPS)."""
    dimension = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(dimension, dimension)
    affine = np.eye(4)
    size = min(dimension, 3)
    affine[:size, :size] = direction[:size, :size] * np.array(image.GetSpacing())[:size]
    affine[:size, 3] = np.array(image.GetOrigin())[:size]
    affine[:2] *= -1
    return affine


def _unreadable(path: Path, error: Exception) -> CaseError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return CaseError(Reason.UNREADABLE, f"{path.name} cannot be read: {lines[-1] if lines else error}")
