"""PNG, JPEG, BMP, GIF and TIFF of 1, 8 or 16 bits, indexed, with alpha, of one or many pages.

Pillow opens them; 16-bit colour, which it would reduce to 8 bits, goes through OpenCV.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from catalog.reasons import Reason
from curate.errors import CaseError
from curate.readers import Header
from curate.volume import Volume

Image.MAX_IMAGE_PIXELS = None  # the reader's own limit is asked before anything is decoded

# what Pillow's plugins raise on broken files
_BROKEN = (OSError, EOFError, SyntaxError, ValueError, TypeError, KeyError, OverflowError, IndexError, struct.error)
_AS_STORED = {"L": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I": 4, "F": 4}
_BITS_PER_SAMPLE, _PLANAR_CONFIGURATION, _SAMPLE_FORMAT = 258, 284, 339  # TIFF 6.0; the default of each is 1
_TO_RGB = ("RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "PA")


def read_header(path: Path) -> Header:
    """Return shape (pages, height, width, ...) and sample size in bytes; only the header is read."""
    try:
        with Image.open(path) as image:
            pages = _pages(image)
            colour = (3,) if _is_colour(image) else ()
            itemsize = 2 if colour and _deep_colour(image) else _AS_STORED.get(image.mode, 1)
            return Header((pages, image.height, image.width, *colour), itemsize)
    except _BROKEN as error:
        raise _unreadable(path, error) from error


def read(path: Path, channel: int | None = None) -> Volume:
    """Return voxels (pages, height, width[, 3]): grey, indices with their palette, or RGB.

    Alpha is dropped, 1-bit becomes 0 and 255; a JPEG's EXIF orientation is not applied, since masks have none.
    """
    try:
        with Image.open(path) as image:
            pages = _pages(image)
            palette = _palette(image)
            if _deep_colour(image):
                voxels = _read_deep(path, pages)
            else:
                voxels = np.stack([_page(image, number) for number in range(pages)])
    except _BROKEN as error:
        raise _unreadable(path, error) from error
    if channel is not None:
        if voxels.ndim == 3 or channel >= voxels.shape[3]:
            raise CaseError(Reason.GEOMETRY, f"{path.name} has no channel {channel}")
        voxels = np.ascontiguousarray(voxels[..., channel])
    return Volume(voxels, flat=pages == 1, palette=palette)


def _pages(image: Image.Image) -> int:
    """Return the number of pages; what a camera's JPEG (MPO) holds beside its first picture are previews."""
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


def _is_colour(image: Image.Image) -> bool:
    """Tell whether pages become RGB; those of an animated GIF do, each may have a palette of its own."""
    return image.mode in _TO_RGB or (image.format == "GIF" and getattr(image, "is_animated", False))


def _page(image: Image.Image, number: int) -> NDArray[Any]:
    if number:
        image.seek(number)
    if image.mode == "1":
        return np.where(np.asarray(image), np.uint8(255), np.uint8(0))
    if image.mode in ("LA", "La"):
        return np.asarray(image.convert("L"))
    if _is_colour(image):
        return np.asarray(image.convert("RGB"))
    if image.mode != "P" and image.mode not in _AS_STORED:
        raise ValueError(f"pixels of mode {image.mode} are not known here")
    page = np.asarray(image)
    if image.mode == "I" and image.format == "TIFF" and _tag(image, _SAMPLE_FORMAT) == (1,):
        page = page.view(np.uint32)  # Pillow has no unsigned mode of 32 bits
    return page if page.dtype.isnative else page.astype(page.dtype.newbyteorder("="))


def _palette(image: Image.Image) -> NDArray[np.uint8] | None:
    """Return the 256 colours of an indexed image, black where the file has fewer."""
    if image.mode != "P" or _is_colour(image):
        return None
    colours = np.frombuffer(bytes(image.getpalette("RGB") or []), np.uint8)
    palette = np.zeros(768, np.uint8)
    palette[: colours.size] = colours
    return palette.reshape(256, 3)


def _deep_colour(image: Image.Image) -> bool:
    """Tell whether a colour image has 16 bits a sample, by the bit depth its own header names."""
    if image.format == "PNG":
        tile = image.tile[0][3] if image.tile else ""  # type: ignore[attr-defined]
        return "16" in str(tile) and image.mode in _TO_RGB
    if image.format == "TIFF":
        bits = _tag(image, _BITS_PER_SAMPLE)
        deep = len(bits) > 1 and max(bits) > 8
        if deep and _tag(image, _PLANAR_CONFIGURATION) != (1,):
            raise ValueError("16-bit colour in separate planes; save it with interleaved samples")
        return deep
    return False


def _tag(image: Image.Image, tag: int) -> tuple[int, ...]:
    value = image.tag_v2.get(tag, (1,))  # type: ignore[attr-defined]
    return value if isinstance(value, tuple) else (value,)


def _read_deep(path: Path, count: int) -> NDArray[Any]:
    import cv2

    pages = [page[..., ::-1][..., -3:] for page in cv2.imreadmulti(str(path), flags=cv2.IMREAD_UNCHANGED)[1]]
    if len(pages) != count:
        raise ValueError(f"OpenCV decodes {len(pages)} of its {count} pages of 16-bit colour")
    return np.ascontiguousarray(np.stack(pages))


def _unreadable(path: Path, error: Exception) -> CaseError:
    return CaseError(Reason.UNREADABLE, f"{path.name} cannot be read: {error}")
