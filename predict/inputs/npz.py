"""Read NumPy's .npz files through ISA-L, in half of zlib's time.

An .npz is a zip of .npy files. `zipfile` finds the members; their bytes are inflated here, piece by piece into the
array itself. A member that claims too much is refused at its header, and nothing is inflated beyond what it claims.
Format: PKWARE's APPNOTE 6.3, sections 4.3.7 and 4.3.12 to 4.3.16 (headers), 4.5.3 (Zip64).
"""

import io
import struct
import zipfile
from collections.abc import Iterator
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from isal import igzip_lib, isal_zlib
from numpy.typing import NDArray

from catalog.sizes import format_size
from predict.errors import CaseFault, InputError
from predict.inputs.case import MOST_BYTES

PACKED_PIECE, PIECE = 1 << 16, 1 << 18
"""Bytes read and inflated at once: they are still in a core's cache when they are summed and copied."""
MOST_HEADER = 1 << 14
"""Most bytes of the header of an .npy file; NumPy reads at most 10,000."""
DAMAGED = (
    zipfile.BadZipFile,
    OSError,
    ValueError,
    RuntimeError,  # a feature of zip that zipfile does not know, or a header nested too deep
    cast("type[Exception]", isal_zlib.error),  # an instance in its stubs
)
ENCRYPTED = 1
LOCAL_HEADER = 30


def read_arrays(path: Path, needed: tuple[str, ...], wanted: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    """Return the arrays of the keys that are needed, and of those that are wanted and there.

    Raises:
        InputError: the file is damaged or not an .npz, lacks a key, or claims an array of more than `MOST_BYTES`.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if missing := [key for key in needed if key not in members]:
                listed = ", ".join(members) or "none"
                raise InputError(
                    CaseFault.KEYS, f"the file lacks the key {' and '.join(missing)}; its keys are: {listed}"
                )
            return {key: _read_array(file, key, members[key]) for key in (*needed, *wanted) if key in members}
    except DAMAGED as error:
        raise InputError(
            CaseFault.UNREADABLE, f"the file is damaged or not an .npz: {next(iter(str(error).splitlines()), '')}"
        ) from error
    except MemoryError as error:
        raise InputError(CaseFault.TOO_LARGE, "there is not enough memory to read the file") from error


def _read_array(file: BinaryIO, key: str, info: zipfile.ZipInfo) -> NDArray[Any]:
    pieces, start = _pieces(file, info), b""
    while len(start) < MOST_HEADER and (piece := next(pieces, b"")):
        start += piece
    shape, by_columns, dtype, begin = _read_header(start[:MOST_HEADER])
    nbytes = dtype.itemsize * prod(shape)
    if nbytes > MOST_BYTES:
        raise InputError(
            CaseFault.TOO_LARGE,
            f"{key} claims {shape} of {dtype}, {format_size(nbytes)}; at most {format_size(MOST_BYTES)} are read",
        )
    if info.file_size != begin + nbytes:
        other = "longer" if info.file_size > begin + nbytes else "shorter"
        raise InputError(CaseFault.UNREADABLE, f"{key} is damaged: it is {other} than its header says")
    content, there = np.empty(nbytes, np.uint8), 0
    for piece in chain((start[begin:],), pieces):  # to the end, where the checksum is compared
        content[there : there + len(piece)] = np.frombuffer(piece, np.uint8)
        there += len(piece)
    array = content.view(dtype)
    return array.reshape(shape[::-1]).transpose() if by_columns else array.reshape(shape)


def _read_header(start: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, Fortran order and dtype of an .npy file, and where its array begins."""
    stream = io.BytesIO(start)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
    try:
        shape, by_columns, dtype = read(stream)
    except TypeError as error:  # a header with literals of the wrong type
        raise ValueError("the header of the array is damaged") from error
    if dtype.hasobject:
        raise ValueError("Object arrays are not read")
    return shape, by_columns, dtype, stream.tell()


def _pieces(file: BinaryIO, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield the inflated bytes of a member; raise after the last ones if the checksum is wrong."""
    name, stored = info.filename, info.compress_type == zipfile.ZIP_STORED
    if info.flag_bits & ENCRYPTED:
        raise zipfile.BadZipFile(f"{name} is encrypted")
    if not stored and info.compress_type != zipfile.ZIP_DEFLATED:
        raise zipfile.BadZipFile(f"{name} is compressed in a way that NumPy does not use")
    file.seek(info.header_offset)
    header = file.read(LOCAL_HEADER)
    if len(header) < LOCAL_HEADER or header[:4] != b"PK\3\4":
        raise zipfile.BadZipFile(f"{name} is not where the directory says")
    file.seek(sum(struct.unpack("<HH", header[26:])), io.SEEK_CUR)
    inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
    packed, left, crc = info.compress_size, info.file_size, 0
    while left:
        given = file.read(min(PACKED_PIECE, packed)) if stored or inflater.needs_input else b""
        packed -= len(given)
        if inflater.eof or (not given and (stored or inflater.needs_input)):
            raise zipfile.BadZipFile(f"{name} is cut off")
        piece = given[:left] if stored else inflater.decompress(given, min(PIECE, left))
        left, crc = left - len(piece), isal_zlib.crc32(piece, crc)
        if piece:
            yield piece
    if crc != info.CRC:
        raise zipfile.BadZipFile(f"{name} differs from its checksum (CRC)")
