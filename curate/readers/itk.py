"""NRRD (.nrrd, .nhdr) and MetaImage (.mha, .mhd), read by SimpleITK; its LPS becomes RAS+."""

import re
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses
from isal import isal_zlib
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Affine, Volume, checked_affine
from curate.readers.base import Channels, Header, unreadable

_DTYPES = {
    sitk.sitkUInt8: "u1", sitk.sitkInt8: "i1", sitk.sitkUInt16: "u2", sitk.sitkInt16: "i2",
    sitk.sitkUInt32: "u4", sitk.sitkInt32: "i4", sitk.sitkUInt64: "u8", sitk.sitkInt64: "i8",
    sitk.sitkFloat32: "f4", sitk.sitkFloat64: "f8",
    sitk.sitkVectorUInt8: "u1", sitk.sitkVectorInt8: "i1", sitk.sitkVectorUInt16: "u2", sitk.sitkVectorInt16: "i2",
    sitk.sitkVectorUInt32: "u4", sitk.sitkVectorInt32: "i4", sitk.sitkVectorUInt64: "u8", sitk.sitkVectorInt64: "i8",
    sitk.sitkVectorFloat32: "f4", sitk.sitkVectorFloat64: "f8",
}  # fmt: skip

_BROKEN: tuple[type[Exception], ...] = (
    RuntimeError, OSError, EOFError, ValueError, cast("type[Exception]", isal_zlib.error),  # its stubs say: an instance
)  # fmt: skip


def read_header(path: Path) -> Header:
    """Return shape (i, j, k, ..., components) and voxel size in bytes."""
    return _sizes(path, _information(path))


def read(path: Path, channels: Channels = (None,)) -> list[Volume]:
    """Return a 3D file, or volumes of a 4D or multi-component one, in the stored dtype."""
    reader = _information(path)
    sizes = _sizes(path, reader)
    try:
        voxels: Any = _inflated(path, reader, sizes) if path.suffix.lower() in (".mha", ".mhd") else None
        if voxels is None:
            voxels = sitk.GetArrayFromImage(reader.Execute())
    except _BROKEN as error:
        raise unreadable(path, _said(error)) from error
    dimension, components = reader.GetDimension(), reader.GetNumberOfComponents()
    if components > 1:
        volumes = np.moveaxis(voxels, -1, 0)
    elif dimension == 4:
        volumes = voxels
    elif any(channels):
        raise CaseError(
            Reason.GEOMETRY, f"{path.name} is {dimension}D: it has no channel {max(filter(None, channels))}"
        )
    else:
        return [_volume(voxels, dimension, reader)] * len(channels)
    return [_volume(_pick(path, volumes, channel), dimension, reader) for channel in channels]


def _volume(voxels: NDArray[Any], dimension: int, reader: Any) -> Volume:
    if dimension == 2:
        voxels = voxels[np.newaxis]
    return Volume(np.ascontiguousarray(voxels), checked_affine(_affine(reader)))


def _information(path: Path) -> Any:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise unreadable(path, _said(error)) from error
    return reader


def _sizes(path: Path, reader: Any) -> Header:
    shape = tuple(int(n) for n in reader.GetSize())
    components = reader.GetNumberOfComponents()
    dtype = _DTYPES.get(reader.GetPixelID())
    if dtype is None or min(shape, default=0) < 1:
        raise CaseError(Reason.UNREADABLE, f"{path.name} holds no scalar intensities")
    if len(shape) + (components > 1) > 4:
        raise CaseError(Reason.GEOMETRY, f"{path.name} is a {len(shape)}D file of {components} components: too many")
    return Header(shape if components == 1 else (*shape, components), np.dtype(dtype).itemsize)


def _inflated(path: Path, reader: Any, sizes: Header) -> NDArray[Any] | None:
    """Return the voxels (k, j, i[, component]) of a compressed MetaImage, None of one that is not compressed.

    ITK takes whatever it got of a broken stream for voxels, or crashes on it.
    """
    with path.open("rb") as header:
        fields = _meta_fields(header)
        if not _is_true(fields.get("CompressedData")):
            return None
        data = fields["ElementDataFile"]
        with header if data.upper() == "LOCAL" else (path.parent / data).open("rb") as file:
            left = int(fields.get("CompressedDataSize", 1 << 62))
            stream, inflated = isal_zlib.decompressobj(wbits=47), bytearray()  # 47: zlib or gzip, whichever it is
            while not stream.eof and len(inflated) <= sizes.nbytes:
                chunk = file.read(min(left, 1 << 14))
                if not chunk:
                    raise EOFError("its compressed voxels end too early")
                left -= len(chunk)
                inflated += stream.decompress(chunk)
    if len(inflated) != sizes.nbytes:
        raise ValueError(f"it holds other than the {sizes.nbytes} bytes of voxels that its header tells")
    big = _is_true(fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB")))
    stored = np.dtype(_DTYPES[reader.GetPixelID()]).newbyteorder(">" if big else "<")
    shape = reader.GetSize()[::-1] + sizes.shape[len(reader.GetSize()) :]
    return np.frombuffer(inflated, stored).astype(stored.newbyteorder("="), copy=False).reshape(shape)


def _is_true(value: str | None) -> bool:
    return (value or "")[:1] in ("T", "t", "1")


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


def _affine(reader: Any) -> Affine:
    """Return (i, j, k, 1) to RAS+ mm from ITK's direction, spacing and origin (LPS)."""
    dimension = reader.GetDimension()
    direction = np.array(reader.GetDirection()).reshape(dimension, dimension)
    affine = np.eye(4)
    size = min(dimension, 3)
    affine[:size, :size] = direction[:size, :size] * np.array(reader.GetSpacing())[:size]
    affine[:size, 3] = np.array(reader.GetOrigin())[:size]
    affine[:2] *= -1
    return affine


def _said(error: Exception) -> str:
    """Return what an exception of ITK says, without its place in the code and the address of its object."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith("Reason:")]  # the C library's last, of anything
    return re.sub(r"^.*\(0x[0-9a-f]+\): ", "", told[-1]) if told else "it does not say why"
