"""The 14 cases that the challenge's papers time, with content made from a corpus.

Sizes and numbers of objects are those of the efficiency table in the papers of "Segment Anything in Medical Images on
Laptop"; the pictures are not: a volume is a real stack of slices, stretched to the size, an image is one real image or
a mosaic of several, and the boxes are those of the corpus's masks. `share` is the part of the slices that an object
goes through. It is estimated from the baseline's published seconds (Lu et al. 2025, doi:10.1007/978-3-031-81854-7_9),
which are those of its slices and boxes: at half a second for each and 3 s beside, 3DBox_CT_0566 with its 591 s has
1,176 of them, which is 0.68 of the slices in each of its 6 boxes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog.corpus import Corpus
from catalog.pixels import PixelReader

COLUMNS = (
    *("dataset", "case", "sequence", "slice", "label", "image", "image_index"),
    *("x0", "y0", "x1", "y1", "area", "height", "width"),
)


@dataclass(frozen=True)
class Timed:
    """One of the cases: (D, H, W) or (H, W), its objects, the catalog's word for its modality."""

    name: str
    modality: str
    shape: tuple[int, ...]
    objects: int
    share: float = 1.0

    @property
    def is_volume(self) -> bool:
        """True where it has slices."""
        return len(self.shape) == 3


CASES = (
    Timed("3DBox_CT_0566", "CT", (287, 512, 512), 6, 0.68),
    Timed("3DBox_CT_0888", "CT", (237, 512, 512), 6, 0.23),
    Timed("3DBox_CT_0860", "CT", (246, 512, 512), 1, 0.17),
    Timed("3DBox_MR_0621", "MR", (115, 400, 400), 6, 0.70),
    Timed("3DBox_MR_0121", "MR", (64, 290, 320), 6, 0.86),
    Timed("3DBox_MR_0179", "MR", (84, 512, 512), 1, 0.46),
    Timed("3DBox_PET_0001", "PET", (264, 200, 200), 1, 0.09),
    Timed("2DBox_US_0525", "Ultrasound", (256, 256), 1),
    Timed("2DBox_X-Ray_0053", "X-ray", (320, 640), 34),
    Timed("2DBox_Dermoscopy_0003", "Dermoscopy", (3024, 4032), 1),
    Timed("2DBox_Endoscopy_0086", "Endoscopy", (480, 560), 1),
    Timed("2DBox_Fundus_0003", "Fundus", (2048, 2048), 1),
    Timed("2DBox_Microscope_0008", "Microscopy", (1536, 2040), 19),
    Timed("2DBox_Microscope_0016", "Microscopy", (1920, 2560), 241),
)


def quick(timed: Timed, part: int = 8) -> Timed:
    """Return the case with each object's slices cut to a part."""
    return replace(timed, share=timed.share / part)


def make_case(timed: Timed, corpus: Corpus, path: Path) -> None:
    """Write a case as the challenge's .npz.

    Raises:
        ValueError: the corpus holds too little of the modality.
    """
    where = (pc.field("modality") == timed.modality) & pc.field("mask").is_valid()
    where &= (pc.field("axis") == "z") if timed.is_volume else pc.field("axis").is_null()
    batches = list(corpus.batches(COLUMNS, where))
    rows = [row for batch in batches for row in batch.to_pylist()]
    make = _volume if timed.is_volume else _image
    pixels, boxes = make(timed, rows, PixelReader(corpus.root))
    np.savez_compressed(path, imgs=pixels, boxes=boxes, spacing=np.ones(3))


Rows = list[dict[str, Any]]
Made = tuple[NDArray[np.uint8], NDArray[np.int64]]


def _groups(rows: Rows, *keys: str) -> list[Rows]:
    groups: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return list(groups.values())


# ---- volumes ----


