"""A label volume on its image's grid: matched by physical position, by index only where positions say nothing."""

from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Affine, Volume, voxel_spacing

TOLERANCE = 1e-3
"""Greatest distance between two grids' corners, in voxels, at which they count as one grid."""

KEPT_WARNING, KEPT_LEAST = 0.9, 0.5
"""Share of a label's foreground volume that resampling keeps: less is a warning, or fails the case."""


@dataclass(frozen=True)
class Aligned:
    """Label voxels `[k, j, i]` on the image's grid.

    `resampled` where they were on another grid; `kept` and `lost` are then the label's foreground in mm^3 that landed
    on the image's grid, and that did not. `notes` say what a user should know.
    """

    voxels: NDArray[Any]
    resampled: bool = False
    kept: float = 0.0
    lost: float = 0.0
    notes: tuple[str, ...] = ()


def align(label: Volume, image: Volume, name: str, by_index: bool = False) -> Aligned:
    """Return the label's stored voxels on the image's grid; `name` is the label file's, for messages.

    Grids that agree within TOLERANCE are taken as they are. Another grid (flipped, cropped, shifted, of other spacing)
    is sampled at each image voxel's centre by nearest neighbour; what is outside the label's extent is 0. Voxels
    correspond by index with `by_index`, where neither file has a geometry, where a header's geometry is a placeholder
    (NIfTI codes 0, an identity affine that disagrees with the image's), and where the label agrees with the image's
    other form (NIfTI sform against qform); shapes must then agree, and a note says so.

    Raises CaseError where shapes disagree, only one of the two has a geometry, the axes are swapped, the two do not
    overlap, or less than KEPT_LEAST of the label's foreground lands on the image.
    """
    if by_index or (label.affine is None and image.affine is None):
        return _by_index(label, image, name)
    if label.affine is None or image.affine is None:
        bare = f"the label {name}" if label.affine is None else "the image"
        raise CaseError(
            Reason.GEOMETRY,
            f"{bare} has no geometry while the other has one; if voxels correspond by index, set `geometry: index` in "
            "the recipe",
        )
    if image.uneven is not None or label.uneven is not None:
        from curate.imaging.uneven import align_slices  # which takes what is above from here

        return align_slices(label, image, name)
    matrix = np.linalg.inv(label.affine) @ image.affine
    same_shape = label.shape == image.shape
    if same_shape and _corner_distance(matrix, image.shape) <= TOLERANCE:
        return Aligned(label.voxels)
    if label.unplaced or image.unplaced:
        which = f"label {name}" if label.unplaced else "image"
        return _by_index(label, image, name, f"the header of the {which} gives no position (form codes 0)")
    if same_shape and _forms_agree(label, image):
        return _by_index(label, image, name, "qform and sform of a header differ, and image and label took one each")
    moved = same_shape and not _same_extent(label, image)
    if moved and _is_default(label.affine):
        return _by_index(label, image, name, "the header of the label is a placeholder (identity affine)")
    if label.is_colour:
        raise CaseError(Reason.GEOMETRY, f"the colour label {name} is on another grid than its image")
    if _axes_are_swapped(label, image):
        raise CaseError(
            Reason.GEOMETRY,
            f"the label {name} has {_size(label)} voxels and the image {_size(image)}, with the same directions: its "
            "axes are swapped; correct its header or exclude the case",
        )
    aligned = _resampled(label, image, matrix, name)
    if moved and not aligned.notes:
        note = f"the label {name} has the shape of its image but another extent; it was resampled by position"
        return replace(aligned, notes=(note,))
    return aligned


def _by_index(label: Volume, image: Volume, name: str, why: str = "") -> Aligned:
    if label.shape != image.shape:
        raise CaseError(
            Reason.GEOMETRY,
            f"the image has {_size(image)} voxels and the label {name} {_size(label)}, "
            f"and nothing says where one is on the other{f': {why}' if why else ''}",
        )
    return Aligned(label.voxels, notes=(f"{name} is matched to its image by index: {why}",) if why else ())


