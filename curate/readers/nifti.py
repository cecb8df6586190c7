"""NIfTI-1 and NIfTI-2 (.nii, .nii.gz): nibabel reads the header, isal inflates the voxels in one go."""

from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from isal import igzip, isal_zlib
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume, checked_affine
from curate.readers.base import Channels, Header, unreadable

MAX_DEFLATE_RATIO = 1032
"""The most bytes a byte of deflate can become (zlib's technical notes, zlib.net/zlib_tech.html)."""

# isal's own stubs call its error an instance
_BROKEN: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    cast("type[Exception]", isal_zlib.error),
    ImageFileError,
    HeaderDataError,
    ValueError,
    OverflowError,
)


def read_header(path: Path) -> Header:
    """Return shape and voxel size in bytes; raises CaseError where the header is broken or claims too much."""
    try:
        with _open(path) as file:
            return _sizes(path, _parse(file))
    except _BROKEN as error:
        raise unreadable(path, error) from error


def read(path: Path, channels: Channels = (None,)) -> list[Volume]:
    """Return a 3D file, or volumes of a 4D one, in the stored dtype; the file is inflated once for all of them."""
    try:
        with _open(path) as file:
            header = _parse(file)
            sizes = _sizes(path, header)
            shape, volumes = _spatial(sizes)
            wanted = [_index(path, sizes, volumes, channel) for channel in channels]
            dtype = cast("np.dtype[Any]", header.get_data_dtype())
            _skip(file, int(header.get_data_offset()) - header.sizeof_hdr)
            raw = _volumes(file, int(np.prod(shape)) * dtype.itemsize, wanted)
            if volumes == 1 or max(wanted) == volumes - 1:
                file.read(1)  # at the end of the stream gzip compares the checksum
            slope, intercept = header.get_slope_inter()
            affine = header.get_best_affine()
    except _BROKEN as error:
        raise unreadable(path, error) from error
    affine = checked_affine(affine)
    return [
        Volume(
            _native(raw[index].view(dtype).reshape(shape[::-1])),
            affine,
            slope=1.0 if slope is None else float(slope),
            intercept=0.0 if intercept is None else float(intercept),
        )
        for index in wanted
    ]


def _volumes(file: IO[bytes], size: int, wanted: list[int]) -> dict[int, NDArray[np.uint8]]:
    """Return the bytes of the volumes `wanted`, each of `size` bytes, reading the stream once."""
    raw: dict[int, NDArray[np.uint8]] = {}
    at = 0
    for index in sorted(set(wanted)):
        _skip(file, (index - at) * size)
        raw[index] = np.empty(size, np.uint8)
        _fill(file, raw[index].data)
        at = index + 1
    return raw


def _native(voxels: NDArray[Any]) -> NDArray[Any]:
    return voxels if voxels.dtype.isnative else voxels.astype(voxels.dtype.newbyteorder("="))


def _open(path: Path) -> IO[bytes]:
    """Open for reading; the content, not the name, says whether it is gzip (both are met under either name)."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    if not zipped:
        return path.open("rb")
    return cast("IO[bytes]", igzip.open(path, "rb"))


def _parse(file: IO[bytes]) -> Any:
    first = file.read(4)
    sizes = {int.from_bytes(first, "little"), int.from_bytes(first, "big")}
    for kind in (Nifti1Header, Nifti2Header):
        if kind.sizeof_hdr in sizes:
            return kind(first + _read_exactly(file, kind.sizeof_hdr - 4))
    raise ValueError("no NIfTI header")


def _sizes(path: Path, header: Any) -> Header:
    shape = tuple(int(n) for n in header.get_data_shape())
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf" or dtype.itemsize > 8 or min(shape, default=0) < 1:
        raise ValueError(f"voxels of type {dtype} and shape {shape} are not scalar intensities")
    sizes = Header(shape, dtype.itemsize)
    if sizes.nbytes > path.stat().st_size * MAX_DEFLATE_RATIO:
        raise ValueError(f"the header claims {sizes.nbytes:.3g} bytes, more than a file of this size can hold")
    return sizes


def _spatial(sizes: Header) -> tuple[tuple[int, ...], int]:
    """Return the 3D shape of one volume and the number of volumes."""
    shape = sizes.shape + (1,) * (3 - len(sizes.shape))
    return shape[:3], int(np.prod(shape[3:]))


def _index(path: Path, sizes: Header, volumes: int, channel: int | None) -> int:
    if volumes == 1:
        if channel:
            raise CaseError(Reason.GEOMETRY, f"{path.name} is 3D: it has no channel {channel}")
        return 0
    if channel is None or channel >= volumes:
        raise CaseError(
            Reason.GEOMETRY,
            f"{path.name} is {len(sizes.shape)}D ({' x '.join(map(str, sizes.shape))}): "
            f"name in the recipe's `channels` which of its {volumes} volumes to take",
        )
    return channel


def _skip(file: IO[bytes], count: int) -> None:
    while count > 0:
        chunk = len(file.read(min(count, 1 << 20)))
        if not chunk:
            raise EOFError("the file ends before its voxels")
        count -= chunk


def _fill(file: IO[bytes], buffer: memoryview) -> None:
    done = 0
    while done < len(buffer):
        count = file.readinto(buffer[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError(f"the file ends after {done} of {len(buffer)} bytes of voxels")
        done += count


def _read_exactly(file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise EOFError("the file ends inside its header")
    return data
