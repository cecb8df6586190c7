"""Read image files through the readers of `curate`, and turn intensities into 8 bits as it does."""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from catalog.errors import MedcorpusError
from curate.imaging.apply_window import apply_window, window_bounds
from curate.imaging.volume import Volume
from curate.imaging.window import Window
from curate.readers import read, read_header
from predict.engines.engine import BinaryMask
from predict.errors import CaseFault, InputError
from predict.inputs.case import MOST_BYTES
from predict.inputs.kinds import PICTURES, is_of

SEVERAL = "it holds {count} volumes or channels: save one of them as a file"
FAULTS: dict[Reason | None, CaseFault] = {
    Reason.GEOMETRY: CaseFault.GEOMETRY,
    Reason.CONSTANT: CaseFault.CONTRAST,
    Reason.NOT_FINITE: CaseFault.NOT_FINITE,
    Reason.MEMORY: CaseFault.TOO_LARGE,
}


@dataclass(frozen=True)
class ImageFile:
    """What a file holds.

    volume: Voxels (k, j, i) as stored; a picture is upright, by its EXIF orientation.
    unknown: Voxels that are NaN or infinite; None: none is.
    """

    volume: Volume
    unknown: BinaryMask | None = None


def read_image(path: Path) -> ImageFile:
    """Return what a picture or a scan holds.

    Raises:
        InputError: the file cannot be read, is too large, or holds several volumes or channels.
    """
    try:
        if not is_of(path, PICTURES) and (volumes := prod(read_header(path).shape[3:])) > 1:
            raise InputError(CaseFault.CHANNELS, SEVERAL.format(count=volumes))
        volume = read(path, limit=MOST_BYTES)
    except MedcorpusError as error:
        raise _translated(error) from error
    finite = np.isfinite(volume.voxels) if volume.voxels.dtype.kind == "f" else None
    return ImageFile(volume, None if finite is None or finite.all() else ~finite)


def to_8bit(
    window: Window, voxels: NDArray[Any], unknown: BinaryMask | None = None, slope: float = 1.0, intercept: float = 0.0
) -> NDArray[np.uint8]:
    """Return 8-bit intensities of stored voxels; those that are unknown become as dark as the darkest.

    Raises:
        InputError: the window shows nothing, or no voxel is finite.
    """
    try:
        finite = voxels if unknown is None else voxels[~unknown]
        if not finite.size:
            raise InputError(CaseFault.NOT_FINITE, "every pixel is NaN or infinite")
        low, high = window_bounds(window, finite, slope, intercept)
        if unknown is not None:
            darkest = finite.min() if slope > 0 else finite.max()
            voxels = np.where(unknown, darkest, voxels)
        return apply_window(voxels, low, high, slope, intercept)
    except MedcorpusError as error:
        raise _translated(error) from error


def _translated(error: MedcorpusError) -> InputError:
    """Return an error of the readers as one of `predict`."""
    if isinstance(error, InputError):
        return error
    reason = getattr(error, "reason", None)
    if reason == Reason.GEOMETRY and "`channels`" in str(error):  # a key of recipes, which `predict` has none of
        return InputError(CaseFault.CHANNELS, SEVERAL.format(count="several"))
    return InputError(FAULTS.get(reason, CaseFault.UNREADABLE), str(error))
