"""Dice (DSC) and normalised surface Dice (NSD) of one case, by two scorers that are always named.

`cvpr24` gives the numbers of the challenge Segment Anything in Medical Images on Laptop (CVPR 2024; read:
bowang-lab/MedSAM, branch LiteMedSAM, evaluation/compute_metrics.py), oddities included. `correct` measures contours in
2D, takes each axis with its own spacing, and allows labels that are absent. Both take surfaces and their distances
from the surface-distance library.
"""

from collections.abc import Callable, Sequence
from functools import cache
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import surface_distance
from numpy.typing import NDArray
from scipy import ndimage
from surface_distance import lookup_tables

from predict.engines.engine import BinaryMask
from predict.errors import ScoreError

# Release 0.1 uses `ndimage.filters` and `ndimage.morphology`, which SciPy deprecates and 2.0 removes.
surface_distance.metrics.ndimage = SimpleNamespace(filters=ndimage, morphology=ndimage)

TOLERANCE = 2.0
"""Tolerance of the NSD, as in the challenge: mm where a spacing is given, else pixels. DB-SAM takes 1 mm."""
NSD_FROM_DSC = 0.2
"""The challenge computes no NSD for a case whose mean DSC is not above this; it counts as 0."""


class Score(NamedTuple):
    """DSC and NSD, each from 0 to 1; nan where there is nothing to score."""

    dsc: float
    nsd: float


def dice(truth: BinaryMask, found: BinaryMask) -> float:
    """Return twice the overlap over the sum of two masks of one shape; nan where both are empty."""
    total = int(truth.sum()) + int(found.sum())
    return 2 * int((truth & found).sum()) / total if total else float("nan")


def surface_dice(truth: BinaryMask, found: BinaryMask, spacing: Sequence[float], tolerance: float = TOLERANCE) -> float:
    """Return the share of two surfaces (contours in 2D) that is within `tolerance` of the other one.

    `spacing` and `tolerance` are in one unit, the spacing in the order of the array's axes. 0 where one mask is
    empty, nan where both are. Nikolov et al., https://arxiv.org/abs/1809.04430.
    """
    # The library's own answer to an empty mask uses a name that NumPy 2 lacks.
    if not (truth.any() and found.any()):
        return 0.0 if truth.any() or found.any() else float("nan")
    distances = surface_distance.compute_surface_distances(truth, found, tuple(map(float, spacing)))
    return float(surface_distance.compute_surface_dice_at_tolerance(distances, tolerance))


def slab_dice(truth: BinaryMask, found: BinaryMask, tolerance: float = TOLERANCE) -> float:
    """Return the `surface_dice` of masks (h, w) taken as slabs one voxel thick with a spacing of 1.

    It equals that of (h, w, 1) and takes a tenth of the time: the nearest point in a slab is at the same height, so
    that distances are those of the plane, and both heights have a surface at each corner that touches the mask.
    0 where one mask is empty, nan where both are.
    """
    if not (truth.any() and found.any()):
        return 0.0 if truth.any() or found.any() else float("nan")
    touched = truth | found
    rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    codes = [_corner_codes(mask[box]) for mask in (truth, found)]
    areas = [_slab_areas()[code] for code in codes]
    near = [ndimage.distance_transform_edt(code == 0) <= tolerance for code in codes]
    within = areas[0][near[1]].sum() + areas[1][near[0]].sum()
    return float(within / (areas[0].sum() + areas[1].sum()))


def _corner_codes(mask: BinaryMask) -> NDArray[np.uint8]:
    """Return (h + 1, w + 1): at each corner between pixels, which of the four around it are in the mask (h, w)."""
    around = np.pad(mask, 1).view(np.uint8)
    code: NDArray[np.uint8] = 8 * around[:-1, :-1] + 4 * around[:-1, 1:] + 2 * around[1:, :-1] + around[1:, 1:]
    return code


@cache
def _slab_areas() -> NDArray[np.float64]:
    """Return the area of a slab's surface at a corner of each code, of both heights together."""
    areas = lookup_tables.create_table_neighbour_code_to_surface_area((1, 1, 1))
    kernel = lookup_tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL
    inside = np.arange(16)[:, None] >> [3, 2, 1, 0] & 1
    below, above = (areas[inside @ kernel[..., height].ravel()] for height in (0, 1))
    both: NDArray[np.float64] = below + above
    return both


