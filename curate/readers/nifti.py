"""NIfTI-1 and NIfTI-2 in one file or two, Analyze 7.5 and SPM: isal inflates the voxels in one go."""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Affine, Volume, checked_affine
from curate.readers.base import Channels, Header, choose
from curate.readers.nifti_header import Geometry, NiftiHeader, geometry_of, parse_header
from curate.readers.streams import MAX_DEFLATE_RATIO, fill, skip, through_stream

_OTHER_HALF = {".hdr": ".img", ".img": ".hdr"}


def read_header(path: Path) -> Header:
    """Return shape and sample size in bytes; colours are a last dimension of 3."""
    return _sizes(_parsed(path)[0])


def read(path: Path, channels: Channels = (None,)) -> list[Volume]:
    """Return a 3D file, or volumes of a 4D one, in the stored dtype; the file is inflated once for all of them.

    RGB24 and RGBA32 give colour volumes without alpha, of which a channel is one colour.
    """
    header, data = _parsed(path)
    sizes = _sizes(header)
    shape, count = _spatial(header)
    chosen = [_choose(path, sizes, channel, count, header.samples > 1) for channel in channels]
    size = prod(shape) * header.samples * header.dtype.itemsize
    wanted = sorted({index for index, _ in chosen})
    raw = through_stream(data, lambda file: _volumes(file, header.offset, size, wanted, count))
    slope, intercept = header.scaling
    geometry = _geometry(path, header)
    return [
        Volume(
            _voxels(raw[index], header, shape, sample),
            geometry.affine,
            slope=slope,
            intercept=intercept,
            other_affine=geometry.other,
            unplaced=geometry.unplaced,
        )
        for index, sample in chosen
    ]


def data_files(path: Path) -> tuple[str, ...]:
    """Return the other files of a pair: the other half of .hdr and .img, and SPM's .mat."""
    other = _other_half(path)
    if other is None:
        return ()
    mat = _mat_file(path)
    return (other.name, mat.name) if mat.exists() else (other.name,)


def _parsed(path: Path) -> tuple[NiftiHeader, Path]:
    """Return the header, and the file that holds the voxels; raises where that file cannot hold as many."""
    other = _other_half(path)
    head, data = (path, path) if other is None else (path, other) if _kind(path) == ".hdr" else (other, path)
    if not head.exists() and head is not path:
        raise FileNotFoundError(f"{head.name}, the header of {path.name}, is missing")
    header = through_stream(head, lambda file: parse_header(file, path.name, pair=other is not None))
    data = head if header.single else data
    if not data.exists():
        raise FileNotFoundError(f"{data.name}, which holds the voxels of {path.name}, is missing")
    claimed = _sizes(header).nbytes
    if claimed > data.stat().st_size * MAX_DEFLATE_RATIO:
        raise ValueError(f"the header claims {claimed:.3g} bytes, more than a file of this size can hold")
    return header, data


def _other_half(path: Path) -> Path | None:
    """Return the .img of a .hdr, the .hdr of an .img; None for a single file. Letter case and .gz stay."""
    kind = _kind(path)
    if kind not in _OTHER_HALF:
        return None
    zipped = path.name[-3:] if path.name.lower().endswith(".gz") else ""
    stem = path.name[: len(path.name) - len(zipped) - len(kind)]
    suffix = path.name[len(stem) : len(stem) + len(kind)]
    other = _OTHER_HALF[kind]
    return path.with_name(stem + (other.upper() if suffix.isupper() else other) + zipped)


def _kind(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _sizes(header: NiftiHeader) -> Header:
    shape = header.shape if header.samples == 1 else (*header.shape, 3)
    return Header(shape, header.dtype.itemsize)


def _spatial(header: NiftiHeader) -> tuple[tuple[int, ...], int]:
    """Return the 3D shape of one volume and the number of volumes."""
    shape = (*header.shape, 1, 1)
    return shape[:3], prod(shape[3:])


def _choose(path: Path, sizes: Header, channel: int | None, count: int, colour: bool) -> tuple[int, int | None]:
    """Return the volume that a channel stands for, and the colour of it; None for all of its colours."""
    if colour and count == 1 and channel is not None:
        return 0, choose(path.name, 3, channel, "RGB")
    dimensions = len(sizes.shape) - colour if count > 1 else 3
    return choose(path.name, count, channel, f"{dimensions}D ({' x '.join(map(str, sizes.shape))})"), None


def _volumes(
    file: IO[bytes], offset: int, size: int, wanted: Sequence[int], count: int
) -> dict[int, NDArray[np.uint8]]:
    """Return the bytes of the volumes `wanted` of `count`, each of `size` bytes, reading the stream once."""
    raw: dict[int, NDArray[np.uint8]] = {}
    skip(file, offset)
    at = 0
    for index in wanted:
        skip(file, (index - at) * size)
        raw[index] = np.empty(size, np.uint8)
        fill(file, raw[index].data)
        at = index + 1
    if at == count:
        file.read(1)  # at the end of the stream gzip compares the checksum
    return raw


def _voxels(raw: NDArray[np.uint8], header: NiftiHeader, shape: Sequence[int], sample: int | None) -> NDArray[Any]:
    """Return voxels `[k, j, i]`, or `[k, j, i, 3]` of colours, in the machine's byte order."""
    if header.samples == 1:
        voxels = raw.view(header.dtype).reshape(shape[::-1])
        return voxels if voxels.dtype.isnative else voxels.astype(voxels.dtype.newbyteorder("="))
    colours = raw.reshape(*shape[::-1], header.samples)
    return np.ascontiguousarray(colours[..., :3] if sample is None else colours[..., sample])


def _geometry(path: Path, header: NiftiHeader) -> Geometry:
    mat = _mat_file(path)
    if header.analyze and mat.exists():
        return Geometry(checked_affine(_spm_affine(mat), mat.name))
    return geometry_of(header)


def _mat_file(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".gz")).with_suffix(".mat")


def _spm_affine(mat: Path) -> Affine:
    """Return the affine that SPM99 (`M`, x to the left) or SPM2 (`mat`) keeps in a MATLAB file beside the header."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise CaseError(
            Reason.GEOMETRY, f"{mat.name} holds the position of the image; reading it needs SciPy: pip install scipy"
        ) from None
    found = loadmat(mat)
    one_based = np.eye(4)
    one_based[:3, 3] = 1.0
    if "mat" in found:
        matrix = np.asarray(found["mat"], np.float64)
        matrix = matrix[..., 0] if matrix.ndim > 2 else matrix
    elif "M" in found:
        matrix = np.diag([-1.0, 1.0, 1.0, 1.0]) @ np.asarray(found["M"], np.float64)
    else:
        raise CaseError(Reason.GEOMETRY, f"{mat.name} holds neither `mat` nor `M`; correct or remove it")
    if matrix.shape != (4, 4):
        raise CaseError(Reason.GEOMETRY, f"{mat.name}: its matrix is {' x '.join(map(str, matrix.shape))}, not 4 x 4")
    return matrix @ one_based
