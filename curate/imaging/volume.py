"""A scan in memory, the position of its voxels in the patient, and the frame a radiologist looks at it in."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError

if TYPE_CHECKING:
    from curate.imaging.voi import Voi

AXES = ("x", "y", "z")
"""Slice axes as SA-Med2D names them: sagittal, coronal, axial."""

Affine = NDArray[np.float64]


@dataclass(frozen=True)
class UnevenSlices:
    """Slices that make no upright, even grid: pictures along k are good, those along i and j would not be.

    `reason` says what is wrong; `origins` (n, 3) holds the position of the voxel (0, 0, k) of each slice in mm, RAS+,
    None where the slices have no positions.
    """

    reason: str
    origins: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Volume:
    """Voxels as they are stored, with their position in space.

    `voxels[k, j, i]` (colour: `[k, j, i, channel]`) in the stored dtype and order, the fastest axis last; a source
    intensity is `voxel * slope + intercept`. `affine` (4, 4) maps (i, j, k, 1) to mm in RAS+; None where the format
    has no geometry. `other_affine` is a second one the header gives (NIfTI's qform beside its sform) where the two
    differ; `unplaced` marks a header that gives spacing but no position, so that `affine` is a convention. `flat` marks
    a 2D image. `palette` (n, 3) holds the colours of an indexed image. `uneven` is set where slices are not an even
    grid: `affine` then is that of an even one from the first to the last. `voi` is the window the file brings, in
    source intensities; `notes` are what a user should know of the image.
    """

    voxels: NDArray[Any]
    affine: Affine | None = None
    slope: float = 1.0
    intercept: float = 0.0
    flat: bool = False
    palette: NDArray[np.uint8] | None = None
    other_affine: Affine | None = None
    unplaced: bool = False
    uneven: UnevenSlices | None = None
    voi: "Voi | None" = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along k, j, i."""
        k, j, i = self.voxels.shape[:3]
        return k, j, i

    @property
    def is_colour(self) -> bool:
        """True where a voxel holds red, green and blue."""
        return self.voxels.ndim == 4


@dataclass(frozen=True)
class Frame:
    """The axis swaps and flips that turn stored voxels into the frame slices are cut in.

    Array axis `order[n]` becomes axis n of (z, y, x); where `flips[n]`, it runs the other way. `spacing` is in mm
    along (z, y, x), None where unknown; of z alone where a recipe gives the pixels' size only. In the radiological
    frame z runs from head to feet, y from front to back and x from the patient's right to the left: every slice is
    then the picture itself, row 0 on top, column 0 at the left.
    """

    order: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)
    spacing: tuple[float | None, float, float] | None = None
    radiological: bool = False

    def slice_number(self, position: int, count: int) -> int:
        """Return the number of the slice at `position` of `count`: counted along RAS+, or as stored in a native frame.

        The radiological frame runs against RAS+ along every axis.
        """
        return count - 1 - position if self.radiological else position


def checked_affine(affine: Affine) -> Affine:
    """Return `affine` as float64, or raise CaseError where it maps no volume onto space."""
    affine = np.asarray(affine, np.float64)
    spacing = voxel_spacing(affine)
    # of unit axes: the determinant itself shrinks with the voxel, and an electron microscope's is 1e-17 mm^3
    if not (np.isfinite(affine).all() and spacing.all() and abs(np.linalg.det(affine[:3, :3] / spacing)) > 1e-6):
        raise CaseError(
            Reason.GEOMETRY,
            f"the header's affine is singular or not finite: {affine[:3].tolist()}; correct the header",
        )
    return affine


def slice_origins(volume: Volume) -> NDArray[np.float64]:
    """Return the position of the voxel (0, 0, k) of each slice in mm, RAS+, of a volume with a geometry."""
    if volume.uneven is not None and volume.uneven.origins is not None:
        return volume.uneven.origins
    assert volume.affine is not None
    return volume.affine[:3, 3] + np.arange(volume.shape[0])[:, np.newaxis] * volume.affine[:3, 2]


def voxel_spacing(affine: Affine) -> NDArray[np.float64]:
    """Return the voxel's edge lengths along i, j, k in mm."""
    return np.sqrt((affine[:3, :3] ** 2).sum(axis=0))


def frame_of(affine: Affine | None, orient: str = "radiological") -> Frame:
    """Return the frame to cut slices in: `orient` is `radiological` or `native` (stored order).

    Oblique volumes take the closest axes (nibabel's io_orientation); nothing is resampled. A volume without an affine
    stays in its stored order.
    """
    if affine is None:
        return Frame()
    from nibabel.orientations import io_orientation

    spacing_ijk = voxel_spacing(affine)
    if orient == "native":
        sk, sj, si = (float(s) for s in spacing_ijk[::-1])
        return Frame(spacing=(sk, sj, si))
    orientation = io_orientation(affine)  # row per i, j, k: which of R, A, S it runs along, and its sign
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

    What needs no copy is not copied. Planes are turned with OpenCV: a strided NumPy copy of a transposed CT takes ten
    times as long.
    """
    flips = tuple(slice(None, None, -1 if flip else None) for flip in frame.flips)
    view = voxels.transpose(*frame.order, *range(3, voxels.ndim))[flips]
    if view[0].flags.c_contiguous:
        return view
    if voxels.dtype == np.uint32:  # which OpenCV 4 does not know
        return to_frame(voxels.view(np.int32), frame).view(np.uint32)
    if voxels.ndim > 3 or voxels.dtype.itemsize > 4 or frame.order[2] == 2:
        return _copy_rows(view, frame.flips[2])
    return _transpose_planes(view)


def _copy_rows(view: NDArray[Any], mirrored: bool) -> NDArray[Any]:
    """Copy a view whose rows are contiguous but for a mirror."""
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
    loop = 1 - fastest  # the axis that is neither the fastest stored nor the fastest wanted
    sources, targets = np.moveaxis(view, loop, 0), np.moveaxis(out, loop, 0)
    for source, target in zip(sources, targets, strict=True):
        # OpenCV takes positive strides only: undo both mirrors, transpose, and write through mirrored targets
        flip_rows, flip_columns = source.strides[0] < 0, source.strides[1] < 0
        plain = source[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
        target[...] = cv2.transpose(plain.T)[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
    return out
