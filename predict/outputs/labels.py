"""Labels on disk, in the format that the file's suffix tells."""

from collections.abc import Mapping
from pathlib import Path

from catalog.atomic import write_atomic
from catalog.codecs.compress import Container, compress
from catalog.codecs.npz import encode_npz
from catalog.codecs.png import encode_labels
from predict.engines.engine import Labels
from predict.errors import FolderError
from predict.inputs.scan_geometry import Scan


def write_labels(path: Path, labels: Labels, scan: Scan | None = None) -> None:
    """Write labels as .npz under the key `segs`, .png of 8 or 16 bits, or .nii.gz on the grid of their scan.

    The folder is made where it lacks.

    Raises:
        OutputError: the disk is full, or the folder must not be written to.
        FolderError: the folder cannot be made.
    """
    make_folder(path.parent)
    write_atomic(path, _encoded(path, labels, scan))


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; raises FolderError where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(f"the folder {folder} cannot be made: {error.strerror or error}") from error


def check_apart(out: Path, overlay: Path | None, taken: Mapping[str, Path]) -> None:
    """Raise FolderError where results would lie among what they are made from, or pictures among labels.

    `taken` are the folders that are read, by what the user calls them.
    """
    for name, place in (("--out", out), ("--overlay", overlay)):
        for what, folder in taken.items():
            if place is not None and place.resolve() == folder.resolve():
                raise FolderError(f"{name} {place} is the folder of {what}, which would be overwritten. Give another.")
    if overlay is not None and overlay.resolve() == out.resolve():
        raise FolderError(f"--overlay {overlay} is --out, whose labels it would overwrite. Give another.")


def _encoded(path: Path, labels: Labels, scan: Scan | None) -> bytes:
    if scan is not None:
        return _nifti(labels, scan)
    if path.suffix == ".png":
        return encode_labels(labels)
    return encode_npz({"segs": labels})


def _nifti(labels: Labels, scan: Scan) -> bytes:
    """Labels (z, y, x) in the order and place of their scan, as a gzipped NIfTI-1 file."""
    import nibabel

    image = nibabel.Nifti1Image(scan.to_file(labels).transpose(), scan.affine)
    image.header.set_xyzt_units("mm")
    return compress(image.to_bytes(), Container.GZIP)
