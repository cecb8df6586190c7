"""Pictures: the content says whether tifffile decodes them, or Pillow (PNG, JPEG, BMP, GIF, JPEG 2000, WebP)."""

from pathlib import Path

from curate.imaging.volume import Volume
from curate.readers.base import Channels, Header

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_header(path: Path) -> Header:
    """Return shape (pages, height, width, ...) and sample size in bytes; only the header is read."""
    if _is_tiff(path):
        from curate.readers import tiff

        return tiff.read_header(path)
    from curate.readers import picture

    return picture.read_header(path)


def read(path: Path, channels: Channels = (None,)) -> list[Volume]:
    """Return for each channel voxels (pages, height, width[, 3]): grey, indices with their palette, or RGB.

    Alpha is dropped, 1-bit becomes 0 and 255, the EXIF orientation is applied.
    """
    if _is_tiff(path):
        from curate.readers import tiff

        return tiff.read(path, channels)
    from curate.readers import picture

    return picture.read(path, channels)


def _is_tiff(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in _TIFF
