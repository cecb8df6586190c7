"""A label volume on its image's grid: matched by physical position, never by array index alone."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume

TOLERANCE = 1e-3
"""Greatest distance between two grids' corners, in voxels, at which they count as one grid."""


@dataclass(frozen=True)
class Aligned:
    """Label voxels `[k, j, i]` on the image's grid; `resampled` where they lay on another one."""

    voxels: NDArray[Any]
    resampled: bool


def align(label: Volume, image: Volume, by_index: bool = False) -> Aligned:
    """Return the label's stored voxels on the image's grid.

    Grids that agree within TOLERANCE are taken as they are. Another grid (flipped, cropped, shifted, of other spacing)
    is sampled at each image voxel's centre by nearest neighbour; what lies outside the label's extent is 0. With
    `by_index`, or where neither file has a geometry, shapes must agree and voxels correspond by index.

    Raises CaseError where shapes disagree, only one of the two has a geometry, or the two do not overlap.
    """
    if by_index or (label.affine is None and image.affine is None):
        if label.shape != image.shape:
            raise CaseError(
                Reason.GEOMETRY,
                f"the image has {_size(image)} voxels, its label {_size(label)}, "
                "and nothing says how one lies on the other",
            )
        return Aligned(label.voxels, resampled=False)
    if label.affine is None or image.affine is None:
        bare = "label" if label.affine is None else "image"
        raise CaseError(
            Reason.GEOMETRY,
            f"the {bare} has no geometry while the other has one; "
            "where they correspond by index say `geometry: index` in the recipe",
        )
    matrix = np.linalg.inv(label.affine) @ image.affine
    if label.shape == image.shape and _corner_distance(matrix, image.shape) <= TOLERANCE:
        return Aligned(label.voxels, resampled=False)
    if label.is_colour:
        raise CaseError(Reason.GEOMETRY, "a colour label lies on another grid than its image")
    from curate.imaging.kernels import nearest

    voxels = np.empty(image.shape, label.voxels.dtype)
    if not nearest(label.voxels, matrix, voxels):
        raise CaseError(
            Reason.GEOMETRY,
            f"image and label do not overlap in space: the image spans {_extent(image)} mm, "
            f"the label {_extent(label)} mm (R, A, S); "
            "where the label's header is known to be wrong say `geometry: index` in the recipe",
        )
    return Aligned(voxels, resampled=True)


def _corner_distance(matrix: NDArray[np.float64], shape: tuple[int, int, int]) -> float:
    """Return how far the farthest corner of a grid is moved by a voxel-to-voxel matrix, in voxels."""
    k, j, i = shape
    corners = np.array([(*corner, 1.0) for corner in product((0, i - 1), (0, j - 1), (0, k - 1))])
    return float(np.abs(corners @ (matrix - np.eye(4)).T).max())


def _size(volume: Volume) -> str:
    return " x ".join(str(n) for n in volume.shape[::-1])


def _extent(volume: Volume) -> str:
    assert volume.affine is not None
    k, j, i = volume.shape
    corners = np.array([(*c, 1.0) for c in product((0, i - 1), (0, j - 1), (0, k - 1))]) @ volume.affine.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    return ", ".join(f"{low[n]:.0f}..{high[n]:.0f}" for n in range(3))
