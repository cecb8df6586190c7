"""Convert source intensities (HU, stored units) to 8 bits; the catalog records how to map them back.

A window is linear: `low` becomes 0, `high` becomes 255, values outside are clipped, and values between are rounded half
up in float64.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.window import PERCENTILE, Window


def window_bounds(
    window: Window, voxels: NDArray[Any], slope: float = 1.0, intercept: float = 0.0
) -> tuple[float, float]:
    """Return the source intensities that become 0 and 255.

    `voxels` is the stored array, of any shape; the source intensity is `voxel * slope + intercept`. Percentiles are
    those of np.percentile (linear) over the voxels whose source intensity is not zero. For a window of kind
    `minmax_slice`, pass one slice at a time.

    Raises CaseError for NaN and infinities, and if the window has zero width.
    """
    if window.kind == "none":
        if voxels.dtype == np.uint8:
            low, high = sorted((intercept, 255.0 * slope + intercept))
            return low, high
        window = PERCENTILE
    if window.kind == "fixed":
        return window.low, window.high
    if voxels.dtype.kind in "iu" and voxels.dtype.itemsize <= 2:
        stored = _integer_bounds(window, voxels, slope, intercept)
    else:
        stored = _float_bounds(window, voxels, slope, intercept)
    low, high = sorted(value * slope + intercept for value in stored)
    if not low < high:
        cause = f"both percentiles are {low:g}" if window.kind == "percentile" else f"all voxels are {low:g}"
        raise CaseError(Reason.CONSTANT, f"image has no contrast ({cause}): a {window.kind} window has zero width")
    return low, high


def apply_window(
    voxels: NDArray[Any], low: float, high: float, slope: float = 1.0, intercept: float = 0.0
) -> NDArray[np.uint8]:
    """Return uint8 voxels: `low` becomes 0, `high` 255, values between are rounded half up in float64, others clipped.

    The result equals the float64 formula bit by bit: integers of up to 16 bits use a lookup table computed with it;
    8-bit voxels in a window of 0 to 255 are returned unchanged. Raises CaseError for NaN and infinities.
    """
    if voxels.dtype == np.uint8 and (low, high, slope, intercept) == (0.0, 255.0, 1.0, 0.0):
        return voxels
    voxels = np.ascontiguousarray(voxels)
    out = np.empty(voxels.shape, np.uint8)
    if voxels.dtype.kind in "iu" and voxels.dtype.itemsize <= 2:
        from curate.imaging.kernels import look_up

        limits = np.iinfo(voxels.dtype)
        steps = np.arange(limits.min, limits.max + 1, dtype=np.float64)
        look_up(
            voxels.reshape(-1),
            _to_8bit(steps * slope + intercept, low, high),
            int(limits.min),
            out.reshape(-1),
        )
        return out
    from curate.imaging.kernels import scale

    if not scale(voxels.reshape(-1), slope, intercept, low, high, out.reshape(-1)):
        raise _not_finite(voxels)
    return out


def _to_8bit(source: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    scaled = (source - low) / (high - low) * 255.0
    return np.floor(np.clip(scaled, 0.0, 255.0) + 0.5).astype(np.uint8)


def _integer_bounds(window: Window, voxels: NDArray[Any], slope: float, intercept: float) -> tuple[float, float]:
    """Return the stored values at the bounds of the window, from a histogram."""
    from curate.imaging.kernels import histogram

    offset = int(np.iinfo(voxels.dtype).min)
    counts = histogram(np.ascontiguousarray(voxels).reshape(-1), offset, 1 << (8 * voxels.dtype.itemsize))
    if window.kind == "percentile":
        values = np.arange(offset, offset + len(counts)) * slope + intercept
        counts[values == 0] = 0
        if not counts.any():
            raise CaseError(Reason.CONSTANT, "image has no contrast (all voxels are 0)")
        below = np.cumsum(counts)
        bounds = [_order_statistic(below, offset, percent) for percent in _percents(window, slope)]
        return bounds[0], bounds[1]
    present = np.flatnonzero(counts)
    return float(present[0] + offset), float(present[-1] + offset)


def _percents(window: Window, slope: float) -> tuple[float, float]:
    """Return the percentiles to take of the stored values; a negative slope reverses their order."""
    return (window.low, window.high) if slope > 0 else (100 - window.high, 100 - window.low)


def _order_statistic(below: NDArray[np.int64], offset: int, percent: float) -> float:
    """Return a percentile of a cumulative histogram, interpolated as np.percentile does."""
    place = (int(below[-1]) - 1) * percent / 100
    rank = int(place)
    first, second = (
        int(np.searchsorted(below, min(r, int(below[-1]) - 1), side="right")) + offset for r in (rank, rank + 1)
    )
    return first + (second - first) * (place - rank)


def _float_bounds(window: Window, voxels: NDArray[Any], slope: float, intercept: float) -> tuple[float, float]:
    flat = np.ascontiguousarray(voxels).reshape(-1)
    if flat.dtype.kind == "f" and not np.isfinite(flat).all():
        raise _not_finite(voxels)
    if window.kind == "percentile":
        flat = flat[flat * slope + intercept != 0]
        if not flat.size:
            raise CaseError(Reason.CONSTANT, "image has no contrast (all voxels are 0)")
        low, high = np.percentile(flat.astype(np.float64), _percents(window, slope))
        return float(low), float(high)
    return float(flat.min()), float(flat.max())


def _not_finite(voxels: NDArray[Any]) -> CaseError:
    bad = int((~np.isfinite(voxels)).sum())
    return CaseError(
        Reason.NOT_FINITE, f"{bad} of {voxels.size} voxels are NaN or infinite; correct the file or exclude the case"
    )
