"""Put a label volume on the grid of its image: by physical position, or by index if positions are unknown."""

from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Affine, Volume, corner_distance, voxel_spacing

TOLERANCE = 1e-3
"""Largest distance between the corners of two grids, in voxels, at which they count as the same grid."""

KEPT_WARNING, KEPT_LEAST = 0.9, 0.5
"""Share of a label's foreground that resampling must keep: less than the first warns, less than the second fails."""


@dataclass(frozen=True)
class Aligned:
    """Label voxels `[k, j, i]` on the image's grid.

    `resampled`: the label had another grid; `kept` and `lost` are then its foreground inside and outside the image, in
    mm^3. `notes` are warnings for the user.
    """

    voxels: NDArray[Any]
    resampled: bool = False
    kept: float = 0.0
    lost: float = 0.0
    notes: tuple[str, ...] = ()


def align(label: Volume, image: Volume, name: str, by_index: bool = False) -> Aligned:
    """Return the label's stored voxels on the image's grid; `name` is the label file in messages.

    A grid that agrees within TOLERANCE is used unchanged. Another grid (flipped, cropped, shifted, other spacing) is
    sampled at the centre of each image voxel by nearest neighbour; voxels outside the label are 0. Voxels correspond by
    index with `by_index`, if neither file has a geometry, if a header's geometry is a placeholder (NIfTI codes 0, or an
    identity affine that disagrees with the image's), or if the label agrees with the image's other form (NIfTI sform
    against qform). The shapes must then agree, and a note is added.

    Raises CaseError if shapes disagree, only one of the two has a geometry, the axes are swapped, the two do not
    overlap, or less than KEPT_LEAST of the label's foreground is inside the image.
    """
    if by_index or (label.affine is None and image.affine is None):
        return _by_index(label, image, name)
    if label.affine is None or image.affine is None:
        without, other = ("label", "image") if label.affine is None else ("image", "label")
        raise CaseError(
            Reason.GEOMETRY,
            f"the {without} has no geometry but the {other} has one (label {name}); if voxels correspond by index, set "
            "`geometry: index` in the recipe",
        )
    matrix = np.linalg.inv(label.affine) @ image.affine
    same_shape = label.shape == image.shape
    if same_shape and corner_distance(matrix, image.shape) <= TOLERANCE:
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
            f"and their relative position is unknown{f': {why}' if why else ''}",
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
    finding = f"{kept:.0f} of {before:.0f} mm3 of the label {name} are inside the image ({share:.0%})"
    if share < KEPT_LEAST and not _contains(label, image):
        raise CaseError(
            Reason.GEOMETRY,
            f"only {finding}; its header is probably wrong: correct it, or set `geometry: index` if voxels correspond "
            "by index",
        )
    notes = (f"{finding}; check its header",) if share < KEPT_WARNING else ()
    return Aligned(voxels, True, kept, max(0.0, before - kept), notes)


def _forms_agree(label: Volume, image: Volume) -> bool:
    """Return whether label and image have the same grid by another pair of their headers' forms."""
    pairs = product(*((one.affine, one.other_affine) for one in (label, image)))
    return any(
        a is not None and b is not None and corner_distance(np.linalg.inv(a) @ b, image.shape) <= TOLERANCE
        for a, b in pairs
    )


def _is_default(affine: Affine) -> bool:
    """Return whether an affine is the default of writing tools: unit voxels at the origin, RAS or LPS."""
    return any(np.array_equal(affine, np.diag([x, x, 1.0, 1.0])) for x in (1.0, -1.0))


def _same_extent(label: Volume, image: Volume) -> bool:
    """Return whether both grids span the same box within half a voxel, so that one is the other flipped or rotated."""
    boxes = [_corners(volume) for volume in (label, image)]
    reach = float(voxel_spacing(image.affine).max()) / 2  # type: ignore[arg-type]
    return all(
        np.abs(getattr(boxes[0], side)(0) - getattr(boxes[1], side)(0)).max() <= reach for side in ("min", "max")
    )


def _contains(label: Volume, image: Volume) -> bool:
    """Return whether the image is within the label's grid, so that losing foreground outside it is expected."""
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


def _size(volume: Volume) -> str:
    return " x ".join(str(n) for n in volume.shape[::-1])


def _extent(volume: Volume) -> str:
    corners = _corners(volume)
    low, high = corners.min(axis=0), corners.max(axis=0)
    return ", ".join(f"{low[n]:.0f}..{high[n]:.0f}" for n in range(3))


def _corners(volume: Volume) -> NDArray[np.float64]:
    """Return the centres (8, 3) of the eight corner voxels in mm."""
    assert volume.affine is not None
    k, j, i = volume.shape
    corners = np.array([(*c, 1.0) for c in product((0, i - 1), (0, j - 1), (0, k - 1))]) @ volume.affine.T
    return corners[:, :3]
