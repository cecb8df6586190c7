"""NRRD (.nrrd, .nhdr): a text header of `field: value` lines, raw, gzip or text voxels; each space becomes RAS+.

The format: teem.sourceforge.net/nrrd/format.html. Spaces, kinds and origins are read as ITK does. The header is parsed
and bounded here, since ITK's own parser crashes on damaged ones.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Affine, Volume, checked_affine
from curate.readers.base import Channels, Header, choose
from curate.readers.detached import (
    MAX_FILES,
    Encoded,
    data_paths,
    read_voxels,
    text_lines,
    whole_number,
    whole_numbers,
)
from curate.readers.nrrd_geometry import Direction, Fields, affine_of, directions_of, space_of

_TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
_DTYPES = {name: kind for kind, names in _TYPES.items() for name in names.split(", ")}
_PACKING = {"raw": "raw", "gzip": "deflate", "gz": "deflate", "text": "text", "txt": "text", "ascii": "text"}
_SPATIAL_KINDS = ("domain", "space", "time", "???", "none")
_PATTERN = re.compile(r"[^%]*%0?\d?d[^%]*")


@dataclass(frozen=True)
class NrrdHeader:
    """A parsed header.

    `size` is along the stored axes, the fastest first; `spatial` are the indices of up to three of them that are i, j,
    k, `channel` that of the one whose places are channels. `unplaced` tells that neither directions nor an origin are
    given.
    """

    size: tuple[int, ...]
    spatial: tuple[int, ...]
    channel: int | None
    affine: Affine
    unplaced: bool
    encoded: Encoded

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along i, j, k and the number of channels, where the header has such an axis."""
        shape = tuple(self.size[axis] for axis in self.spatial)
        return shape if self.channel is None else (*shape, self.size[self.channel])


def read_header(path: Path) -> Header:
    """Return shape (i, j, k, channels) and sample size in bytes."""
    header = _parse(path)
    return Header(header.shape, header.encoded.dtype.itemsize)


def read(path: Path, channels: Channels = (None,)) -> list[Volume]:
    """Return a 3D file, or volumes of a 4D or multi-component one, in the stored dtype."""
    header = _parse(path)
    count = 1 if header.channel is None else header.size[header.channel]
    what = f"{len(header.shape)}D ({' x '.join(map(str, header.shape))})"
    chosen = [choose(path.name, count, channel, what) for channel in channels]
    affine = checked_affine(header.affine, path.name)
    voxels = read_voxels(path.name, header.size[::-1], header.encoded)
    if header.channel is not None:
        voxels = np.moveaxis(voxels, len(header.size) - 1 - header.channel, 0)
    i, j, k = (*(header.size[axis] for axis in header.spatial), 1, 1)[:3]
    shape = (count, k, j, i)
    volumes = voxels.reshape(shape) if voxels.flags.c_contiguous else voxels
    return [
        Volume(np.ascontiguousarray(volumes[index]).reshape(shape[1:]), affine, unplaced=header.unplaced)
        for index in chosen
    ]


def data_files(path: Path) -> tuple[str, ...]:
    """Return the files that hold the voxels, relative to the header's folder; none where it holds them itself."""
    files = _parse(path).encoded.files
    return tuple(file.relative_to(path.parent).as_posix() for file in files if file != path)


def _parse(path: Path) -> NrrdHeader:
    with path.open("rb") as file:
        if not re.fullmatch(rb"NRRD000[1-9]", file.readline(64).strip()):
            raise ValueError("it does not begin with an NRRD header")
        lines = text_lines(file)
        fields = _fields(lines)
        start = file.tell()
        listed = fields.get("datafile", "").split()
        names = [line.strip() for line in lines if line.strip()] if listed[:1] == ["LIST"] else []
    dimension = whole_number(fields.get("dimension", ""), "dimension", 1, 5)
    size = whole_numbers(fields.get("sizes", ""), "sizes", 1)
    if len(size) != dimension:
        raise ValueError(f"its header's sizes must be {dimension} numbers: {fields.get('sizes', '')[:80]!r}")
    directions = directions_of(fields, dimension)
    spatial, channel = _axes(path.name, fields, size, directions)
    affine, placed = affine_of(fields, spatial, directions)
    return NrrdHeader(size, spatial, channel, affine, not placed, _encoded(path, fields, start, names))


