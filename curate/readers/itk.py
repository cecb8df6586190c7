"""NRRD (.nrrd, .nhdr) and MetaImage (.mha, .mhd), read by SimpleITK; its LPS becomes RAS+."""

import re
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses
from isal import isal_zlib

from catalog.reasons import Reason
from curate.errors import CaseError
from curate.readers import Header
from curate.volume import Affine, Volume, checked_affine

_ITEMSIZE = {
    sitk.sitkUInt8: 1, sitk.sitkInt8: 1, sitk.sitkUInt16: 2, sitk.sitkInt16: 2, sitk.sitkUInt32: 4, sitk.sitkInt32: 4,
    sitk.sitkFloat32: 4, sitk.sitkUInt64: 8, sitk.sitkInt64: 8, sitk.sitkFloat64: 8,
    sitk.sitkVectorUInt8: 1, sitk.sitkVectorInt8: 1, sitk.sitkVectorUInt16: 2, sitk.sitkVectorInt16: 2,
    sitk.sitkVectorUInt32: 4, sitk.sitkVectorInt32: 4, sitk.sitkVectorFloat32: 4, sitk.sitkVectorUInt64: 8,
    sitk.sitkVectorInt64: 8, sitk.sitkVectorFloat64: 8,
}  # fmt: skip

_BROKEN: tuple[type[Exception], ...] = (
    RuntimeError, OSError, EOFError, ValueError, cast("type[Exception]", isal_zlib.error),  # its stubs say: an instance
)  # fmt: skip


def read_header(path: Path) -> Header:
    """Return shape (i, j, k, ..., components) and voxel size in bytes."""
    return _sizes(path, _information(path))


def read(path: Path, channel: int | None = None) -> Volume:
    """Return a 3D file, or volume `channel` of a 4D or multi-component one, in its stored dtype."""
    reader = _information(path)
    sizes = _sizes(path, reader)
    try:
        if path.suffix.lower() in (".mha", ".mhd"):
            _check_stream(path, sizes.nbytes)
        image = reader.Execute()
    except _BROKEN as error:
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


def _sizes(path: Path, reader: Any) -> Header:
    shape = tuple(int(n) for n in reader.GetSize())
    components = reader.GetNumberOfComponents()
    itemsize = _ITEMSIZE.get(reader.GetPixelID())
    if itemsize is None or min(shape, default=0) < 1:
        raise CaseError(Reason.UNREADABLE, f"{path.name} holds no scalar intensities")
    if len(shape) + (components > 1) > 4:
        raise CaseError(Reason.GEOMETRY, f"{path.name} is a {len(shape)}D file of {components} components: too many")
    return Header(shape if components == 1 else (*shape, components), itemsize)


def _check_stream(path: Path, nbytes: int) -> None:
    """Inflate a compressed MetaImage and count: ITK takes what it got of a broken stream for voxels, or crashes."""
    with path.open("rb") as header:
        fields = _meta_fields(header)
        if fields.get("CompressedData", "")[:1] not in ("T", "t", "1"):
            return
        data = fields["ElementDataFile"]
        with header if data.upper() == "LOCAL" else (path.parent / data).open("rb") as file:
            left = int(fields.get("CompressedDataSize", 1 << 62))
            stream, count = isal_zlib.decompressobj(wbits=47), 0  # 47: zlib or gzip, whichever it is
            while not stream.eof and count <= nbytes:
                chunk = file.read(min(left, 1 << 14))
                if not chunk:
                    raise EOFError("its compressed voxels end too early")
                left -= len(chunk)
                count += len(stream.decompress(chunk))
    if count != nbytes:
        raise ValueError(f"it holds other than the {nbytes} bytes of voxels that its header tells")


def _meta_fields(file: IO[bytes]) -> dict[str, str]:
    """Return a MetaImage's header: lines of `Key = Value` (or `Key : Value`), of which ElementDataFile is the last."""
    fields: dict[str, str] = {}
    while "ElementDataFile" not in fields and (line := file.readline(1 << 16)):
        key, *value = re.split("[=:]", line.decode("latin-1"), maxsplit=1)
        fields[key.strip()] = "".join(value).strip()
    if "ElementDataFile" not in fields:
        raise ValueError("its header does not name its data")
    return fields


def _pick(path: Path, volumes: Any, channel: int | None) -> Any:
    if channel is None and len(volumes) == 1:
        channel = 0
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
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith("Reason:")]  # the C library's last, of anything
    said = re.sub(r"^.*\(0x[0-9a-f]+\): ", "", told[-1]) if told else "ITK does not say why"
    return CaseError(Reason.UNREADABLE, f"{path.name} cannot be read: {said}")
