"""Files to volumes: one small module a format, chosen by the file's suffix.

A reader has `read_header(path)`, which opens but does not decode, and `read(path, channel)`.
"""

from dataclasses import dataclass
from importlib import import_module
from math import prod
from pathlib import Path
from types import ModuleType

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume

READERS: dict[str, str] = {
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".nrrd": "itk",
    ".nhdr": "itk",
    ".mha": "itk",
    ".mhd": "itk",
    ".png": "raster",
    ".jpg": "raster",
    ".jpeg": "raster",
    ".bmp": "raster",
    ".gif": "raster",
    ".tif": "raster",
    ".tiff": "raster",
}
"""Suffix, in lower case, to the module that reads it."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself: voxels along every stored dimension, and bytes a voxel once decoded."""

    shape: tuple[int, ...]
    itemsize: int

    @property
    def nbytes(self) -> int:
        """Bytes of the decoded file."""
        return prod(self.shape) * self.itemsize


def reader_of(path: Path) -> ModuleType:
    """Return the module that reads `path`; raises CaseError for a suffix that none reads."""
    name = path.name.lower()
    for suffix, module in READERS.items():
        if name.endswith(suffix):
            return import_module(f"curate.readers.{module}")
    raise CaseError(Reason.UNREADABLE, f"{path.name}: no reader for this suffix; there are {', '.join(READERS)}")


def unreadable(path: Path, trouble: object) -> CaseError:
    """Return the error of a file that cannot be read; without its folder, which is another on every machine."""
    return CaseError(Reason.UNREADABLE, f"{path.name} cannot be read: {str(trouble).replace(f'{path.parent}/', '')}")


def read_header(path: Path) -> Header:
    """Return the header of a file of any format read here; raises CaseError where it cannot be read."""
    header: Header = reader_of(path).read_header(path)
    return header


def read(path: Path, channel: int | None = None, limit: int | None = None) -> Volume:
    """Return the scan at `path`; `channel` picks one of a 4D or multi-channel file.

    `limit` is the most bytes the decoded file may take, asked of the header before anything is decoded.

    Raises CaseError where the file is corrupt, truncated, larger than `limit`, or of other dimensions than asked for.
    """
    reader = reader_of(path)
    header: Header = reader.read_header(path)
    if limit is not None and header.nbytes > limit:
        raise CaseError(
            Reason.MEMORY,
            f"{path.name} holds {header.nbytes / 1e9:.2f} GB ({' x '.join(map(str, header.shape))}), "
            f"the limit is {limit / 1e9:.2f} GB; give more with --memory",
        )
    volume: Volume = reader.read(path, channel)
    return volume
