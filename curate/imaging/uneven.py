"""Labels on images whose slices are no even grid: matched slice by slice, each at its own position."""

import numpy as np

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.resample import KEPT_WARNING, TOLERANCE, Aligned
from curate.imaging.volume import Volume, slice_origins, voxel_spacing


def align_slices(label: Volume, image: Volume, name: str) -> Aligned:
    """Return the label's voxels on the image's grid, where either of the two has uneven slices.

    Slices at the same positions are taken as they are. A label with an even grid is sampled at each slice of the image
    by nearest neighbour. Raises CaseError where an uneven label has other slices than its image, or the two do not
    overlap.
    """
    assert label.affine is not None
    assert image.affine is not None
    if _same_slices(label, image):
        return Aligned(label.voxels)
    if label.uneven is not None:
        raise CaseError(
            Reason.GEOMETRY,
            f"the slices of the label {name} are at other positions than those of its image, and not on an even grid: "
            f"{label.uneven.reason}",
        )
    from curate.imaging.kernels import nearest

    voxels = np.zeros(image.shape, label.voxels.dtype)
    to_label = np.linalg.inv(label.affine)
    inside = 0
    for place, origin in enumerate(slice_origins(image)):
        of_slice = image.affine.copy()
        of_slice[:3, 3] = origin
        inside += nearest(label.voxels, to_label @ of_slice, voxels[place : place + 1])
    if not inside:
        raise CaseError(Reason.GEOMETRY, f"image and label {name} do not overlap in space")
    before = float(np.count_nonzero(label.voxels)) * abs(float(np.linalg.det(label.affine[:3, :3])))
    kept = float(np.count_nonzero(voxels)) * abs(float(np.linalg.det(image.affine[:3, :3])))
    share = kept / before if before else 1.0
    note = f"{kept:.0f} of {before:.0f} mm3 of the label {name} are inside the image ({share:.0%}); check its header"
    return Aligned(voxels, True, kept, max(0.0, before - kept), (note,) if share < KEPT_WARNING else ())


def _same_slices(label: Volume, image: Volume) -> bool:
    if label.shape != image.shape:
        return False
    assert label.affine is not None
    assert image.affine is not None
    reach = TOLERANCE * float(voxel_spacing(image.affine).min())
    moved = np.abs(slice_origins(label) - slice_origins(image)).max()
    turned = np.abs(label.affine[:3, :2] - image.affine[:3, :2]).max() * max(image.shape[1:])
    return bool(moved <= reach and turned <= reach)
