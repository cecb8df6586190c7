"""Segments of a DICOM SEG on the grid of an image: frame by frame where the grids agree, else by nearest neighbour."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.dicom.frames import Frame
from curate.dicom.grid import SAME_PLACE, UNEVEN, along_normal
from curate.dicom.segmentation import Segmentation
from curate.errors import CaseError
from curate.imaging.volume import Volume, checked_affine, slice_origins, voxel_spacing
from curate.labels.base import LabelFile
from curate.labels.named import labels_of
from curate.labels.placement import Placements
from curate.labels.planes import PlanePacker
from curate.recipe.resolved import Group

SAME_GRID = 1e-2
"""Greatest distance between pixels of a frame and of a slice, in pixels, at which they are on one grid."""

_TO_RAS = np.array([-1.0, -1.0, 1.0])


def add_segments(seg: Segmentation, file: LabelFile, group: Group, placements: Placements, packer: PlanePacker) -> None:
    """Add the segments that labels take to `packer`, on the grid of the image of `placements`.

    Raises CaseError where a segment cannot be placed or needs more memory than it may, DicomError where frames cannot
    be decoded.
    """
    wanted = {segment.number: labels for segment in seg.segments if (labels := labels_of(segment, group.labels))}
    for number in wanted:
        _refuse_large(len(seg.frames_of_segment(number)) * seg.form.rows * seg.form.columns, file)
    places = places_of(seg, placements.image)
    if places is None:
        for number, labels in wanted.items():
            volume = _volume(seg, number, group, file)
            if volume is not None:
                placed = placements.place(volume, file.name).voxels
                packer.add({place: plane.astype(np.bool_) for place, plane in enumerate(placed)}, labels)
    elif seg.kind == "LABELMAP":
        packer.add_values(_label_map(seg, places, placements.image.shape), wanted)
    else:
        for number, labels in wanted.items():
            frames = [frame for frame in seg.frames_of_segment(number) if places[frame] >= 0]
            packer.add(_planes(seg, number, frames, places, group), labels)


def places_of(seg: Segmentation, image: Volume) -> list[int] | None:
    """Return the slice of the image that each frame is, -1 for those beyond it; None where the grids differ."""
    if (seg.form.rows, seg.form.columns) != image.shape[1:]:
        return None
    if image.affine is None:  # a single 2D image without a position
        return [0] * len(seg.frames) if image.shape[0] == 1 else None
    origins = slice_origins(image)
    pixels = voxel_spacing(image.affine)[:2]
    normal = np.cross(image.affine[:3, 0], image.affine[:3, 1]) / pixels.prod()
    step = abs(float(image.affine[:3, 2] @ normal))
    found = []
    for frame in seg.frames:
        axes = _axes(frame)
        if axes is None or frame.position is None:
            return None
        if (np.abs(axes - image.affine[:3, :2]).max(axis=0) * image.shape[:0:-1] > SAME_GRID * pixels).any():
            return None
        off = np.array(frame.position) * _TO_RAS - origins
        along = off @ normal
        nearest = int(np.abs(along).argmin())
        if abs(along[nearest]) > (1 - UNEVEN) * step and (along.min() > 0 or along.max() < 0):
            found.append(-1)
            continue
        beside = np.linalg.norm(off[nearest] - along[nearest] * normal)
        if abs(along[nearest]) > UNEVEN * step or beside > SAME_GRID * pixels.min():
            return None
        found.append(nearest)
    return found


def _axes(frame: Frame) -> NDArray[np.float64] | None:
    """Return the steps (3, 2) to the next column and to the next row, mm in RAS+."""
    if frame.along_row is None or frame.along_column is None or frame.spacing is None:
        return None
    row, column = np.array(frame.along_row), np.array(frame.along_column)
    return np.stack([row * frame.spacing[1] * _TO_RAS, column * frame.spacing[0] * _TO_RAS], axis=1)


def _label_map(seg: Segmentation, places: Sequence[int], shape: tuple[int, int, int]) -> NDArray[np.uint16]:
    voxels = np.zeros(shape, np.uint16)
    inside = [frame for frame, place in enumerate(places) if place >= 0]
    for frame, values in zip(inside, seg.values(inside), strict=True):
        voxels[places[frame]] = values
    return voxels


def _planes(
    seg: Segmentation, number: int, frames: Sequence[int], places: Sequence[int], group: Group
) -> Mapping[int, NDArray[np.bool_]]:
    planes: dict[int, NDArray[np.bool_]] = {}
    for frame, mask in zip(frames, _masks(seg, number, frames, group), strict=True):
        place = places[frame]
        planes[place] = mask | planes[place] if place in planes else mask
    return planes


def _masks(seg: Segmentation, number: int, frames: Sequence[int], group: Group) -> Iterator[NDArray[np.bool_]]:
    if seg.kind == "LABELMAP":
        return (values == number for values in seg.values(frames))
    assert group.threshold is not None  # the encoding has a default
    return seg.masks(frames, group.threshold)


def _volume(seg: Segmentation, number: int, group: Group, file: LabelFile) -> Volume | None:
    """Return a segment as a volume of its own, with slices of zeros where frames are left out as empty.

    A segment may have no frame at all: then there is none. Raises CaseError where its frames make no grid.
    """
    frames = seg.frames_of_segment(number)
    members = [seg.frames[frame] for frame in frames]
    axes = [found for one in members if (found := _axes(one)) is not None and one.position is not None]
    if not members:
        return None
    if len(axes) < len(members) or any(np.abs(axes[0] - other).max() > 1e-6 for other in axes):
        raise CaseError(
            Reason.GEOMETRY, f"{file.name}: its frames are not those of the image, and have no grid of their own"
        )
    places = along_normal(members)
    step = _step(seg)
    numbers = np.rint((places - places.min()) / step).astype(int)
    if np.abs(places - places.min() - numbers * step).max() > UNEVEN * step:
        raise CaseError(
            Reason.GEOMETRY, f"{file.name}: its frames are not at the slices of the image, and at uneven distances"
        )
    depth = int(numbers.max()) + 1
    _refuse_large(depth * seg.form.rows * seg.form.columns, file)
    voxels = np.zeros((depth, seg.form.rows, seg.form.columns), np.uint8)
    for place, mask in zip(numbers.tolist(), _masks(seg, number, frames, group), strict=True):
        voxels[place] |= mask
    low, high = (np.array(members[n].position) * _TO_RAS for n in (int(places.argmin()), int(places.argmax())))
    normal = np.cross(axes[0][:, 0], axes[0][:, 1])
    affine = np.eye(4)
    affine[:3, :2] = axes[0]
    affine[:3, 2] = (high - low) / (depth - 1) if depth > 1 else normal / np.linalg.norm(normal) * step
    affine[:3, 3] = low
    return Volume(voxels, checked_affine(affine))


def _step(seg: Segmentation) -> float:
    """Return the distance of slices: the least between frames of any segment, else what the file says, else 1 mm."""
    placed = [frame for frame in seg.frames if frame.position is not None and frame.along_row is not None]
    steps = np.diff(np.sort(along_normal(placed)))
    steps = steps[steps > SAME_PLACE]
    return float(steps.min()) if steps.size else seg.step or 1.0


def _refuse_large(nbytes: int, file: LabelFile) -> None:
    if file.limit is not None and nbytes > file.limit:
        raise CaseError(
            Reason.MEMORY,
            f"{file.name} holds {nbytes / 1e9:.2f} GB in one segment, the limit is {file.limit / 1e9:.2f} GB; give "
            "more with --memory",
        )
