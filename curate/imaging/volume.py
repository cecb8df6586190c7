"""A volume in memory, the position of its voxels in the patient, and the orientation radiologists view it in."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError

AXES = ("x", "y", "z")
"""Slice axes as SA-Med2D-20M names them: sagittal, coronal, axial."""

Affine = NDArray[np.float64]


@dataclass(frozen=True)
class Volume:
    """Voxels as stored, with their position in space.

    `voxels[k, j, i]` (colour: `[k, j, i, channel]`) has the stored dtype and order, fastest axis last; the source
    intensity is `voxel * slope + intercept`. `affine` (4, 4) maps (i, j, k, 1) to mm in RAS+; it is None if the format
    has no geometry. `other_affine` is the second affine of the header (the qform of a NIfTI file that also has an
    sform), if it differs. `unplaced` marks a header with spacing but without position, whose `affine` is a convention.
    `flat` marks a 2D image. `palette` (n, 3) holds the colours of an indexed image.
    `spacing` is that of a picture without an affine along k, j, i in mm, None where unknown, of k alone too. A picture
    is upright; `orientation` is the EXIF orientation it was stored in.
    """

    voxels: NDArray[Any]
    affine: Affine | None = None
    slope: float = 1.0
    intercept: float = 0.0
    flat: bool = False
    palette: NDArray[np.uint8] | None = None
    other_affine: Affine | None = None
    unplaced: bool = False
    spacing: tuple[float | None, float, float] | None = None
    orientation: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along k, j, i."""
        k, j, i = self.voxels.shape[:3]
        return k, j, i

    @property
    def is_colour(self) -> bool:
        """Whether voxels have red, green and blue channels."""
        return self.voxels.ndim == 4


@dataclass(frozen=True)
class Frame:
    """The axis permutation and flips from stored voxels to the orientation that slices are taken in.

    Array axis `order[n]` becomes axis n of (z, y, x); it is reversed if `flips[n]`. `spacing` is in mm along (z, y, x),
    None if unknown; only z is None if a recipe gives just the pixel size. In the radiological frame, z runs from head
    to feet, y from front to back and x from the patient's right to left, so each slice is displayed correctly with row
    0 at the top and column 0 at the left.
    """

    order: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)
    spacing: tuple[float | None, float, float] | None = None
    radiological: bool = False

    def slice_number(self, position: int, count: int) -> int:
        """Return the number of the slice at `position` of `count`: along RAS+, or as stored in a native frame.

        The radiological frame runs opposite to RAS+ along every axis.
        """
        return count - 1 - position if self.radiological else position


def checked_affine(affine: Affine, name: str = "the image") -> Affine:
    """Return `affine` as float64; raises CaseError, naming the file, if it is singular or not finite."""
    affine = np.asarray(affine, np.float64)
    spacing = voxel_spacing(affine)
    # normalised by spacing, since the determinant shrinks with the voxel: 1e-17 mm^3 in electron microscopy
    if not (np.isfinite(affine).all() and spacing.all() and abs(np.linalg.det(affine[:3, :3] / spacing)) > 1e-6):
        raise CaseError(
            Reason.GEOMETRY,
            f"{name}: the affine of its header is singular or not finite: {affine[:3].tolist()}; correct the header",
        )
    return affine


def voxel_spacing(affine: Affine) -> NDArray[np.float64]:
    """Return the edge lengths of a voxel along i, j, k in mm."""
    return np.sqrt((affine[:3, :3] ** 2).sum(axis=0))


def corner_distance(matrix: NDArray[np.float64], shape: tuple[int, int, int]) -> float:
    """Return how far the farthest corner of a grid is moved by a voxel-to-voxel matrix, in voxels."""
    k, j, i = shape
    corners = np.array([(*corner, 1.0) for corner in product((0, i - 1), (0, j - 1), (0, k - 1))])
    return float(np.abs(corners @ (matrix - np.eye(4)).T).max())


def frame_of(affine: Affine | None, orient: str = "radiological") -> Frame:
    """Return the frame to take slices in; `orient` is `radiological` or `native` (stored order).

    Oblique volumes use the closest axes (nibabel's io_orientation); nothing is resampled. A volume without an affine
    keeps its stored order.
    """
    if affine is None:
        return Frame()
    from nibabel.orientations import io_orientation

    spacing_ijk = voxel_spacing(affine)
    if orient == "native":
        sk, sj, si = (float(s) for s in spacing_ijk[::-1])
        return Frame(spacing=(sk, sj, si))
    orientation = io_orientation(affine)  # one row per i, j, k: the closest of R, A, S, and its sign
    by_world = {int(world): (voxel, sign) for voxel, (world, sign) in enumerate(orientation)}
    (z, flip_z), (y, flip_y), (x, flip_x) = (by_world[world] for world in (2, 1, 0))
    return Frame(
        order=(2 - z, 2 - y, 2 - x),
        flips=(flip_z > 0, flip_y > 0, flip_x > 0),
        spacing=(float(spacing_ijk[z]), float(spacing_ijk[y]), float(spacing_ijk[x])),
        radiological=True,
    )


def to_frame(voxels: NDArray[Any], frame: Frame) -> NDArray[Any]:
    """Return `voxels[k, j, i, ...]` as an array (z, y, x, ...) of `frame` whose z planes are C-contiguous.

    Nothing is copied unless necessary. OpenCV transposes the planes, since a strided NumPy copy of a transposed CT
    takes ten times as long.
    """
    flips = tuple(slice(None, None, -1 if flip else None) for flip in frame.flips)
    view = voxels.transpose(*frame.order, *range(3, voxels.ndim))[flips]
    if view[0].flags.c_contiguous:
        return view
    if voxels.dtype == np.uint32:  # not supported by OpenCV 4
        return to_frame(voxels.view(np.int32), frame).view(np.uint32)
    if voxels.ndim > 3 or voxels.dtype.itemsize > 4 or frame.order[2] == 2:
        return _copy_rows(view, frame.flips[2])
    return _transpose_planes(view)


def _copy_rows(view: NDArray[Any], mirrored: bool) -> NDArray[Any]:
    """Copy a view whose rows are contiguous, or reversed."""
    if not mirrored or view.ndim > 3 or view.dtype.itemsize > 4:
        return np.ascontiguousarray(view)
    import cv2

    out = np.empty(view.shape, view.dtype)
    for source, target in zip(view[:, :, ::-1], out, strict=True):
        if source.strides[0] < 0:
            cv2.flip(source[::-1], -1, target)
        else:
            cv2.flip(source, 1, target)
    return out


def _transpose_planes(view: NDArray[Any]) -> NDArray[Any]:
    """Copy a view whose fastest stored axis is not the last, plane by plane."""
    import cv2

    out = np.empty(view.shape, view.dtype)
    fastest = int(np.argmin(np.abs(view.strides)))
    loop = 1 - fastest  # the axis that is fastest in neither the stored nor the returned array
    sources, targets = np.moveaxis(view, loop, 0), np.moveaxis(out, loop, 0)
    for source, target in zip(sources, targets, strict=True):
        # OpenCV needs positive strides: undo both flips, transpose, and write to flipped targets
        flip_rows, flip_columns = source.strides[0] < 0, source.strides[1] < 0
        plain = source[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
        target[...] = cv2.transpose(plain.T)[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
    return out
