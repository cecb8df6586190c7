"""PNG, JPEG, BMP, GIF and TIFF of 1, 8 or 16 bits, indexed, with alpha, of one or many pages.

Pillow opens them; colour of 16 bits, which it would reduce to 8, and TIFF of more than 8, of which it swaps the bytes
where it is compressed and big-endian, are decoded by OpenCV.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.readers.base import Channels, Header, unreadable

Image.MAX_IMAGE_PIXELS = None  # the reader's own limit is asked before anything is decoded

# what Pillow's plugins raise on broken files
_BROKEN = (OSError, EOFError, SyntaxError, ValueError, TypeError, KeyError, OverflowError, IndexError, struct.error)
_AS_STORED = {"L": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I": 4, "F": 4}
_BITS_PER_SAMPLE, _PLANAR_CONFIGURATION = 258, 284  # tags of TIFF 6.0; the default of both is 1
_TO_RGB = ("RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "PA")


def read_header(path: Path) -> Header:
    """Return shape (pages, height, width, ...) and sample size in bytes; only the header is read."""
    try:
        with Image.open(path) as image:
            pages = _pages(image)
            colour = (3,) if _is_colour(image) else ()
            itemsize = _deep(image) or _AS_STORED.get(image.mode, 1)
            return Header((pages, image.height, image.width, *colour), itemsize)
    except _BROKEN as error:
        raise unreadable(path, error) from error


def read(path: Path, channels: Channels = (None,)) -> list[Volume]:
    """Return for each channel voxels (pages, height, width[, 3]): grey, indices with their palette, or RGB.

    Alpha is dropped, 1-bit becomes 0 and 255; a JPEG's EXIF orientation is not applied, since masks have none.
    """
    try:
        with Image.open(path) as image:
            pages = _pages(image)
            palette = _palette(image)
            if _deep(image):
                voxels = _read_deep(path, pages)
            else:
                size = image.size
                voxels = np.stack([_page(image, number, size) for number in range(pages)])
    except _BROKEN as error:
        raise unreadable(path, error) from error
    return [Volume(_sample(path, voxels, channel), flat=pages == 1, palette=palette) for channel in channels]


def _sample(path: Path, voxels: NDArray[Any], channel: int | None) -> NDArray[Any]:
    if channel is None:
        return voxels
    if voxels.ndim == 3 or channel >= voxels.shape[3]:
        raise CaseError(Reason.GEOMETRY, f"{path.name} has no channel {channel}")
    return np.ascontiguousarray(voxels[..., channel])


def _pages(image: ImageFile.ImageFile) -> int:
    """Return the number of pages; what a camera's JPEG (MPO) holds beside its first picture are previews."""
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


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


def _deep(image: ImageFile.ImageFile) -> int:
    """Return the bytes a sample of an image that OpenCV is to decode, as its own header names them; 0 for others."""
    if image.format == "PNG":
        return 2 if image.mode in _TO_RGB and image.tile and "16" in str(image.tile[0][3]) else 0
    if image.format == "TIFF":
        bits = _tag(image, _BITS_PER_SAMPLE)
        if max(bits) > 8 and len(bits) > 1 and _tag(image, _PLANAR_CONFIGURATION) != (1,):
            raise ValueError("16-bit colour in separate planes; save it with interleaved samples")
        return (max(bits) + 7) // 8 if max(bits) > 8 else 0
    return 0


def _tag(image: ImageFile.ImageFile, tag: int) -> tuple[int, ...]:
    value = image.tag_v2.get(tag, (1,))  # type: ignore[attr-defined]
    return value if isinstance(value, tuple) else (value,)


def _read_deep(path: Path, count: int) -> NDArray[Any]:
    import cv2

    pages = cv2.imreadmulti(str(path), flags=cv2.IMREAD_UNCHANGED)[1]
    if len(pages) != count:
        raise ValueError(f"OpenCV decodes {len(pages)} of its {count} pages")
    # blue, green, red[, alpha] to red, green, blue
    return np.stack([page if page.ndim == 2 else page[..., 2::-1] for page in pages])
