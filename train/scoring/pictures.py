"""The worst and the median image of each modality as one picture: mask, prediction and box of each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from catalog.pixels import PixelReader
from catalog.report.pictures import write_picture
from catalog.resize import resize_mask
from catalog.samples import Samples
from predict.engines.engine import Engine
from train.scoring.evaluate import CaseScore, Engines, Evaluation, segment
from train.scoring.references import Asking, Reference, read_reference

WORST = "worst.png"

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

TRUTH: Colour = (90, 230, 90)
FOUND: Colour = (255, 90, 200)
BOX: Colour = (250, 220, 80)
TEXT: Colour = (215, 215, 215)
BACKGROUND: Colour = (18, 18, 20)
TILE = 320
LINE = 16
FONT_SIZE = 13
GAP = 8
AROUND = 0.25
"""Of the boxes' extent, so much is shown around them."""
LEAST = 48
"""A picture shows at least so many pixels across: what is smaller cannot be recognised."""


def worst_and_median(evaluation: Evaluation, model: str, modality: str) -> tuple[CaseScore, ...]:
    """Return a model's worst and its median case of a modality by DSC; the one case where there is no other.

    Of an even number the lower of the two in the middle is the median; cases of one DSC go by name.
    """
    cases = [one for one in evaluation.cases if one.model == model and one.modality == modality]
    cases.sort(key=lambda case: (case.dsc, case.name))
    return tuple(dict.fromkeys((cases[0], cases[(len(cases) - 1) // 2]))) if cases else ()


def write_worst(folder: Path, evaluation: Evaluation, samples: Samples, engines: Engines, asking: Asking) -> None:
    """Write what `draw_worst` draws as worst.png into a folder.

    Raises:
        OutputError: the disk is full, or the folder must not be written to.
        CatalogError: as `draw_worst`.
    """
    write_picture(folder / WORST, draw_worst(evaluation, samples, engines, asking))


def draw_worst(evaluation: Evaluation, samples: Samples, engines: Engines, asking: Asking) -> Picture:
    """Return a picture (h, w, 3), RGB: a row a modality, for each model its worst and its median case.

    The images are segmented once more, with the boxes that they were scored with.

    Raises:
        CatalogError: pixels are missing or damaged.
    """
    modalities = sorted({case.modality for case in evaluation.cases})
    chosen = {
        (modality, model): worst_and_median(evaluation, model, modality)
        for modality in modalities
        for model in evaluation.models
    }
    wanted = {case.name for cases in chosen.values() for case in cases}
    reader = PixelReader(samples.root)
    references = {name: read_reference(reader, samples, evaluation.images[name], asking) for name in wanted}
    height, width = TILE + 2 * LINE + GAP, TILE + GAP
    top = 2 * LINE + GAP
    shape = top + len(modalities) * height, 2 * len(evaluation.models) * width + GAP, 3
    sheet = np.full(shape, BACKGROUND, np.uint8)
    captions: list[tuple[int, int, str]] = []
    for row, modality in enumerate(modalities):
        for number, model in enumerate(evaluation.models):
            for place, case in enumerate(chosen[modality, model]):
                y, x = top + row * height, GAP + (2 * number + place) * width
                tile = draw_case(references[case.name], engines[model])
                inset = (TILE - tile.shape[1]) // 2
                sheet[y : y + tile.shape[0], x + inset : x + inset + tile.shape[1]] = tile
                what = "worst" if place == 0 and len(chosen[modality, model]) > 1 else "median"
                told = f"{modality}, {what}: DSC {case.dsc:.3f}, NSD {case.nsd:.3f}"
                captions += [(x, y + TILE + 1, told), (x, y + TILE + LINE + 1, case.name)]
    return _written(sheet, captions, evaluation.models, width)


def draw_case(reference: Reference, engine: Engine[Any], tile: int = TILE) -> Picture:
    """Return the part of an image around its boxes, RGB, the longer edge `tile` pixels: boxes, masks, predictions."""
    x0, y0, x1, y1 = _view(reference)
    scale = tile / max(x1 - x0, y1 - y0)
    size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    cut = reference.pixels[y0:y1, x0:x1]
    picture: Any = cv2.resize(cut, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    found = segment(engine, reference.pixels, reference.boxes)
    for truth, box, mask in zip(reference.truths, reference.boxes.tolist(), found, strict=True):
        corners = (np.add(box, [-x0, -y0, 1 - x0, 1 - y0]) * scale).round().astype(int).tolist()
        cv2.rectangle(picture, corners[:2], [corners[2] - 1, corners[3] - 1], BOX, 1)
        for one, colour in ((truth.mask, TRUTH), (mask, FOUND)):
            resized = resize_mask(one[y0:y1, x0:x1], size[1], size[0]).view(np.uint8)
            outlines, _ = cv2.findContours(resized, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(picture, outlines, -1, colour, 1)
    drawn: Picture = picture
    return drawn


def _view(reference: Reference) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1, half open: the boxes with something around them, as near to a square as the image is."""
    height, width = reference.pixels.shape[:2]
    low, high = reference.boxes[:, :2].min(0), reference.boxes[:, 2:].max(0) + 1
    edge = max(LEAST, int((high - low).max() * (1 + 2 * AROUND)))
    starts, ends = [], []
    for middle, whole in zip((low + high) // 2, (width, height), strict=True):
        start = max(0, min(int(middle) - edge // 2, whole - edge))
        starts.append(start)
        ends.append(min(whole, start + edge))
    return starts[0], starts[1], ends[0], ends[1]


def _written(sheet: Picture, captions: Sequence[tuple[int, int, str]], models: Sequence[str], width: int) -> Picture:
    canvas = Image.fromarray(sheet)
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(FONT_SIZE)
    x = GAP
    for text, colour in (("mask", TRUTH), ("prediction", FOUND), ("box", BOX)):
        pen.text((x, GAP // 2), text, colour, font)
        x += int(font.getlength(f"{text}   "))
    for number, model in enumerate(models):
        pen.text((GAP + 2 * number * width, LINE + GAP // 2), model, TEXT, font)
    for left, top, text in captions:
        pen.text((left, top), _fitted(text, font), TEXT, font)
    return np.asarray(canvas)


def _fitted(text: str, font: Any) -> str:
    """Return the text, its front left out where it is too long for a tile."""
    while font.getlength(text) > TILE:
        text = f"…{text[2:]}" if text.startswith("…") else f"…{text[1:]}"
    return text
