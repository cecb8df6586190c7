"""The grid that slices make: their order along the normal, their distance, and what keeps them from being a volume.

Slices are ordered by the position of each along the normal of the image, never by number or name. Positions and
directions are DICOM's (LPS, mm); the affine that comes out is in RAS+.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.dicom.frames import Frame, cross

SAME_PLACE = 1e-2
"""Slices nearer than this along the normal, mm, are at one position."""

UNEVEN = 0.05
"""Greatest distance of a slice from its place on an even grid, as a share of the slice distance: rounded positions
deviate by about 0.01, a missing slice by 1."""

SHIFTED = 0.5
"""Greatest shift of a slice within its plane from the line through the others, in pixels."""

TILTED = 1.0
"""Least shift within the plane between the first and the last slice, in pixels, that makes a gantry tilt."""


@dataclass(frozen=True)
class Grid:
    """Where the voxels `[k, j, i]` of ordered slices are.

    `order` holds the indices of the frames by position. `affine` maps (i, j, k, 1) to mm in RAS+; where `trouble` says
    why the slices are no upright, even grid, `origins` (n, 3) holds the position of each slice's first pixel in RAS+,
    and the affine is that of an even grid from the first to the last.
    """

    order: tuple[int, ...]
    affine: NDArray[np.float64]
    origins: NDArray[np.float64]
    trouble: str = ""


def along_normal(frames: Sequence[Frame]) -> NDArray[np.float64]:
    """Return the position of each frame along the normal of the first, mm."""
    positions = np.array([frame.position for frame in frames])
    return positions @ _normal(frames[0])


def grid_of(frames: Sequence[Frame], thickness: float | None = None) -> Grid:
    """Return the grid of frames that share their directions and are at different positions.

    Each frame has a position and directions. `thickness` in mm stands for the distance of the slices where there is
    one slice only.
    """
    first = frames[0]
    assert first.along_row is not None
    assert first.along_column is not None
    spacing = first.spacing or (1.0, 1.0)
    places = along_normal(frames)
    order = np.argsort(places, kind="stable")
    places = places[order]
    origins = np.array([frames[n].position for n in order])
    normal = _normal(first)
    count = len(frames)
    step = (origins[-1] - origins[0]) / (count - 1) if count > 1 else normal * (thickness or 1.0)
    matrix = np.eye(4)
    matrix[:3, 0] = np.array(first.along_row) * spacing[1]
    matrix[:3, 1] = np.array(first.along_column) * spacing[0]
    matrix[:3, 2] = step
    matrix[:3, 3] = origins[0]
    trouble = _trouble(origins, places, step, normal, min(spacing)) if count > 1 else ""
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    return Grid(tuple(order.tolist()), to_ras @ matrix, origins * [-1, -1, 1], trouble)


def _normal(frame: Frame) -> NDArray[np.float64]:
    assert frame.along_row is not None
    assert frame.along_column is not None
    return np.array(cross(frame.along_row, frame.along_column))


def _trouble(
    origins: NDArray[np.float64],
    places: NDArray[np.float64],
    step: NDArray[np.float64],
    normal: NDArray[np.float64],
    pixel: float,
) -> str:
    """Return why slices are not an upright, even grid; empty where they are one."""
    between = float(step @ normal)
    off = origins - (origins[0] + np.arange(len(origins))[:, np.newaxis] * step)
    sideways = float(np.linalg.norm(step - between * normal))
    found = []
    if np.abs(off @ normal).max() > UNEVEN * between:
        found.append(_uneven(np.diff(places)))
    # a tilt moves each slice aside by as much as it is further along: what is left then is no tilt
    along = places - places[0]
    shear = (origins[-1] - origins[0]) / along[-1] - normal
    left = origins - origins[0] - np.outer(along, normal + shear)
    if np.linalg.norm(left, axis=1).max() > SHIFTED * pixel:
        found.append("its slices are shifted against each other within their planes")
    elif sideways * (len(origins) - 1) > TILTED * pixel:
        angle = float(np.degrees(np.arctan2(sideways, between)))
        found.append(f"its slices are sheared by {angle:.1f} degrees (gantry tilt)")
    return "; ".join(found)


def _uneven(steps: NDArray[np.float64]) -> str:
    usual = float(np.median(steps))
    multiple = np.rint(steps / usual)
    if (np.abs(steps - multiple * usual) <= UNEVEN * usual).all():
        gaps = np.flatnonzero(multiple > 1)
        missing = int((multiple[gaps] - 1).sum())
        where = ", ".join(f"{steps[k]:.2f} mm between slices {k} and {k + 1}" for k in gaps[:3])
        more = f" and {len(gaps) - 3} more gaps" if len(gaps) > 3 else ""
        return f"{missing} of its slices are missing: {where}{more}, {usual:.2f} mm elsewhere"
    return f"the distances of its slices vary from {steps.min():.2f} to {steps.max():.2f} mm"
