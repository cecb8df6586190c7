"""Files that hold labels: of a picture, or of a volume on its scan's grid."""

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.imaging.orientation import UPRIGHT, upright
from predict.engines.engine import LabelArray
from predict.errors import CaseFault, FolderError, InputError
from predict.inputs.kinds import CHALLENGE, KINDS, LABEL_PICTURES, SCANS, is_of, stem_of
from predict.inputs.reading import read_image
from predict.inputs.scan_geometry import ScanGeometry
from predict.inputs.walk import walk
from predict.prompts.checks import size_of

MIRRORED = 4
"""EXIF orientations up to this keep rows and columns; those above exchange them."""
TOLERANCE = 1e-3
"""Greatest distance of two grids' corners, in voxels, at which they count as one grid; that of `curate`."""


@dataclass(frozen=True)
class LabelFolder:
    """A folder of label files, named like the cases they belong to, in the same sub-folders.

    Raises:
        FolderError: there is no such folder.
    """

    path: Path
    _files: dict[str, list[Path]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        if not self.path.is_dir():
            raise FolderError(f"folder not found: {self.path}. Give the folder of the label files.")
        for path, name in walk(self.path):
            if is_of(path, KINDS):
                self._files.setdefault(stem_of(name), []).append(path)

    def find(self, stem: str, suffixes: tuple[str, ...]) -> Path | None:
        """Return the label file of the case `stem`, None if there is none.

        Raises:
            InputError: there are several.
        """
        found = [path for path in self._files.get(unicodedata.normalize("NFC", stem), ()) if is_of(path, suffixes)]
        if len(found) > 1:
            names = " and ".join(path.name for path in found)
            raise InputError(CaseFault.LABEL_FILE, f"{self.path} has {names} for it: keep one of them")
        return found[0] if found else None


def label_suffixes(path: Path) -> tuple[str, ...]:
    """Return the suffixes that the label file of the case at `path` may have."""
    return next(suffixes for kind, suffixes in LABELS_OF.items() if is_of(path, kind))


LABELS_OF = {CHALLENGE: CHALLENGE, SCANS: SCANS, KINDS: LABEL_PICTURES}


def read_label_picture(path: Path, shape: tuple[int, ...], orientation: int = UPRIGHT) -> LabelArray:
    """Return the labels (H, W) of a picture, in which k is object k; values 0 and 255 alone are the mask of object 1.

    `orientation` is that of the image: labels that fit its stored shape only are turned with it.

    Raises:
        InputError: the file cannot be read, has another shape, or does not hold labels.
    """
    volume = read_image(path).volume
    voxels = volume.voxels
    if voxels.ndim == 4 and (voxels[..., :1] == voxels).all():
        voxels = voxels[..., 0]
    if not volume.flat or voxels.ndim != 3:
        raise InputError(
            CaseFault.LABEL_FILE, f"{path.name} is not a label picture: it must have one channel and one page"
        )
    if voxels.shape[1:] != shape and voxels.shape[:0:-1] == shape and orientation > MIRRORED:
        voxels = upright(voxels, orientation)
    if voxels.shape[1:] != shape:
        sizes = f"{size_of(voxels.shape[1:])} pixels, the image {size_of(shape)}"
        raise InputError(CaseFault.LABEL_GRID, f"{path.name} has {sizes}")
    return _labels(path, np.ascontiguousarray(voxels[0]))


def read_label_scan(path: Path, geometry: ScanGeometry) -> LabelArray:
    """Return the labels (z, y, x) of a volume on the grid of a scan, in the scan's frame.

    Raises:
        InputError: the file cannot be read, has another grid, or does not hold labels.
    """
    volume = read_image(path).volume
    if volume.affine is None or volume.voxels.shape != geometry.shape:
        sizes = f"{size_of(volume.voxels.shape)} voxels, the scan {size_of(geometry.shape)}"
        raise InputError(CaseFault.LABEL_GRID, f"{path.name} has {sizes}")
    shape = geometry.shape[::-1]
    corners = np.array([(*(np.array(place) * np.subtract(shape, 1)), 1) for place in np.ndindex(2, 2, 2)])
    apart = float(np.abs(np.linalg.inv(volume.affine) @ geometry.affine @ corners.T - corners.T).max())
    if apart > TOLERANCE:
        raise InputError(
            CaseFault.LABEL_GRID,
            f"{path.name} has another grid than its scan, up to {apart:.3g} voxels away: resample it to the scan",
        )
    voxels = volume.voxels
    if (volume.slope, volume.intercept) != (1.0, 0.0):
        voxels = voxels * volume.slope + volume.intercept
    return geometry.to_frame(_labels(path, voxels))


def _labels(path: Path, values: NDArray[Any]) -> LabelArray:
    low, high = values.min(), values.max()
    whole = values.dtype.kind in "iu" or bool((values == np.floor(values)).all())
    if not whole or low < 0 or high > np.iinfo(np.uint16).max:
        raise InputError(
            CaseFault.LABEL_FILE,
            f"{path.name} holds values from {low} to {high}; labels are whole numbers from 0 to 65535",
        )
    if high == 255 and not ((values > 0) & (values < 255)).any():
        return (values == 255).astype(np.uint8)
    return values.astype(np.uint8 if high < 256 else np.uint16)
