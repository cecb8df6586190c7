"""NIfTI-1 and NIfTI-2 (.nii, .nii.gz): nibabel reads the header, isal inflates the voxels in one go."""

from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from isal import igzip, isal_zlib
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume, checked_affine
from curate.readers import Header, unreadable

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


def read(path: Path, channel: int | None = None) -> Volume:
    """Return a 3D file, or volume `channel` of a 4D one, in its stored dtype."""
    try:
        with _open(path) as file:
            header = _parse(file)
            sizes = _sizes(path, header)
            shape, skip = _choose(path, sizes, channel)
            dtype = cast("np.dtype[Any]", header.get_data_dtype())
            offset = int(header.get_data_offset())
            _skip(file, offset - header.sizeof_hdr + skip)
            raw = np.empty(int(np.prod(shape)) * dtype.itemsize, np.uint8)
            _fill(file, raw.data)
            if channel is None:
                file.read(1)  # at the end of the stream the checksum is compared
            slope, intercept = header.get_slope_inter()
            affine = header.get_best_affine()
    except _BROKEN as error:
        raise unreadable(path, error) from error
    voxels = raw.view(dtype).reshape(shape[::-1])
    if not dtype.isnative:
        voxels = voxels.astype(dtype.newbyteorder("="))
    return Volume(
        voxels,
        checked_affine(affine),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
    )


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


def _choose(path: Path, sizes: Header, channel: int | None) -> tuple[tuple[int, ...], int]:
    """Return the 3D shape to read and the bytes to skip before it."""
    shape = sizes.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    shape += (1,) * (3 - len(shape))
    volumes = int(np.prod(shape[3:]))
    if volumes == 1:
        if channel:
            raise CaseError(Reason.GEOMETRY, f"{path.name} is 3D: it has no channel {channel}")
        return shape[:3], 0
    if channel is None or channel >= volumes:
        raise CaseError(
            Reason.GEOMETRY,
            f"{path.name} is {len(shape)}D ({' x '.join(map(str, shape))}): "
            f"say in the recipe's `channels` which of its {volumes} volumes to take",
        )
    return shape[:3], channel * int(np.prod(shape[:3])) * sizes.itemsize


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
