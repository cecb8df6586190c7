"""EXIF orientation of pictures, applied as image viewers do."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

UPRIGHT = 1
ORIENTATION = 0x0112
"""The tag's number (Exif 2.32, section 4.6.4)."""
TURNED_BY_READER = (".tif", ".tiff")
"""Formats that the decoders turn themselves."""


def stored_orientation(path: Path) -> int:
    """Return the EXIF orientation of a picture, 1 to 8; 1 where it has none."""
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")  # Pillow's own words on damaged data, without a file name
            orientation = image.getexif().get(ORIENTATION, UPRIGHT)
    except Exception:  # damaged EXIF data end in whatever its bytes lead to; the pixels have been read
        return UPRIGHT
    return orientation if orientation in range(1, 9) else UPRIGHT


def turn_upright(pages: NDArray[Any], path: Path, orientation: int) -> NDArray[Any]:
    """Return pages (n, H, W[, 3]) as decoded, turned by the orientation where the decoder has not done so."""
    if orientation == UPRIGHT or path.suffix.lower() in TURNED_BY_READER:
        return pages
    return np.ascontiguousarray(turned(pages, orientation))


def turned(pages: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return a view of pages (n, H, W[, 3]) turned from a stored orientation to the displayed one."""
    if orientation >= 5:
        pages = pages.swapaxes(1, 2)  # 5: mirrored at the main diagonal
    rows, columns = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}.get(orientation, (1, 1))
    return pages[:, ::rows, ::columns]
