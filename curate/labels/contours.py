"""Contours of a region of interest, filled slice by slice on the grid of an image."""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.dicom.structure_set import Region
from curate.errors import CaseError
from curate.imaging.polygons import fill_even_odd
from curate.imaging.volume import Volume, slice_origins, voxel_spacing

SAME_PLANE = 0.05
"""Contours nearer than this share of the slice distance are in one plane; a contour that leaves its plane by more than
half the slice distance is in none."""

_TO_RAS = np.array([-1.0, -1.0, 1.0])


class ContourFiller:
    """Fills contours on the slices of an image.

    A contour belongs to the slice nearest to it, half a slice distance away at most. Contours of one plane are combined
    by exclusive or, so that one inside another is a hole. Where contours of several planes are nearest to one slice,
    those of the nearest plane are taken.
    """

    def __init__(self, image: Volume) -> None:
        """Take the grid of an image; raises CaseError for one without a position in the patient."""
        if image.affine is None:
            raise CaseError(
                Reason.GEOMETRY, "the image has no position in the patient: contours cannot be placed on it"
            )
        self._shape = image.shape
        self._origins = slice_origins(image)
        pixels = voxel_spacing(image.affine)[:2]
        row, column = image.affine[:3, 0] / pixels[0], image.affine[:3, 1] / pixels[1]
        self._normal = np.cross(row, column)
        self._to_pixels = np.stack([row / pixels[0], column / pixels[1]], axis=1)
        self._places = self._origins @ self._normal
        steps = np.abs(np.diff(self._places))
        self._step = float(np.median(steps)) if steps.size else abs(float(image.affine[:3, 2] @ self._normal))
        self._passed_over: Counter[str] = Counter()

    def planes(self, region: Region) -> Mapping[int, NDArray[np.bool_]]:
        """Return the masks of a region by slice."""
        self._passed_over = Counter(region.passed_over)
        by_slice: dict[int, list[tuple[float, NDArray[np.float64]]]] = {}
        for contour in region.contours:
            points = contour * _TO_RAS
            depths = points @ self._normal
            depth = float(depths.mean())
            if np.ptp(depths) > self._step / 2:
                self._passed_over["not in the plane of the slices"] += 1
                continue
            place = int(np.abs(self._places - depth).argmin())
            off = abs(float(self._places[place]) - depth)
            if off > self._step / 2 * (1 + SAME_PLANE):
                self._passed_over["beyond the slices"] += 1
                continue
            pixels = (points - self._origins[place]) @ self._to_pixels
            by_slice.setdefault(place, []).append((depth - float(self._places[place]), pixels))
        return {place: self._filled(found) for place, found in by_slice.items()}

    def _filled(self, found: list[tuple[float, NDArray[np.float64]]]) -> NDArray[np.bool_]:
        """Return the mask of the contours of the plane nearest to a slice."""
        nearest = min((off for off, _ in found), key=abs)
        taken = [pixels for off, pixels in found if abs(off - nearest) <= SAME_PLANE * self._step]
        if len(taken) < len(found):
            self._passed_over["further from a slice than another plane"] += len(found) - len(taken)
        height, width = self._shape[1:]
        return fill_even_odd(taken, (height, width))

    def notes(self, region: Region) -> Iterator[str]:
        """Yield what of the region that was filled last a user should know."""
        if not region.contours:
            yield f"the region {region.named.name!r} has no closed contour"
        if self._passed_over:
            counts = ", ".join(f"{count} {reason}" for reason, count in sorted(self._passed_over.items()))
            yield f"contours of the region {region.named.name!r} were passed over: {counts}"
