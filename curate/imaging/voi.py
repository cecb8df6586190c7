"""The window a file brings along: a line between two intensities, or a table."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.imaging.apply_window import apply_window


@dataclass(frozen=True)
class Voi:
    """What of the intensities is of interest (DICOM's VOI LUT module).

    `low` and `high` are the source intensities at its two ends. Between them 8-bit values lie on a line, or are those
    of `table`, which is spread evenly from `low` to `high`.
    """

    low: float
    high: float
    table: NDArray[np.uint8] | None = None

    def mirrored(self, total: float) -> "Voi":
        """Return the window of intensities `total - intensity`: those of an image whose low values are bright."""
        table = None if self.table is None else 255 - self.table[::-1]
        return Voi(total - self.high, total - self.low, table)


def apply_voi(voi: Voi, voxels: NDArray[Any], slope: float = 1.0, intercept: float = 0.0) -> NDArray[np.uint8]:
    """Return stored voxels as 8 bits; a source intensity is `voxel * slope + intercept`.

    Raises CaseError for NaN and infinities.
    """
    if voi.table is None:
        return apply_window(voxels, voi.low, voi.high, slope, intercept)
    last = len(voi.table) - 1
    if voxels.dtype.kind in "iu" and voxels.dtype.itemsize <= 2:
        from curate.imaging.kernels import look_up

        limits = np.iinfo(voxels.dtype)
        stored = np.arange(limits.min, limits.max + 1, dtype=np.float64)
        out = np.empty(voxels.shape, np.uint8)
        values = voi.table[_places(stored * slope + intercept, voi, last)]
        look_up(np.ascontiguousarray(voxels).reshape(-1), values, int(limits.min), out.reshape(-1))
        return out
    apply_window(voxels, voi.low, voi.high, slope, intercept)  # refuses NaN and infinities
    return voi.table[_places(voxels.astype(np.float64) * slope + intercept, voi, last)]


def _places(source: NDArray[np.float64], voi: Voi, last: int) -> NDArray[np.int64]:
    place = np.floor((source - voi.low) / (voi.high - voi.low) * last + 0.5)
    return np.clip(place, 0, last).astype(np.int64)
