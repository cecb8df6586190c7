"""Decoders for tifffile where the package imagecodecs is not installed: what the installed packages can do.

tifffile looks its decoders up in a module of its own, which then has few of them. `provide_codecs` adds LZW, CCITT,
JPEG, JPEG 2000 and WebP (by Pillow), Zstandard (by pyarrow), the floating-point predictor, and packed integers.
"""

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.readers.stderr import captured_stderr

_RLE, _FAX3, _FAX4 = 2, 3, 4
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
"""The Adobe marker of a JPEG without its last byte, the colour transform (0: none, 1: YCbCr)."""


def provide_codecs() -> bool:
    """Add the decoders of this module to tifffile; return whether imagecodecs has all of them instead."""
    from tifffile import tifffile

    codecs = tifffile.imagecodecs  # type: ignore[attr-defined]
    if not codecs.__name__.endswith("_imagecodecs"):
        return True
    for name, decode in _DECODERS.items():
        setattr(codecs, name, decode)
    return False


def lzw_decode(data: bytes, /, *, out: int) -> bytes:
    """Return at most `out` bytes of LZW (TIFF 6.0, section 13)."""
    from curate.readers.lzw import decode_lzw

    decoded = np.empty(out, np.uint8)
    count = decode_lzw(np.frombuffer(data, np.uint8), decoded)
    if count < 0:
        raise ValueError("its LZW codes are corrupt")
    return decoded[:count].tobytes()


def zstd_decode(data: bytes, /, *, out: int) -> bytes:
    """Return at most `out` bytes of Zstandard."""
    import pyarrow as pa

    return pa.CompressedInputStream(pa.BufferReader(data), "zstd").read(out)


def ccittrle_decode(data: bytes, rows: int, width: int, /) -> NDArray[np.uint8]:
    """Return pixels (rows, width), 0 and 1, of modified Huffman codes."""
    return _by_libtiff(data, _RLE, width, rows)


def ccittfax3_decode(data: bytes, rows: int, width: int, /, t4options: int = 0) -> NDArray[np.uint8]:
    """Return pixels (rows, width), 0 and 1, of CCITT group 3."""
    return _by_libtiff(data, _FAX3, width, rows, t4options)


def ccittfax4_decode(data: bytes, rows: int, width: int, /) -> NDArray[np.uint8]:
    """Return pixels (rows, width), 0 and 1, of CCITT group 4."""
    return _by_libtiff(data, _FAX4, width, rows)


def jpeg_decode(
    data: bytes,
    /,
    *,
    bitspersample: int,
    tables: bytes | None,
    header: bytes | None,
    colorspace: int | None,
    outcolorspace: int | str | None,
    shape: tuple[int, int],
) -> NDArray[np.uint8]:
    """Return 8-bit pixels (h, w) or (h, w, samples) of a JPEG strip or tile; `tables` are those it shares."""
    if bitspersample != 8 or header is not None:
        raise ValueError("JPEG of this kind needs the package imagecodecs: pip install 'medcorpus[codecs]'")
    body = data[2:] if data[:2] == b"\xff\xd8" else data
    marker = b""
    if outcolorspace == 2:  # RGB is wanted: of RGB that libjpeg would take for YCbCr, or of YCbCr
        marker = _ADOBE + (b"\0" if colorspace == 2 else b"\1")
    shared = b"" if tables is None else tables[2:].removesuffix(b"\xff\xd9")
    with Image.open(io.BytesIO(b"\xff\xd8" + marker + shared + body), formats=("JPEG",)) as image:
        return np.asarray(image)[: shape[0], : shape[1]]


def jpeg2k_decode(data: bytes, /, **keys: Any) -> NDArray[Any]:
    """Return the pixels of a JPEG 2000 tile."""
    with Image.open(io.BytesIO(data), formats=("JPEG2000",)) as image:
        return np.asarray(image)


def webp_decode(data: bytes, /, **keys: Any) -> NDArray[np.uint8]:
    """Return the pixels of a WebP tile; with `hasalpha` always RGBA."""
    with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
        return np.asarray(image.convert("RGBA") if keys.get("hasalpha") else image)


def floatpred_decode(data: NDArray[Any], /, *, axis: int = -2, dist: int = 1, out: Any = None) -> NDArray[Any]:
    """Return floats of the floating-point predictor (TIFF Technical Note 3): byte planes, differenced along rows.

    `data` is (depth, rows, width, samples); only `axis` -2 occurs.
    """
    depth, rows, width, samples = data.shape
    size = data.dtype.itemsize
    planes = np.ascontiguousarray(data).view(np.uint8).reshape(depth, rows, -1, samples * dist)
    planes = np.cumsum(planes, axis=2, dtype=np.uint8).reshape(depth, rows, size, width * samples)
    big = np.ascontiguousarray(planes.swapaxes(2, 3)).view(data.dtype.newbyteorder(">"))
    return big.reshape(data.shape).astype(data.dtype.newbyteorder("="))


def packints_decode(
    data: bytes, dtype: Any, bitspersample: int, /, runlen: int = 0, *, out: Any = None
) -> NDArray[Any]:
    """Return unsigned integers of 1 to 32 bits, of which each row of `runlen` begins at a byte."""
    if not 1 <= bitspersample <= 32 or runlen < 1:
        raise ValueError(f"samples of {bitspersample} bits are not supported")
    row = -(-runlen * bitspersample // 8)
    whole = np.frombuffer(data, np.uint8)
    whole = whole[: whole.size // row * row].reshape(-1, row)
    bits = np.unpackbits(whole, axis=1)[:, : runlen * bitspersample].reshape(-1, bitspersample)
    if bitspersample == 1:
        return bits.reshape(-1).astype(dtype)
    values = np.zeros(len(bits), np.uint32)
    for place in range(bitspersample):
        values = (values << np.uint32(1)) | bits[:, place]
    return values.astype(dtype)


def _by_libtiff(data: bytes, compression: int, width: int, height: int, options: int = 0) -> NDArray[np.uint8]:
    """Return pixels (height, width), 0 and 1, of a strip: written as a TIFF of one strip, which libtiff decodes."""
    fields = [
        (256, width), (257, height), (258, 1), (259, compression), (262, 1), (273, 0), (277, 1), (278, height),
        (279, len(data)), (292, options),
    ]  # fmt: skip
    if compression != _FAX3:
        fields.pop()
    start = 8 + 2 + 12 * len(fields) + 4
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, start if tag == 273 else value) for tag, value in fields)
    content = struct.pack("<2sHIH", b"II", 42, 8, len(fields)) + tags + bytes(4) + data
    with captured_stderr() as said, Image.open(io.BytesIO(content), formats=("TIFF",)) as image:
        pixels = np.asarray(image).view(np.uint8)
    if said:  # libtiff goes on after a bad code, and calls that a success
        raise ValueError(said[0])
    return pixels


_DECODERS = {
    one.__name__: one
    for one in (
        lzw_decode, zstd_decode, ccittrle_decode, ccittfax3_decode, ccittfax4_decode, jpeg_decode, jpeg2k_decode,
        webp_decode, floatpred_decode, packints_decode,
    )
}  # fmt: skip
