"""Change the size of a mask: a new pixel is inside where the mask covers at least half of its area.

Areas are exact, so a mask keeps its centroid. OpenCV's INTER_NEAREST takes the upper left pixel of each cell instead:
shrunk by a factor f, a mask moves (f - 1) / 2f new pixels to the right and down.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def resize_mask(mask: NDArray[np.bool_] | NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.bool_]:
    """Return a mask (H, W), non-zero inside, as (rows, columns).

    A pixel is inside where at least half of its area is. Where no pixel reaches one half, as with a vessel much thinner
    than a pixel, the limit is half of the greatest coverage, so a mask that is not empty stays so.
    """
    inside = mask != 0
    if inside.shape == (rows, columns):
        return inside
    # The integral of the mask at the corners of the new pixels: between pixels it is linear in each axis.
    corners = _at_edges(_at_edges(cv2.integral(inside.view(np.uint8)), rows).T, columns).T
    covered = np.diff(np.diff(corners, axis=0), axis=1)
    greatest = int(covered.max())
    full = mask.size if 2 * greatest >= mask.size else greatest
    return (covered > 0) & (2 * covered >= full)


def _at_edges(integral: NDArray[Any], new: int) -> NDArray[np.int64]:
    """Return `new` times the integral (H + 1, W) at the edges of `new` equal parts of its H rows, (new + 1, W)."""
    row, rest = np.divmod(np.arange(new + 1) * (len(integral) - 1), new)
    edges: NDArray[np.int64] = integral[row] * (new - rest)[:, None]
    edges += integral[np.minimum(row + 1, len(integral) - 1)] * rest[:, None]
    return edges
