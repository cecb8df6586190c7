"""How a scan's file stores a volume: its order of axes, and the geometry that its labels get."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.imaging.volume import Affine, Frame, frame_of, to_frame


@dataclass(frozen=True)
class ScanGeometry:
    """The geometry of a scan.

    shape: Voxels along k, j, i.
    affine: Maps (i, j, k, 1) to mm in RAS+.
    frame: How stored voxels become axial slices.
    header: The header of the file, as it is: `outputs` copies the geometry from it.
    """

    shape: tuple[int, int, int]
    affine: Affine
    frame: Frame
    header: bytes = b""

    @property
    def axial(self) -> int:
        """The axis of the file, i, j or k (0, 1, 2), that runs from slice to slice."""
        return 2 - self.frame.order[0]

    def boxes_to_frame(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return boxes (N, 6) in the file's voxel indices i, j, k as x, y, z of the frame.

        A box runs from its first voxel to its last one, so that a mirrored axis swaps the two.
        """
        turned = np.empty_like(boxes)
        for axis, (stored, flipped) in enumerate(zip(self.frame.order, self.frame.flips, strict=True)):
            low, high = boxes[:, 2 - stored], boxes[:, 5 - stored]
            last = self.shape[stored] - 1
            turned[:, 2 - axis] = last - high if flipped else low
            turned[:, 5 - axis] = last - low if flipped else high
        return turned

    def slice_number(self, z: int) -> int:
        """Return the file's own number of the slice at `z`."""
        return self.shape[self.frame.order[0]] - 1 - z if self.frame.flips[0] else z

    def to_frame(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Return voxels (k, j, i) as slices (z, y, x)."""
        return to_frame(voxels, self.frame)

    def to_file(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Return labels (z, y, x) in the file's order (k, j, i)."""
        flips = tuple(slice(None, None, -1 if flip else None) for flip in self.frame.flips)
        return labels[flips].transpose(*np.argsort(self.frame.order))


def scan_frame(shape: tuple[int, int, int], affine: Affine) -> Frame:
    """Return the frame of axial slices; of a scan that is one slice, the frame in which that slice is a plane."""
    frame = frame_of(affine)
    thin = [axis for axis, length in enumerate(shape) if length == 1]
    if len(thin) != 1 or frame.order[0] == thin[0]:
        return frame
    steps = spacing_of(frame)
    z, y, x = frame.order.index(thin[0]), *(n for n, axis in enumerate(frame.order) if axis != thin[0])
    return Frame(
        order=(frame.order[z], frame.order[y], frame.order[x]),
        flips=(frame.flips[z], frame.flips[y], frame.flips[x]),
        spacing=(steps[z], steps[y], steps[x]),
        radiological=frame.radiological,
    )


def spacing_of(frame: Frame) -> tuple[float, float, float]:
    """Return the spacing of a scan's frame along z, y, x in mm."""
    assert frame.spacing is not None
    z, y, x = frame.spacing
    assert z is not None
    return z, y, x