def _resampled(label: Volume, image: Volume, matrix: NDArray[np.float64], name: str) -> Aligned:
    from curate.imaging.kernels import nearest

    voxels = np.empty(image.shape, label.voxels.dtype)
    if not nearest(label.voxels, matrix, voxels):
        raise CaseError(
            Reason.GEOMETRY,
            f"image and label {name} do not overlap in space: the image spans {_extent(image)} mm, the label "
            f"{_extent(label)} mm (R, A, S); if the label's header is wrong, set `geometry: index` in the recipe",
        )
    before = float(np.count_nonzero(label.voxels)) * _voxel_volume(label)
    kept = float(np.count_nonzero(voxels)) * _voxel_volume(image)
    share = kept / before if before else 1.0
    told = f"{kept:.0f} of {before:.0f} mm3 of the label {name} are inside the image ({share:.0%})"
    if share < KEPT_LEAST and not _contains(label, image):
        raise CaseError(
            Reason.GEOMETRY,
            f"only {told}; its header is probably wrong: correct it, or set `geometry: index` if voxels correspond by "
            "index",
        )
    notes = (f"{told}; check its header",) if share < KEPT_WARNING else ()
    return Aligned(voxels, True, kept, max(0.0, before - kept), notes)


def _forms_agree(label: Volume, image: Volume) -> bool:
    """Tell whether another of the header's forms puts label and image on one grid."""
    pairs = product(*((one.affine, one.other_affine) for one in (label, image)))
    return any(
        a is not None and b is not None and _corner_distance(np.linalg.inv(a) @ b, image.shape) <= TOLERANCE
        for a, b in pairs
    )


def _is_default(affine: Affine) -> bool:
    """Tell whether an affine is what a tool writes that was given none: unit voxels at the origin, RAS or LPS."""
    return any(np.array_equal(affine, np.diag([x, x, 1.0, 1.0])) for x in (1.0, -1.0))


def _same_extent(label: Volume, image: Volume) -> bool:
    """Tell whether both grids span one box, to half a voxel: then one is the other flipped or turned."""
    boxes = [_corners(volume) for volume in (label, image)]
    reach = float(voxel_spacing(image.affine).max()) / 2  # type: ignore[arg-type]
    return all(
        np.abs(getattr(boxes[0], side)(0) - getattr(boxes[1], side)(0)).max() <= reach for side in ("min", "max")
    )


def _contains(label: Volume, image: Volume) -> bool:
    """Tell whether the image is a part of the label's field: then foreground outside it is lost rightly."""
    assert label.affine is not None
    corners = np.hstack([_corners(image), np.ones((8, 1))]) @ np.linalg.inv(label.affine).T[:, :3]
    return bool((corners >= -1).all() and (corners <= label.shape[::-1]).all())


def _axes_are_swapped(label: Volume, image: Volume) -> bool:
    if label.shape == image.shape or not np.allclose(label.affine, image.affine, rtol=0, atol=1e-3):  # type: ignore[arg-type]
        return False
    return label.shape in set(permutations(image.shape))


def _voxel_volume(volume: Volume) -> float:
    assert volume.affine is not None
    return float(abs(np.linalg.det(volume.affine[:3, :3])))


def _corner_distance(matrix: NDArray[np.float64], shape: tuple[int, int, int]) -> float:
    """Return how far the farthest corner of a grid is moved by a voxel-to-voxel matrix, in voxels."""
    k, j, i = shape
    corners = np.array([(*corner, 1.0) for corner in product((0, i - 1), (0, j - 1), (0, k - 1))])
    return float(np.abs(corners @ (matrix - np.eye(4)).T).max())


def _size(volume: Volume) -> str:
    return " x ".join(str(n) for n in volume.shape[::-1])


def _extent(volume: Volume) -> str:
    corners = _corners(volume)
    low, high = corners.min(axis=0), corners.max(axis=0)
    return ", ".join(f"{low[n]:.0f}..{high[n]:.0f}" for n in range(3))


def _corners(volume: Volume) -> NDArray[np.float64]:
    """Return the centres of the eight corner voxels (8, 3) in mm."""
    assert volume.affine is not None
    k, j, i = volume.shape
    corners = np.array([(*c, 1.0) for c in product((0, i - 1), (0, j - 1), (0, k - 1))]) @ volume.affine.T
    return corners[:, :3]
