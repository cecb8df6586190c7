"""The EXIF orientation of pictures: eight ways a camera stores what a viewer shows upright."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

UPRIGHT = 1
TAG = 0x0112
"""EXIF and TIFF tag of the orientation (CIPA DC-008, table 4)."""

_INVERSE = {6: 8, 8: 6}


def upright(voxels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return stored `voxels[page, row, column, ...]` as a viewer shows them."""
    if orientation in (5, 6, 7, 8):
        voxels = voxels.swapaxes(1, 2)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(voxels[:, ::rows, ::columns])


def as_stored(voxels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return upright voxels in the order in which a file of this orientation stores them."""
    return upright(voxels, _INVERSE.get(orientation, orientation))