def _volume(timed: Timed, rows: Rows, reader: PixelReader) -> Made:
    """The longest stack of slices that holds objects enough, stretched linearly along z as in the plane."""
    depth, height, width = timed.shape
    stacks = [
        stack
        for stack in _groups(rows, "dataset", "case", "sequence")
        if len({row["label"] for row in stack}) >= timed.objects
    ]
    if not stacks:
        raise ValueError(f"{timed.name}: no {timed.modality} case of the corpus has {timed.objects} labels")
    stack = max(stacks, key=lambda stack: len({row["slice"] for row in stack}))
    slices = sorted(_groups(stack, "slice"), key=lambda rows: rows[0]["slice"])
    planes = [_resized(reader.image(rows[0]["image"], rows[0]["image_index"]), height, width) for rows in slices]

    pixels = np.empty(timed.shape, np.uint8)
    for z, place in enumerate(np.linspace(0, len(planes) - 1, depth)):
        below, part = int(place), place % 1
        cv2.addWeighted(planes[below], 1 - part, planes[min(below + 1, len(planes) - 1)], part, 0, dst=pixels[z])
    scale = (depth - 1) / max(1, len(planes) - 1)
    order = {rows[0]["slice"]: number for number, rows in enumerate(slices)}
    objects = [_track(masks, order, scale, timed) for masks in _groups(stack, "label")]
    objects.sort(key=lambda box: abs((box[5] - box[2] + 1) / depth - timed.share))
    return pixels, np.array([_shortened(box, timed) for box in objects[: timed.objects]])


def _track(masks: Rows, order: dict[int, int], scale: float, timed: Timed) -> list[int]:
    """x, y of the largest mask of a label on its middle slice, z of all its masks."""
    numbers = sorted({order[row["slice"]] for row in masks})
    middle = min(numbers, key=lambda number: abs(2 * number - numbers[0] - numbers[-1]))
    largest = max((row for row in masks if order[row["slice"]] == middle), key=lambda row: row["area"])
    x0, y0, x1, y1 = _box(largest, *timed.shape[1:])
    return [x0, y0, round(numbers[0] * scale), x1, y1, round(numbers[-1] * scale)]


def _shortened(box: list[int], timed: Timed) -> list[int]:
    """The box with no more slices, about its middle, than the case's objects have."""
    x0, y0, z0, x1, y1, z1 = box
    spare = max(0, z1 - z0 + 1 - max(2, round(timed.share * timed.shape[0])))
    return [x0, y0, z0 + spare // 2, x1, y1, z1 - (spare - spare // 2)]


# ---- images ----


def _image(timed: Timed, rows: Rows, reader: PixelReader) -> Made:
    """As few images of the set with the most masks as hold boxes enough, in a mosaic."""
    if len(rows) < timed.objects:
        raise ValueError(f"{timed.name}: the corpus has {len(rows)} masks of {timed.modality}")
    dataset = max(_groups(rows, "dataset"), key=len)
    random = np.random.default_rng(20240523)
    images = _groups(dataset, "image", "image_index")
    images = [images[number] for number in random.permutation(len(images))]
    height, width = timed.shape
    grid = next(grid for grid in _grids(height, width) if _masks(images, grid) >= timed.objects)
    edges = [np.linspace(0, length, count + 1).astype(int) for length, count in zip(timed.shape, grid, strict=True)]
    pixels, boxes = np.empty((height, width, 3), np.uint8), []
    for number, masks in enumerate(images[: grid[0] * grid[1]]):
        (y0, y1), (x0, x1) = (edges[axis][place : place + 2] for axis, place in enumerate(divmod(number, grid[1])))
        tile = _resized(reader.image(masks[0]["image"], masks[0]["image_index"]), y1 - y0, x1 - x0)
        pixels[y0:y1, x0:x1] = tile if tile.ndim == 3 else tile[..., None]
        boxes += [_box(mask, y1 - y0, x1 - x0) + np.array([x0, y0, x0, y0]) for mask in masks]
    chosen = sorted(random.choice(len(boxes), timed.objects, replace=False))
    return pixels, np.array(boxes)[chosen]


def _grids(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Rows and columns of near-square tiles, ever more of them."""
    for rows in range(1, height):
        yield rows, max(1, round(rows * width / height))


def _masks(images: list[Rows], grid: tuple[int, int]) -> int:
    count = grid[0] * grid[1]
    return sum(map(len, images[:count])) if count <= len(images) else 0


# ---- both ----


def _resized(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    shrinks = pixels.shape[0] * pixels.shape[1] > height * width
    resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


def _box(row: dict[str, Any], height: int, width: int) -> NDArray[np.int64]:
    """First and last pixel of a mask, x and y, where its image is resized to (height, width); never empty."""
    across, down = width / row["width"], height / row["height"]
    x0, y0 = min(int(row["x0"] * across), width - 2), min(int(row["y0"] * down), height - 2)
    x1, y1 = max(x0 + 1, int(row["x1"] * across) - 1), max(y0 + 1, int(row["y1"] * down) - 1)
    return np.array([x0, y0, x1, y1])
