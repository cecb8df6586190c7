"""Pictures to look at: boxes, points and masks drawn over the image, or over a few slices of a volume."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.report.contact_sheet import label_colours
from predict.engines.engine import LabelArray
from predict.inputs.case import PromptedCase

EDGE = 1024
"""Longer edge of the picture of an image, and width of a row of tiles of a volume."""
COLUMNS = 3
TILES = 6
FILL = 0.3
DOT = 4
GREY = (90, 90, 90)


def draw_overlay(case: PromptedCase, segs: LabelArray) -> NDArray[np.uint8]:
    """Return a picture (h, w, 3), RGB: an image, or up to six slices evenly over the z range of a volume's boxes."""
    palette = _palette(len(case.boxes))
    if not case.is_volume:
        boxed = np.flatnonzero(~np.isnan(case.boxes.astype(np.float64)).any(1))
        return _draw(case.pixels, segs, case.boxes, boxed, palette, EDGE, case.points)
    first = case.boxes[:, 2].astype(np.int64)
    last = np.minimum(case.boxes[:, 5].astype(np.int64), case.shape[0] - 1)
    low, high = int(first.min()), int(last.max())
    # the middle of equal parts: at the ends of a box there is little of its organ to see
    count = min(TILES, high - low + 1)
    chosen = low + (2 * np.arange(count) + 1) * (high - low + 1) // (2 * count)
    tiles = []
    for z in chosen:
        inside = np.flatnonzero((first <= z) & (z <= last))
        tile = _draw(case.pixels[z], segs[z], case.boxes[:, [0, 1, 3, 4]], inside, palette, EDGE // COLUMNS)
        cv2.putText(
            tile,
            f"z {case.geometry.slice_number(int(z)) if case.geometry else z}",
            (5, 16),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.45,
            (255, 255, 255),
            1,
            cv2.LINE_AA,
        )
        tiles.append(cv2.copyMakeBorder(tile, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=GREY))
    columns = min(COLUMNS, count)
    blank = [np.full_like(tiles[0], GREY[0])] * (-count % columns)
    tiles += blank
    return np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])


def _palette(boxes: int) -> NDArray[np.uint8]:
    """Return the colour of each label, RGB; row 0 is the background."""
    colours = label_colours(f"{i:05d}" for i in range(boxes))
    return np.array([(0, 0, 0), *colours.values()], np.uint8)


def _draw(
    pixels: NDArray[np.uint8],
    segs: LabelArray,
    boxes: NDArray[Any],
    numbers: NDArray[np.int64],
    palette: NDArray[np.uint8],
    edge: int,
    points: NDArray[np.float64] | None = None,
) -> NDArray[np.uint8]:
    """Draw masks, and the boxes (N, 4) with these `numbers`, over one image; points outside an object are rings."""
    height, width = segs.shape
    scale = edge / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture: Any = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    labels: Any = cv2.resize(segs, size, interpolation=cv2.INTER_NEAREST)
    masked = labels > 0
    colours = palette[labels]
    picture[masked] = ((1 - FILL) * picture[masked] + FILL * colours[masked]).astype(np.uint8)
    cross: Any = np.ones((3, 3), np.uint8)
    outline = masked & (cv2.erode(labels, cross) != labels)
    picture[outline] = colours[outline]
    for number in numbers:
        x0, y0, x1, y1 = (round(float(coordinate) * scale) for coordinate in boxes[number])
        cv2.rectangle(picture, (x0, y0), (x1, y1), palette[number + 1].tolist(), 1)
    for owner, x, y, inside in () if points is None else points.tolist():
        place = round((x + 0.5) * scale), round((y + 0.5) * scale)
        cv2.circle(picture, place, DOT, palette[int(owner)].tolist(), cv2.FILLED if inside else 1)
    drawn: NDArray[np.uint8] = picture
    return drawn
