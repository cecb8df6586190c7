"""Pixels of the picture and TIFF tests, and how they are saved and compared."""

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from curate.imaging.volume import Volume

RNG = np.random.default_rng(0)
Y, X = np.mgrid[:40, :51]
GREY = ((np.sin(X / 5) + np.cos(Y / 7)) * 60 + 120 + RNG.normal(0, 3, X.shape)).astype(np.uint8)
RGB = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)
GREY_16 = GREY.astype(np.uint16) * 200 + np.arange(51, dtype=np.uint16)
RGB_16 = RGB.astype(np.uint16) * 200 + np.arange(3, dtype=np.uint16)
COLOURS = np.array([[10, 20, 30], [200, 0, 0], [0, 180, 0], [250, 250, 10]], np.uint8)
INDICES = RNG.integers(0, 4, (12, 17)).astype(np.uint8)


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def saved(path: Path, pixels: NDArray[Any] | Image.Image, **keys: Any) -> Path:
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **keys)
    return path


def indexed(indices: NDArray[np.uint8], colours: NDArray[np.uint8] = COLOURS) -> Image.Image:
    image = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    image.putpalette(colours.tobytes())
    return image


def colours_of(volume: Volume) -> NDArray[Any]:
    """Return RGB pixels (pages, h, w, 3) of any volume of 8 bits."""
    voxels = volume.voxels if volume.palette is None else volume.palette[volume.voxels]
    return voxels if voxels.ndim == 4 else np.repeat(voxels[..., np.newaxis], 3, axis=3)


def by_opencv(path: Path) -> NDArray[np.uint8]:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert pixels is not None
    return pixels[..., ::-1]


GREY_TYPE, RGB_TYPE, PALETTE_TYPE, GREY_ALPHA_TYPE, RGBA_TYPE = 0, 2, 3, 4, 6


def png(pixels: NDArray[Any], depth: int, kind: int, **chunks: bytes) -> bytes:
    """Encode pixels (h, w[, samples]) of 1 to 16 bits a sample."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    if depth < 8:
        bits = np.unpackbits(rows.astype(np.uint8)[..., np.newaxis], axis=-1)[..., 8 - depth :]
        rows = np.packbits(bits.reshape(height, -1), axis=1)
    rows = rows.astype(">u2" if depth == 16 else np.uint8)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
        + b"".join(chunk(name.encode(), data) for name, data in chunks.items())
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
        + chunk(b"IEND", b"")
    )


def tiff(path: Path, pixels: NDArray[Any], endian: str = "<", big: bool = False, **keys: Any) -> Path:
    with tifffile.TiffWriter(path, byteorder=endian, bigtiff=big) as writer:
        writer.write(pixels, **keys)
    return path


def plain_tiff(path: Path, strip: bytes, height: int, width: int, **tags: int | tuple[int, ...]) -> Path:
    """Write a TIFF of one strip, already encoded; `tags` are the numbers of tags as t258 and so on."""
    fields: dict[int, int | tuple[int, ...]] = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1, 278: height}
    fields |= {int(name[1:]): value for name, value in tags.items()} | {273: 0, 279: len(strip)}
    start = 8 + 2 + 12 * len(fields) + 4
    entries, extra = b"", b""
    for tag, value in sorted(fields.items()):
        values = value if isinstance(value, tuple) else (value,)
        if len(values) == 2:
            entries += struct.pack("<HHIHH", tag, 3, 2, *values)
        elif len(values) > 1:
            entries += struct.pack("<HHII", tag, 3, len(values), start + len(extra))
            extra += struct.pack(f"<{len(values)}H", *values) + b"\0" * (len(values) % 2 * 2)
        else:
            entries += struct.pack("<HHII", tag, 4, 1, 0 if tag == 273 else values[0])
    at = entries.index(struct.pack("<HHII", 273, 4, 1, 0))
    entries = entries[: at + 8] + struct.pack("<I", start + len(extra)) + entries[at + 12 :]
    path.write_bytes(struct.pack("<2sHIH", b"II", 42, 8, len(fields)) + entries + bytes(4) + extra + strip)
    return path
