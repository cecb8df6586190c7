"""PNG, JPEG, BMP, GIF, JPEG 2000 and WebP of 1, 8 or 16 bits, indexed, with alpha, of one or many pages.

Pillow opens them; what it would reduce to 8 bits, colour of 16 bits, is decoded by OpenCV.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, Jpeg2KImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401 - registers itself

from curate.imaging.orientation import TAG, UPRIGHT, upright
from curate.imaging.volume import Volume
from curate.readers.base import Channels, Header, choose
from curate.readers.stderr import captured_stderr

FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "JPEG2000", "WEBP")
"""The plugins of Pillow that are tried: others start programs (EPS: Ghostscript)."""

Image.MAX_IMAGE_PIXELS = None  # the reader's own limit is asked before anything is decoded
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 1 << 26  # ICC profiles and notes of over 1 MB occur

_AS_STORED = {"L": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I": 4, "F": 4}
_TO_RGB = ("RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV", "PA")


def read_header(path: Path) -> Header:
    """Return shape (pages, height, width, ...) and sample size in bytes; only the header is read."""
    with Image.open(path, formats=FORMATS) as image:
        colour = (3,) if _is_colour(image) else ()
        size = image.size if _orientation(image) < 5 else image.size[::-1]
        return Header((_pages(image), *size[::-1], *colour), _itemsize(image, path))


def read(path: Path, channels: Channels = (None,)) -> list[Volume]:
    """Return for each channel voxels (pages, height, width[, 3]): grey, indices with their palette, or RGB.

    Alpha is dropped, 1-bit becomes 0 and 255. The EXIF orientation is applied, and recorded in the volume.
    """
    with Image.open(path, formats=FORMATS) as image:
        pages = _pages(image)
        palette = _palette(image)
        if _is_deep(image, path):
            voxels = _read_deep(path, image.format or "")
        else:
            size = image.size
            voxels = np.stack([_page(image, number, size) for number in range(pages)])
            if image.format == "JPEG2000":
                voxels = _signed(voxels, *_precision(path))
        orientation = _orientation(image)
    voxels = upright(voxels, orientation)
    count = voxels.shape[3] if voxels.ndim == 4 else 1
    what = "a colour image" if count > 1 else "a grey image"
    return [
        Volume(
            voxels if channel is None else _sample(voxels, choose(path.name, count, channel, what)),
            flat=pages == 1,
            palette=palette,
            orientation=orientation,
        )
        for channel in channels
    ]


def _sample(voxels: NDArray[Any], index: int) -> NDArray[Any]:
    return voxels if voxels.ndim == 3 else np.ascontiguousarray(voxels[..., index])


def _pages(image: ImageFile.ImageFile) -> int:
    """Return the number of pages; what a camera's JPEG (MPO) holds beside its first picture are previews."""
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


def _orientation(image: ImageFile.ImageFile) -> int:
    """Return the EXIF orientation; of a PNG only where EXIF stands before the pixels, or after they are loaded."""
    if image.format == "GIF" or (image.format == "PNG" and "exif" not in image.info):
        return UPRIGHT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own words on damaged data, without a file name
            value = image.getexif().get(TAG, UPRIGHT)
    except Exception:  # damaged EXIF data can raise anything; the pixels do not depend on them
        return UPRIGHT
    return value if value in range(1, 9) else UPRIGHT


def _is_colour(image: ImageFile.ImageFile) -> bool:
    """Tell whether pages become RGB; those of an animated GIF do, each may have a palette of its own."""
    return image.mode in _TO_RGB or (image.format == "GIF" and getattr(image, "is_animated", False))


def _page(image: ImageFile.ImageFile, number: int, size: tuple[int, int]) -> NDArray[Any]:
    if number:
        image.seek(number)
    if image.size != size:
        raise ValueError(
            f"page {number + 1} has {image.width} x {image.height} pixels, the first {size[0]} x {size[1]}"
        )
    if image.mode == "1":
        return np.where(np.asarray(image), np.uint8(255), np.uint8(0))
    if image.mode in ("LA", "La"):
        return np.asarray(image.convert("L"))
    if _is_colour(image):
        return np.asarray(image.convert("RGB"))
    if image.mode != "P" and image.mode not in _AS_STORED:
        raise ValueError(f"pixels of mode {image.mode} are not known here")
    page = np.asarray(image)
    return page if page.dtype.isnative else page.astype(page.dtype.newbyteorder("="))


def _palette(image: ImageFile.ImageFile) -> NDArray[np.uint8] | None:
    """Return the 256 colours of an indexed image, black where the file has fewer."""
    if image.mode != "P" or _is_colour(image):
        return None
    colours = np.frombuffer(bytes(image.getpalette("RGB") or []), np.uint8)
    palette = np.zeros(768, np.uint8)
    palette[: colours.size] = colours
    return palette.reshape(256, 3)


def _itemsize(image: ImageFile.ImageFile, path: Path) -> int:
    return 2 if _is_deep(image, path) else _AS_STORED.get(image.mode, 1)


def _is_deep(image: ImageFile.ImageFile, path: Path) -> bool:
    """Tell whether OpenCV is to decode an image: Pillow reduces 16-bit colour to 8 bits, and scales 12 bits to 16."""
    if image.format == "PNG":
        return image.mode in (*_TO_RGB, "LA") and bool(image.tile) and "16" in str(image.tile[0][3])
    if image.format == "JPEG2000":
        bits, signed = _precision(path)
        return bits > 8 and not signed
    return False


def _read_deep(path: Path, kind: str) -> NDArray[Any]:
    import cv2

    log = cv2.utils.logging
    level = log.setLogLevel(log.LOG_LEVEL_SILENT)
    try:
        with captured_stderr() as said:
            page = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    finally:
        log.setLogLevel(level)
    if page is None:
        raise ValueError(said[0] if said else f"OpenCV cannot decode this {kind} image")
    # blue, green, red[, alpha] to red, green, blue
    return page[np.newaxis] if page.ndim == 2 else page[np.newaxis, ..., 2::-1]


def _precision(path: Path) -> tuple[int, bool]:
    """Return the bits of a sample of a JPEG 2000 image, and whether it is signed (ISO/IEC 15444-1, A.5.1)."""
    data = path.read_bytes()
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0 or len(data) < at + 43:
        raise ValueError("its JPEG 2000 codestream has no image size")
    return (data[at + 42] & 0x7F) + 1, data[at + 42] >= 0x80


def _signed(voxels: NDArray[Any], bits: int, signed: bool) -> NDArray[Any]:
    """Return the samples of a signed image; Pillow adds half their range, and shifts them up to 8 or 16 bits."""
    if not signed:
        return voxels
    if voxels.ndim == 4 or bits > 16:
        raise ValueError("signed colour of JPEG 2000 is not supported; convert it to unsigned samples")
    full = 8 * voxels.dtype.itemsize
    return ((voxels >> (full - bits)).astype(np.int32) - (1 << (bits - 1))).astype(np.int16 if full > 8 else np.int8)
