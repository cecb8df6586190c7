"""What models are asked when they are scored: images with their masks, and a box around each mask."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from catalog.errors import DataError
from catalog.images import IMAGE_KEY
from catalog.names import image_name, mask_name, modality_token
from catalog.pixels import PixelReader
from catalog.samples import Samples
from predict.prompts.jitter import jittered

COLUMNS = ("label_id", "instance", "spacing_row", "spacing_col")
"""What the samples must be loaded with, beyond what they always hold."""
JITTER = 5
"""Pixels, in the challenge."""


@dataclass(frozen=True)
class Asking:
    """How models are asked.

    Args:
        jitter: Up to so many of 256 pixels each box is wider on every side, see `jittered`; 0: boxes are tight.
        seed: Another number draws other boxes, and other masks.
        masks_per_image: Of an image's masks so many are drawn; None: all.
    """

    jitter: int = JITTER
    seed: int = 0
    masks_per_image: int | None = None


@dataclass(frozen=True)
class Truth:
    """A mask (H, W) as it should be, and which it is."""

    label: str
    instance: int
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Reference:
    """An image (H, W) or (H, W, 3), uint8, with the masks to find and a box (N, 4) around each.

    Boxes are x0, y0, x1, y1 in pixels of the image, first and last ones. `spacing` is mm along rows and columns, None
    where the catalog does not know it.
    """

    name: str
    dataset: str
    patient: str
    modality: str
    pixels: NDArray[np.uint8]
    truths: tuple[Truth, ...]
    boxes: NDArray[np.int64]
    spacing: tuple[float, float] | None


def read_reference(reader: PixelReader, samples: Samples, image: int, asking: Asking) -> Reference:
    """Read an image of some samples, which were loaded with `COLUMNS`, with its masks and their boxes.

    A mask's box and whether it is drawn hang on its name and the seed alone: they are the same for every model and on
    every machine, and whatever else is evaluated.

    Raises:
        CatalogError: pixels are missing or damaged.
        DataError: a mask is empty, or of another size than its image.
    """
    names = (*IMAGE_KEY, "patient", "label", *COLUMNS)
    rows = [int(row) for row in samples.rows(image)]
    found = [{name: samples.table[name][row].as_py() for name in names} for row in rows]
    first = found[0]
    token = modality_token(first["modality"], first["sequence"])
    name = image_name(token, first["dataset"], first["case"], first["axis"], first["slice"])
    keys = [mask_name(name, one["label_id"], one["instance"]) for one in found]
    chosen = _draw(keys, asking)
    places = [samples.place(row) for row in rows]
    pixels = reader.image(places[0].image, places[0].image_index)
    truths, boxes = [], []
    for i in chosen:
        mask = reader.mask(places[i].mask, places[i].mask_index, places[i].image_index)
        if mask.shape != pixels.shape[:2] or not mask.any():
            wrong = "empty" if mask.shape == pixels.shape[:2] else f"{mask.shape}, its image {pixels.shape[:2]}"
            raise DataError(f"the mask {places[i].mask} is {wrong}: curate its data set again")
        truths.append(Truth(found[i]["label"], found[i]["instance"], mask > 0))
        boxes.append(jittered(tight_box(mask)[None], mask.shape, asking.jitter, asking.seed, keys[i])[0])
    spacing = first["spacing_row"], first["spacing_col"]
    return Reference(
        name=name,
        dataset=first["dataset"],
        patient=first["patient"],
        modality=first["modality"],
        pixels=pixels,
        truths=tuple(truths),
        boxes=np.array(boxes, np.int64),
        spacing=None if None in spacing else spacing,
    )


def tight_box(mask: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return x0, y0, x1, y1, the first and last columns and rows of a mask (h, w)."""
    x, y, width, height = cv2.boundingRect(mask)
    return np.array([x, y, x + width - 1, y + height - 1])


def _draw(keys: list[str], asking: Asking) -> Iterator[int]:
    """Yield the numbers of the masks that are asked for, in their order."""
    count = len(keys) if asking.masks_per_image is None else asking.masks_per_image
    drawn = sorted(range(len(keys)), key=lambda i: hashlib.sha256(f"{asking.seed}\0{keys[i]}".encode()).digest())
    yield from sorted(drawn[:count])
