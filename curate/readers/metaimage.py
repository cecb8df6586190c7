"""MetaImage (.mha, .mhd): a text header of `Key = Value` lines, raw or zlib voxels; ITK's LPS becomes RAS+.

The format: itk.org/Wiki/ITK/MetaIO/Documentation. The header is parsed and bounded here, since ITK's own parser
crashes on damaged ones.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
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
    lps_to_ras,
    numbers,
    read_voxels,
    text_lines,
    whole_number,
    whole_numbers,
)

_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
_MM = {"": 1.0, "?": 1.0, "mm": 1.0, "um": 0.001, "cm": 10.0, "m": 1000.0, "nm": 1e-6}
_MATRIX, _ORIGIN = ("TransformMatrix", "Rotation", "Orientation"), ("Offset", "Position", "Origin")
_PATTERN = re.compile(r"[^%]*%0?\d?d[^%]*")


@dataclass(frozen=True)
class MetaHeader:
    """A parsed header: sizes along i, j, k, ..., samples a voxel, the affine, and how the voxels are stored."""

    size: tuple[int, ...]
    samples: int
    affine: Affine
    unplaced: bool
    encoded: Encoded

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes, and the samples where there are several."""
        return self.size if self.samples == 1 else (*self.size, self.samples)


def read_header(path: Path) -> Header:
    """Return shape (i, j, k, ..., samples) and sample size in bytes."""
    header = _parse(path)
    return Header(header.shape, header.encoded.dtype.itemsize)


def read(path: Path, channels: Channels = (None,)) -> list[Volume]:
    """Return a 3D file, or volumes of a 4D or multi-sample one, in the stored dtype."""
    header = _parse(path)
    what = f"{len(header.shape)}D ({' x '.join(map(str, header.shape))})"
    count = header.samples if len(header.size) < 4 else header.size[3]
    chosen = [choose(path.name, count, channel, what) for channel in channels]
    affine = checked_affine(header.affine, path.name)
    i, j, k = (*header.size, 1, 1)[:3]
    if header.samples > 1:
        voxels = np.moveaxis(read_voxels(path.name, (k, j, i, count), header.encoded), -1, 0)
    else:
        voxels = read_voxels(path.name, (count, k, j, i), header.encoded)
    return [Volume(np.ascontiguousarray(voxels[index]), affine, unplaced=header.unplaced) for index in chosen]


def data_files(path: Path) -> tuple[str, ...]:
    """Return the files that hold the voxels, relative to the header's folder; none where it holds them itself."""
    files = _parse(path).encoded.files
    return tuple(file.relative_to(path.parent).as_posix() for file in files if file != path)


def _parse(path: Path) -> MetaHeader:
    with path.open("rb") as file:
        lines = text_lines(file)
        fields = _fields(lines)
        start = file.tell()
        listed = fields["ElementDataFile"].split()
        names = [line.strip() for line in lines if line.strip()] if listed[:1] == ["LIST"] else []
    dimensions = whole_number(fields.get("NDims", ""), "NDims", 2, 4)
    size = whole_numbers(fields.get("DimSize", ""), "DimSize", 1)
    if len(size) != dimensions:
        raise ValueError(f"its header's DimSize must be {dimensions} numbers: {fields.get('DimSize', '')[:80]!r}")
    samples = whole_number(fields.get("ElementNumberOfChannels", "1"), "ElementNumberOfChannels", 1)
    if samples > 1 and len(size) > 3:
        raise CaseError(Reason.GEOMETRY, f"{path.name} is a {len(size)}D file of {samples} components: too many")
    affine, unplaced = _geometry(fields, len(size))
    return MetaHeader(size, samples, affine, unplaced, _encoded(path, fields, size, start, names))


def _fields(lines: Iterator[str]) -> dict[str, str]:
    """Return the lines of `Key = Value` (or `Key : Value`), of which ElementDataFile is the last."""
    fields: dict[str, str] = {}
    for line in lines:
        key, *value = re.split("[=:]", line, maxsplit=1)
        fields[key.strip()] = "".join(value).strip()
        if "ElementDataFile" in fields:
            break
    if not fields.get("ElementDataFile"):
        raise ValueError("its header does not name its data (ElementDataFile)")
    return fields


def _geometry(fields: Mapping[str, str], dimensions: int) -> tuple[Affine, bool]:
    """Return (i, j, k, 1) to RAS+ mm, and whether the header gives no position."""
    axes = min(dimensions, 3)
    unit = fields.get("DistanceUnits", "")
    if unit.lower() not in _MM:
        raise ValueError(f"its header's DistanceUnits {unit[:80]!r} is not known; known: um, mm, cm, m")
    matrix, origin = np.eye(dimensions), np.zeros(dimensions)
    placed = [key for key in (*_MATRIX, *_ORIGIN) if key in fields]
    for key in placed:
        if key in _MATRIX:
            matrix = np.reshape(numbers(fields[key], dimensions**2, key), (dimensions, dimensions))
        else:
            origin = np.array(numbers(fields[key], dimensions, key))
    key = "ElementSpacing" if "ElementSpacing" in fields else "ElementSize"
    spacing = numbers(fields[key], dimensions, key) if key in fields else np.ones(dimensions)
    affine = np.eye(4)
    affine[:axes, :axes] = matrix[:axes, :axes].T * spacing[:axes]  # a row of the matrix is the direction of an axis
    affine[:axes, 3] = origin[:axes]
    return lps_to_ras(np.diag([*[_MM[unit.lower()]] * 3, 1.0]) @ affine), not placed


def _encoded(path: Path, fields: Mapping[str, str], size: Sequence[int], start: int, names: list[str]) -> Encoded:
    element = fields.get("ElementType", "")
    kind = _TYPES.get(element.removesuffix("_ARRAY"))
    if kind is None:
        raise ValueError(f"its header's ElementType {element[:80]!r} holds no intensities; known: {', '.join(_TYPES)}")
    big = _is_true(fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB")))
    dtype = np.dtype(kind).newbyteorder(">" if big else "<")
    before = whole_number(fields.get("HeaderSize", "0"), "HeaderSize", -1)
    packed = None
    if _is_true(fields.get("CompressedData")):
        packing = "deflate"
        if "CompressedDataSize" in fields:
            packed = whole_number(fields["CompressedDataSize"], "CompressedDataSize", 0)
    else:
        packing = "raw" if _is_true(fields.get("BinaryData", "True")) else "text"
    local = fields["ElementDataFile"].upper() == "LOCAL"
    files = (path,) if local else data_paths(path, names or _expanded(fields["ElementDataFile"], size[-1]))
    if before != 0 or not local:
        start = max(0, before)
    return Encoded(files, start, dtype, packing, skipped=min(before, 0), packed=packed)


def _expanded(data: str, slices: int) -> list[str]:
    """Return the files of `slice%03d.raw 1 40 1`: a pattern with first and last number and step; or of one name."""
    words = data.split()
    if "%" not in data or not _PATTERN.fullmatch(words[0]):
        return [data]
    given = whole_numbers(" ".join(words[1:4]), "ElementDataFile", 0)
    first, last, step = (*given, *(1, slices, 1)[len(given) :])
    if step < 1:
        raise ValueError(f"its header's ElementDataFile has no step: {data[:80]!r}")
    return [words[0] % index for index in range(first, min(last, first + step * MAX_FILES) + 1, step)]


def _is_true(value: str | None) -> bool:
    return (value or "")[:1] in ("T", "t", "1")
