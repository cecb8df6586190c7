"""Label maps on disk, in the format that the file's suffix names."""

from collections.abc import Callable, Mapping
from pathlib import Path

from catalog.atomic import write_atomic
from catalog.codecs.npz import encode_npz
from catalog.codecs.png import encode_labels
from predict.engines.engine import LabelArray
from predict.errors import FolderError
from predict.inputs.scan_geometry import ScanGeometry
from predict.outputs.meta_image import meta_image_of
from predict.outputs.nifti import nifti_of
from predict.outputs.nrrd import nrrd_of

SCAN_FORMATS: dict[str, Callable[[LabelArray, bytes], bytes]] = {
    ".nii.gz": nifti_of,
    ".mha": meta_image_of,
    ".nrrd": nrrd_of,
}
"""Formats with a geometry: labels in the file's order (k, j, i) and the header of the scan to the content of a file."""


def write_labels(path: Path, labels: LabelArray, geometry: ScanGeometry | None = None) -> None:
    """Write labels as .npz under the key `segs`, .png of 8 or 16 bits, or in the format and geometry of their scan.

    Folders are made as needed.

    Raises:
        OutputError: the disk is full, or the folder must not be written to.
        FolderError: the folder cannot be made.
    """
    make_folder(path.parent)
    write_atomic(path, _encoded(path, labels, geometry))


def _encoded(path: Path, labels: LabelArray, geometry: ScanGeometry | None) -> bytes:
    if geometry is not None:
        encode = next(encode for suffix, encode in SCAN_FORMATS.items() if path.name.endswith(suffix))
        return encode(geometry.to_file(labels), geometry.header)
    return encode_labels(labels) if path.suffix == ".png" else encode_npz({"segs": labels})


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; raise FolderError where that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(f"the folder {folder} cannot be made: {error.strerror or error}") from error


def check_apart(out: Path, overlay: Path | None, taken: Mapping[str, Path]) -> None:
    """Raise FolderError where results would be among what they are made from, or pictures among labels.

    `taken` are the folders that are read, by what the user calls them.
    """
    for name, place in (("--out", out), ("--overlay", overlay)):
        for what, folder in taken.items():
            if place is not None and place.resolve() == folder.resolve():
                raise FolderError(f"{name} {place} is the folder of {what}, which would be overwritten. Give another.")
    if overlay is not None and overlay.resolve() == out.resolve():
        raise FolderError(f"--overlay {overlay} is --out, whose labels it would overwrite. Give another.")
