"""EXIF orientation of pictures, applied as image viewers do."""

from typing import Any

from numpy.typing import NDArray

UPRIGHT = 1


def turned(pages: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return a view of pages (n, H, W[, 3]) turned from a stored orientation to the displayed one."""
    if orientation >= 5:
        pages = pages.swapaxes(1, 2)  # 5: mirrored at the main diagonal
    rows, columns = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}.get(orientation, (1, 1))
    return pages[:, ::rows, ::columns]