def score_mask(
    truth: BinaryMask, found: BinaryMask, spacing: Sequence[float] | None = None, tolerance: float = TOLERANCE
) -> Score:
    """Score one mask (h, w) or (d, h, w) the `correct` way.

    Args:
        truth: The mask as it should be.
        found: The mask to score, of the same shape.
        spacing: mm (or any unit, then also the tolerance's) along each axis of the array; None: pixels.
        tolerance: Tolerance of the NSD.

    Raises:
        ScoreError: the shapes, the number of spacings or the tolerance do not fit.
    """
    spacing = _checked(truth, found, spacing, tolerance)
    return Score(dice(truth, found), surface_dice(truth, found, spacing, tolerance))


def correct(
    truth: NDArray[Any],
    found: NDArray[Any],
    spacing: Sequence[float] | None = None,
    tolerance: float = TOLERANCE,
    labels: Sequence[int] | None = None,
) -> Score:
    """Score a case as the mean over its labels; a label's score does not depend on any other's.

    Args:
        truth: Label ids (h, w) or (d, h, w), 0 the background.
        found: The ids to score, of the same shape.
        spacing: mm along each axis of the array; None: pixels.
        tolerance: Tolerance of the NSD, in the spacing's unit.
        labels: The ids that count; None: all that occur in `truth` or `found`. An id that only one of them has scores
            0; one that neither has is left out of the mean, which is nan if none is left.

    Raises:
        ScoreError: as `score_mask`.
    """
    spacing = _checked(truth, found, spacing, tolerance)
    if labels is None:
        labels = [i for i in np.union1d(truth, found).tolist() if i]
    scores = [score_mask(truth == i, found == i, spacing, tolerance) for i in labels]
    there = np.array([score for score in scores if not np.isnan(score.dsc)])
    return Score(*there.mean(0).tolist()) if len(there) else Score(float("nan"), float("nan"))


def cvpr24(
    truth: NDArray[Any], found: NDArray[Any], spacing: Sequence[float] | None = None, tolerance: float = TOLERANCE
) -> Score:
    """Score a case as the challenge's code does, to its four decimal places.

    Differences from `correct`:
        2D: masks are slabs one voxel thick with a spacing of 1, whose flat faces count as surface too, so that the NSD
        is close to an overlap of areas. The spacing has no effect.
        3D: the spacing is applied to the axes in reverse, since it is stored x, y, z and arrays are z, y, x.
        Labels are 1 up to the largest in `truth`: one that neither has makes the whole case nan, with an NSD of 0; ids
        above are ignored.
        The NSD is 0 unless the mean DSC is above 0.2.

    Args:
        truth: Label ids (h, w) or (d, h, w), 0 the background.
        found: The ids to score, of the same shape.
        spacing: mm along each axis of the array, as for `correct` (the reversal happens here); None: 1.
        tolerance: Tolerance of the NSD; that of the challenge is 2.

    Raises:
        ScoreError: as `score_mask`.
    """
    spacing = _checked(truth, found, spacing, tolerance)
    # int(): in NumPy 2 the largest of uint8 and one more is 0.
    pairs = [(truth == i, found == i) for i in range(1, int(truth.max(initial=0)) + 1)]
    if truth.ndim == 2:
        return cvpr24_mean([Score(dice(*pair), slab_dice(*pair, tolerance)) for pair in pairs])
    return cvpr24_mean([Score(dice(*pair), surface_dice(*pair, spacing[::-1], tolerance)) for pair in pairs])


def cvpr24_mean(scores: Sequence[Score]) -> Score:
    """Return a case's score from those of its labels by the challenge's rules: see `cvpr24`."""
    if not scores:
        return Score(float("nan"), 0.0)
    dsc, nsd = np.mean(scores, axis=0).tolist()
    return Score(round(dsc, 4), round(nsd, 4) if dsc > NSD_FROM_DSC else 0.0)


SCORERS: MappingProxyType[str, Callable[..., Score]] = MappingProxyType({"cvpr24": cvpr24, "correct": correct})
"""The scorers by name; each takes truth, found, spacing, tolerance."""


def _checked(
    truth: NDArray[Any], found: NDArray[Any], spacing: Sequence[float] | None, tolerance: float
) -> Sequence[float]:
    if truth.shape != found.shape or truth.ndim not in (2, 3):
        raise ScoreError(
            f"the reference is {truth.shape}, the segmentation {found.shape}: "
            "both must be (h, w) or both (d, h, w), of one size"
        )
    spacing = (1.0,) * truth.ndim if spacing is None else spacing
    if len(spacing) != truth.ndim or not all(step > 0 and np.isfinite(step) for step in spacing):
        raise ScoreError(f"a spacing of {tuple(spacing)} for {truth.ndim} axes: one positive number an axis, in mm")
    if not tolerance >= 0:
        raise ScoreError(f"an NSD tolerance of {tolerance}: it must be 0 or more")
    return spacing
