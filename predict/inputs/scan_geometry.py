"""Volumes in their file's order and in the order slices are cut in, axial whatever the file's order was."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.imaging.volume import Affine, Frame, to_frame


@dataclass(frozen=True)
class Scan:
    """How a volume lies in its file: `shape` (k, j, i), `affine` from (i, j, k, 1) to mm in RAS+, and its frame."""

    shape: tuple[int, int, int]
    affine: Affine
    frame: Frame

    @property
    def axial(self) -> int:
        """Which of the file's axes i, j, k (0, 1, 2) runs from slice to slice."""
        return 2 - self.frame.order[0]

    def boxes_to_frame(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return boxes (N, 6) in the file's voxel indices i, j, k as x, y, z of the frame.

        A box runs from its first voxel to its last one, so that a mirrored axis swaps the two.
        """
        turned = np.empty_like(boxes)
        for axis, (stored, flipped) in enumerate(zip(self.frame.order, self.frame.flips, strict=True)):
            low, high = boxes[:, 2 - stored], boxes[:, 5 - stored]
            last = self.shape[stored] - 1
            high = np.minimum(high, last)  # the far side may lie on the edge itself
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
