"""The header of a scan's file, byte for byte, so that labels can get its geometry unchanged."""

from pathlib import Path

from isal import igzip

from predict.errors import CaseFault, InputError
from predict.inputs.kinds import META_IMAGE, NIFTI, is_of

NIFTI_SIZES = {348: "NIfTI-1", 540: "NIfTI-2"}
"""Bytes of the headers, by which they begin (nifti.nimh.nih.gov)."""
MOST_TEXT = 1 << 20
"""Most bytes of a header of text."""
END_OF_META_IMAGE = b"ElementDataFile"


def file_header(path: Path) -> bytes:
    """Return the header of a NIfTI, NRRD or MetaImage file without the voxels.

    Raises:
        InputError: the file cannot be read, or has no such header.
    """
    try:
        return _nifti(path) if is_of(path, NIFTI) else _text(path)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(CaseFault.UNREADABLE, f"{path.name} cannot be read: {error}") from error


def _nifti(path: Path) -> bytes:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    with igzip.open(path, "rb") if zipped else path.open("rb") as file:
        first = file.read(4)
        size = next((n for n in NIFTI_SIZES if first in (n.to_bytes(4, "little"), n.to_bytes(4, "big"))), None)
        header: bytes = b"" if size is None else first + file.read(size - 4)
    if size is None or len(header) < size:
        raise ValueError("no NIfTI header")
    return header


def _text(path: Path) -> bytes:
    """Return the lines up to the one that ends the header: an empty one of NRRD, ElementDataFile of MetaImage."""
    lines = []
    with path.open("rb") as file:
        while line := file.readline(MOST_TEXT):
            if not line.strip():
                break
            lines.append(line)
            if is_of(path, META_IMAGE) and line.startswith(END_OF_META_IMAGE):
                break
    return b"".join(lines)
