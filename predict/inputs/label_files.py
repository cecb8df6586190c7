"""Files that hold labels: of a picture, or of a volume on its scan's grid."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.errors import MedcorpusError
from curate.imaging.volume import Volume
from curate.readers import read
from predict.engines.engine import Labels
from predict.errors import CaseError
from predict.inputs.case import MOST_BYTES
from predict.inputs.kinds import LABEL_PICTURES, SCANS, stem_of
from predict.inputs.scan_geometry import Scan
from predict.prompts.checks import size_of

TOLERANCE = 1e-3
"""Greatest distance of two grids' corners, in voxels, at which they count as one grid; that of `curate`."""


def find_label(folder: Path, path: Path) -> Path | None:
    """Return the label file in `folder` that belongs to the case at `path`, None if there is none.

    Raises CaseError where there are several.
    """
    suffixes = SCANS if path.name.lower().endswith(SCANS) else LABEL_PICTURES
    found = [folder / f"{stem_of(path)}{suffix}" for suffix in suffixes]
    there = [one for one in found if one.is_file()]
    if len(there) > 1:
        raise CaseError(f"{folder} has {' and '.join(one.name for one in there)} for it: which one is meant?")
    return there[0] if there else None


def read_label_picture(path: Path, shape: tuple[int, ...]) -> Labels:
    """Return the labels (H, W) of a picture, in which k is object k; one of 0 and 255 alone is the mask of object 1.

    Raises CaseError where it cannot be read, is of another shape, or holds no labels.
    """
    volume = _read(path)
    voxels = volume.voxels
    if voxels.ndim == 4 and (voxels[..., :1] == voxels).all():
        voxels = voxels[..., 0]
    if not volume.flat or voxels.ndim != 3:
        raise CaseError(f"{path.name} is no label picture: it must have one channel and one page")
    if voxels.shape[1:] != shape:
        raise CaseError(f"{path.name} has {size_of(voxels.shape[1:])} pixels, the image {size_of(shape)}")
    return _labels(path, voxels[0])


def read_label_scan(path: Path, scan: Scan) -> Labels:
    """Return the labels (z, y, x) of a volume, in the frame of the scan whose grid it lies on.

    Raises CaseError where it cannot be read, lies on another grid, or holds no labels.
    """
    volume = _read(path)
    assert volume.affine is not None
    if volume.voxels.shape != scan.shape:
        raise CaseError(f"{path.name} has {size_of(volume.voxels.shape)} voxels, the scan {size_of(scan.shape)}")
    corners = np.array([(*(np.array(place) * np.subtract(scan.shape[::-1], 1)), 1) for place in np.ndindex(2, 2, 2)])
    apart = np.linalg.inv(volume.affine) @ scan.affine @ corners.T - corners.T
    if np.abs(apart).max() > TOLERANCE:
        raise CaseError(
            f"{path.name} lies on another grid than its scan, up to {np.abs(apart).max():.3g} voxels away: resample it"
        )
    voxels = volume.voxels
    if (volume.slope, volume.intercept) != (1.0, 0.0):
        voxels = voxels * volume.slope + volume.intercept
    return scan.to_frame(_labels(path, voxels))


def _read(path: Path) -> Volume:
    try:
        return read(path, limit=MOST_BYTES)
    except MedcorpusError as error:
        raise CaseError(str(error)) from error


def _labels(path: Path, values: NDArray[Any]) -> Labels:
    low, high = values.min(), values.max()
    whole = values.dtype.kind in "iu" or bool((values == np.floor(values)).all())
    if not whole or low < 0 or high > np.iinfo(np.uint16).max:
        raise CaseError(f"{path.name} holds values from {low} to {high}; labels are whole numbers from 0 to 65535")
    if high == 255 and not ((values > 0) & (values < 255)).any():
        return (values == 255).astype(np.uint8)
    return values.astype(np.uint8 if high < 256 else np.uint16)