def _fields(lines: Iterator[str]) -> dict[str, str]:
    """Return the fields up to the empty line; comments and `key:=value` pairs are left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            break
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#") and not value.startswith("="):
            fields.setdefault(name.lower().replace(" ", ""), value.strip())
            if fields.get("datafile", "").split()[:1] == ["LIST"]:
                break
    return fields


def _axes(
    name: str, fields: Fields, size: tuple[int, ...], directions: Sequence[Direction]
) -> tuple[tuple[int, ...], int | None]:
    """Return the axes that are i, j, k, and the one whose places are channels.

    That is the axis of a range kind, the one without a direction where there are more axes than the space has, or the
    fourth of a 4D file.
    """
    dimension = len(size)
    kinds = fields.get("kinds", "").lower().split() or ["???"] * dimension
    if len(kinds) != dimension:
        raise ValueError(f"its header's kinds must be {dimension} words: {fields['kinds'][:80]!r}")
    if "complex" in kinds:
        raise ValueError("it holds complex numbers, not intensities")
    others = [axis for axis, kind in enumerate(kinds) if kind not in _SPATIAL_KINDS]
    if not others and 0 < space_of(fields)[0] < dimension:
        others = [axis for axis, direction in enumerate(directions) if direction is None]
    spatial = [axis for axis in range(dimension) if axis not in others]
    if not others and len(spatial) == 4:
        others = [spatial.pop()]
    if len(others) > 1 or len(spatial) > 3:
        sizes = " x ".join(map(str, size))
        raise CaseError(Reason.GEOMETRY, f"{name} has {dimension} dimensions ({sizes}): more than a volume's channels")
    if len(spatial) < 2:
        raise CaseError(Reason.GEOMETRY, f"{name} has {len(spatial)} axis in space; an image has two or three")
    return tuple(spatial), others[0] if others else None


def _encoded(path: Path, fields: Fields, start: int, names: list[str]) -> Encoded:
    kind = _DTYPES.get(" ".join(fields.get("type", "").lower().split()))
    if kind is None:
        raise ValueError(f"its header's type {fields.get('type', '')[:80]!r} holds no intensities")
    packing = _PACKING.get(fields.get("encoding", "").lower())
    if packing is None:
        raise ValueError(
            f"its voxels are stored with the encoding {fields.get('encoding', '')[:80]!r}, which is not supported; "
            "save it with raw or gzip"
        )
    endian = fields.get("endian", "").lower()
    if endian not in ("little", "big") and packing != "text" and kind[1] != "1":
        raise ValueError("its header does not give the byte order (`endian: little` or `big`)")
    files: tuple[Path, ...] = (path,)
    if "datafile" in fields:
        files, start = data_paths(path, names or _expanded(fields["datafile"])), 0
    return Encoded(
        files,
        start,
        np.dtype(kind).newbyteorder(">" if endian == "big" else "<"),
        packing,
        whole_number(fields.get("lineskip", "0"), "line skip", 0),
        whole_number(fields.get("byteskip", "0"), "byte skip", -1),
    )


def _expanded(data: str) -> list[str]:
    """Return the files of `slice%03d.raw 1 40 1`: a pattern with first and last number and step; or of one name."""
    words = data.split()
    if len(words) < 4 or not _PATTERN.fullmatch(words[0]):
        return [data]
    first, last = whole_numbers(" ".join(words[1:3]), "data file", 0)
    step = whole_number(words[3], "data file", -MAX_FILES)
    if step == 0:
        raise ValueError(f"its header's data file has no step: {data[:80]!r}")
    stop = last + (1 if step > 0 else -1)
    return [words[0] % index for index in range(first, stop, step)[: MAX_FILES + 1]]
