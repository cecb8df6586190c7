"""Outlines become filled regions: some sets mark a structure by the line around it (HC18's fetal heads)."""

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError

MIN_INSIDE = 0.5
"""Share of a region that must lie in its outline's convex hull to count as inside."""

MIN_ENCLOSED = 0.1
"""Share of the hull that the regions inside must fill: the holes of a ragged line do not make it an outline."""


def fill_outlines(outline: NDArray[np.bool_], name: str) -> NDArray[np.bool_]:
    """Return the outlines of a page (h, w) with what they enclose.

    An outline may be cut off by the image's border: the border then closes it. Of the 4-connected regions an outline
    parts the image into, those lie inside of which more than half is in the outline's convex hull. An outline drawn
    with small gaps is closed first (3 x 3).

    Raises CaseError for an outline that encloses nothing, or of which the border cuts off so much that its inside
    cannot be told.
    """
    import cv2

    closed = cv2.morphologyEx(
        cv2.copyMakeBorder(outline.view(np.uint8), 2, 2, 2, 2, cv2.BORDER_CONSTANT),
        cv2.MORPH_CLOSE,
        np.ones((3, 3), np.uint8),
    )[2:-2, 2:-2]
    count, lines = cv2.connectedComponents(closed, connectivity=8)
    filled = closed.astype(bool)
    for line in range(1, count):
        points = np.argwhere(lines == line)[:, ::-1].astype(np.int32)
        hull = np.zeros(outline.shape, np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
        regions = cv2.connectedComponents((lines != line).astype(np.uint8), connectivity=4)[1]
        sizes = np.bincount(regions.ravel())
        in_hull = np.bincount(regions.ravel(), weights=hull.ravel())
        inside = in_hull > MIN_INSIDE * sizes
        inside[0] = False  # the line itself
        # an open outline leaves one region, in the hull or not, and perhaps holes within a ragged line
        if inside[1:].all() or in_hull[inside].sum() <= MIN_ENCLOSED * in_hull[1:].sum():
            raise CaseError(
                Reason.LABELS,
                f"{name}: an outline of {len(points)} pixels encloses nothing; close it or exclude the case",
            )
        filled |= inside[regions]
    return filled
