"""A contact sheet: slices of a corpus with the outlines and names of their masks."""

import colorsys
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from catalog.corpus import Corpus
from catalog.errors import CatalogError
from catalog.names import modality_token
from catalog.pixels import PixelReader, Pixels
from catalog.report.pictures import check_picture, write_picture
from catalog.report.sample import SampledImage, sample_images

Colour = tuple[int, int, int]

BACKGROUND: Colour = (18, 18, 20)
TEXT: Colour = (205, 205, 205)
FONT_SIZE = 13
LINE = 17
LABEL_LINES = 3
GAP = 12

GOLDEN = (math.sqrt(5) - 1) / 2
"""Hues at multiples of the golden ratio stay distinct, however many there are."""
LUMA = 0.5


def draw_sheet(corpus: Corpus, out: Path, tiles: int = 24, seed: int = 0, tile: int = 256) -> list[SampledImage]:
    """Draw images of a corpus into a .png, .jpg or .webp file, and return them.

    Pixels are drawn square if the spacing is known. Each label has its own colour. The same corpus and seed give the
    same picture.

    Args:
        corpus: The corpus.
        out: The file.
        tiles: The most images to show.
        seed: Seed of the choice.
        tile: Longer edge of an image in the picture, in pixels.

    Raises:
        CatalogError: Another suffix, the corpus has no masks, or pixels cannot be read.
        OutputError: The file cannot be written.
    """
    check_picture(out)
    images = sample_images(corpus, tiles, seed)
    if not images:
        raise CatalogError(f"{corpus.catalog} has no masks: there is nothing to draw")
    reader = PixelReader(corpus.root)
    colours = label_colours(mask.label for image in images for mask in image.masks)
    columns = min(len(images), math.ceil(math.sqrt(1.5 * len(images))))
    rows = math.ceil(len(images) / columns)
    width, height = tile + GAP, tile + (2 + LABEL_LINES) * LINE + GAP
    sheet = np.full((rows * height + GAP, columns * width + GAP, 3), BACKGROUND, np.uint8)
    for number, image in enumerate(images):
        top, left = number // columns * height + GAP, number % columns * width + GAP
        picture = draw_tile(reader, image, colours, tile)
        y, x = top + (tile - picture.shape[0]) // 2, left + (tile - picture.shape[1]) // 2
        sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    canvas = Image.fromarray(sheet)
    pen = ImageDraw.Draw(canvas)
    for number, image in enumerate(images):
        top, left = number // columns * height + GAP, number % columns * width + GAP
        _write_caption(pen, image, colours, (left, top + tile), tile)
    write_picture(out, np.asarray(canvas))
    return images


def label_colours(labels: Iterable[str]) -> dict[str, Colour]:
    """Return an RGB colour for each label, light enough for thin lines on a dark image.

    Labels that follow each other, as those of one image do, differ most.
    """
    colours = {}
    for i, name in enumerate(dict.fromkeys(labels)):
        rgb = np.array(colorsys.hls_to_rgb(i * GOLDEN % 1, (0.5, 0.62, 0.74)[i % 3], 1.0))
        # Blue and red are dark: white is added until the luma (ITU-R BT.709) is high enough.
        luma = float(rgb @ (0.2126, 0.7152, 0.0722))
        red, green, blue = np.round(255 * (rgb + (1 - rgb) * max(0.0, LUMA - luma) / (1 - luma))).astype(int).tolist()
        colours[name] = red, green, blue
    return colours


def draw_tile(reader: PixelReader, image: SampledImage, colours: Mapping[str, Colour], tile: int) -> Pixels:
    """Return an image with outlined masks, RGB (h, w, 3); its longer edge has `tile` pixels."""
    pixels = reader.image(image.image, image.image_index)
    row, column = image.spacing or (1.0, 1.0)
    extent = pixels.shape[0] * row, pixels.shape[1] * column
    height, width = (max(1, round(tile * edge / max(extent))) for edge in extent)
    shrinks = height * width < pixels.shape[0] * pixels.shape[1]
    picture = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    scale = np.array([width / pixels.shape[1], height / pixels.shape[0]])
    outlines = [
        (_outlines(reader.mask(mask.mask, mask.mask_index, image.image_index), scale), colours[mask.label])
        for mask in image.masks
    ]
    # A dark line below each outline keeps it visible on pixels of its own colour.
    shadow = picture.copy()
    for contours, _ in outlines:
        cv2.polylines(shadow, contours, True, (0, 0, 0), 3, cv2.LINE_AA, _SHIFT)
    picture = cv2.addWeighted(shadow, 0.45, picture, 0.55, 0)
    for contours, colour in outlines:
        cv2.polylines(picture, contours, True, colour, 1, cv2.LINE_AA, _SHIFT)
    return np.asarray(picture, np.uint8)


_SHIFT = 4
"""OpenCV takes points in sixteenths of a pixel (4 fractional bits)."""
_SPOT = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])


def _outlines(mask: Pixels, scale: NDArray[np.float64]) -> list[NDArray[np.int32]]:
    """Return the outer and inner outlines of a mask, scaled by (x, y), in sixteenths of a pixel."""
    outlines = []
    for contour in cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)[0]:
        points = (contour[:, 0] + 0.5) * scale - 0.5
        if np.ptp(points, axis=0).max() < 1:  # OpenCV hardly draws such a short line
            points = points.mean(axis=0) + _SPOT
        outlines.append(np.round(points * (1 << _SHIFT)).astype(np.int32))
    return outlines


def _write_caption(
    pen: ImageDraw.ImageDraw,
    image: SampledImage,
    colours: Mapping[str, Colour],
    corner: tuple[int, int],
    width: int,
) -> None:
    """Write modality, data set, case and plane below a tile, then its labels in their colours."""
    key = image.key
    font = ImageFont.load_default(FONT_SIZE)
    left, top = corner[0], corner[1] + 3
    plane = "2d" if key.axis is None else f"{key.axis}_{key.slice:04d}"
    source = f"{modality_token(key.modality, key.sequence)} · {key.dataset}"
    pen.text((left, top), _shortened(source, width, font), TEXT, font)
    room = width - font.getlength(f" · {plane}")
    pen.text((left, top + LINE), f"{_shortened(key.case, room, font)} · {plane}", TEXT, font)
    names = list(dict.fromkeys(mask.label for mask in image.masks))
    for text, colour, x, line in _wrapped(names, colours, width, font):
        pen.text((left + x, top + (2 + line) * LINE), text, colour, font)


def _wrapped(
    names: list[str], colours: Mapping[str, Colour], width: int, font: Any
) -> list[tuple[str, Colour, float, int]]:
    """Return texts with colour, x and line: as many names as fit, then `+7` if seven more do not."""
    words = [(_shortened(name, width, font), colours[name]) for name in names]
    for shown in range(len(words), -1, -1):
        rest = [(f"+{len(words) - shown}", TEXT)] if shown < len(words) else []
        placed, x, line = [], 0.0, 0
        for text, colour in words[:shown] + rest:
            length = font.getlength(text)
            if x > 0 and x + length > width:
                x, line = 0.0, line + 1
            placed.append((text, colour, x, line))
            x += length + font.getlength("  ")
        if line < LABEL_LINES:
            break
    return placed


def _shortened(text: str, width: float, font: Any) -> str:
    """Return the text, without its middle if it is longer than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    for keep in range(len(text) - 1, 0, -1):
        short = f"{text[: keep // 2]}\u2026{text[-(keep - keep // 2) :]}"
        if font.getlength(short) <= width:
            return short
    return ""
