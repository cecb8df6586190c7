"""Pictures of a report, written in the format of their suffix."""

import io
from pathlib import Path

from PIL import Image

from catalog.atomic import write_atomic
from catalog.codecs.png import encode_image
from catalog.errors import CatalogError
from catalog.pixels import Pixels

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
QUALITY = 90
"""Of JPEG and WebP, 0 to 100: thin coloured lines stay sharp."""


def check_picture(path: Path) -> None:
    """Raise CatalogError if no picture is written with the suffix of `path`."""
    if path.suffix.lower() not in FORMATS:
        raise CatalogError(
            f"{path}: pictures are written as {', '.join(FORMATS)}, not {path.suffix or 'without a suffix'}"
        )


def write_picture(path: Path, pixels: Pixels) -> None:
    """Write an RGB picture (h, w, 3) as PNG, JPEG or WebP, by the suffix of `path`.

    Raises:
        CatalogError: Another suffix.
        OutputError: The file cannot be written.
    """
    check_picture(path)
    kind = FORMATS[path.suffix.lower()]
    if kind == "PNG":
        write_atomic(path, encode_image(pixels))
        return
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, kind, quality=QUALITY, subsampling=0)
    write_atomic(path, encoded.getbuffer())
