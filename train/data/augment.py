"""Apply an augmentation table to an image, its mask and its box."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from catalog.errors import DataError
from train.data.augmentations import Augmentation

Image = NDArray[np.float32]
Amounts = NDArray[np.float32]
Grid = TypeVar("Grid", NDArray[np.float32], NDArray[np.uint8], Tensor)


class Symmetry(NamedTuple):
    """A flip left to right, then a flip top to bottom, then quarter turns against the clock."""

    flip_x: int = 0
    flip_y: int = 0
    turns: int = 0


def _contrast(image: Image, amount: Amounts, rng: np.random.Generator) -> Image:
    mean = image.mean()
    return (image - mean) * (1 + amount[0]) + mean


def _window(image: Image, amount: Amounts, rng: np.random.Generator) -> Image:
    low, high = amount[0], 1 - amount[1]
    return (image - low) / max(high - low, 0.05)


def _saturation(image: Image, amount: Amounts, rng: np.random.Generator) -> Image:
    grey = image.mean(0, keepdims=True)
    return grey + (image - grey) * (1 + amount[0])


def _tint(image: Image, amount: Amounts, rng: np.random.Generator) -> Image:
    # A grey image stays grey: no scanner gives a coloured slice.
    return image * (1 + amount[:, None, None]) if np.ptp(image, axis=0).any() else image


def _blur(image: Image, amount: Amounts, rng: np.random.Generator) -> Image:
    if not amount[0]:
        return image
    return np.stack([np.asarray(cv2.GaussianBlur(one, (0, 0), float(amount[0])), np.float32) for one in image])


PIXELS: Mapping[str, Callable[[Image, Amounts, np.random.Generator], Image]] = MappingProxyType(
    {
        "brightness": lambda image, amount, rng: image + amount[0],
        "contrast": _contrast,
        "gamma": lambda image, amount, rng: image ** np.exp2(amount[0]),
        "window": _window,
        "saturation": _saturation,
        "tint": _tint,
        "invert": lambda image, amount, rng: image + amount[0] * (1 - 2 * image),
        "blend": lambda image, amount, rng: image + amount[0] * (image[:, ::-1, ::-1] - image),
        "blur": _blur,
        "noise": lambda image, amount, rng: image + amount[0] * rng.standard_normal(image.shape[1:], np.float32),
    }
)
"""Changes of an image (3, h, w) in [0, 1]; an amount of 0 changes nothing. Each gets three amounts: `tint` uses one a
channel, `window` the first for its lower and the second for its upper end, the others the first. `blend` mixes the
image with itself turned by 180 degrees; `blur` takes its standard deviation in pixels."""
GRID = ("flip_x", "flip_y", "turn")
"""Changes of the square; `turn` draws a whole number of quarter turns from `low` to `high`."""
CROP = "crop"
"""Keeps a part of the image, whose edges are about `low` to `high` of the image's longer edge."""
LEAST_CROP = 64
"""Pixels: what is smaller shows its own pixels as squares."""
BOX = ("box_jitter", "box_widen", "box_random")
"""`box_jitter` moves each side outwards by a whole number of pixels from `low` to `high`, `box_widen` by a share of the
box's width or height, inwards where it is negative. `box_random` replaces the box by any other one."""


def check_table(table: Sequence[Augmentation]) -> None:
    """Raise DataError for an unknown entry, or one whose numbers make no sense."""
    names = (*PIXELS, *GRID, CROP, *BOX)
    for entry in table:
        if entry.name not in names:
            raise DataError(f"unknown augmentation {entry.name!r}; known: {', '.join(names)}")
        if not 0 <= entry.probability <= 1 or not entry.low <= entry.high:
            raise DataError(f"{entry}: `probability` must be from 0 to 1 and `low` at most `high`")
        if entry.name == "box_jitter" and entry.low < 0:
            raise DataError(f"{entry}: box_jitter moves outwards only, by 0 pixels or more")
        if entry.name == "box_widen" and entry.low <= -0.5:
            raise DataError(f"{entry}: box_widen must keep a part of the box: `low` must be above -0.5")
        if entry.name == CROP and not 0 < entry.low <= entry.high <= 1:
            raise DataError(f"{entry}: crop keeps a part from above 0 to 1")


def draw_crop(
    table: Sequence[Augmentation], height: int, width: int, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1, half open: the part of an image to keep, close to a square where the image allows it."""
    x0, y0, x1, y1 = 0, 0, width, height
    for entry in table:
        if entry.name == CROP and rng.random() < entry.probability:
            edge = max(height, width) * rng.uniform(entry.low, entry.high)
            stretch = np.exp2(rng.uniform(-0.25, 0.25))
            tall = min(height, max(LEAST_CROP, round(edge * stretch)))
            wide = min(width, max(LEAST_CROP, round(edge / stretch)))
            y0, x0 = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
            x1, y1 = x0 + wide, y0 + tall
    return x0, y0, x1, y1


def change_pixels(image: Image, table: Sequence[Augmentation], rng: np.random.Generator) -> Image:
    """Return an image (3, h, w) in [0, 1] after the table's changes of pixels, clipped to [0, 1]."""
    for entry in table:
        if entry.name in PIXELS and rng.random() < entry.probability:
            amounts = rng.uniform(entry.low, entry.high, 3).astype(np.float32)
            image = np.clip(PIXELS[entry.name](image, amounts, rng), 0, 1, dtype=np.float32)
    return image


def draw_symmetry(table: Sequence[Augmentation], rng: np.random.Generator) -> Symmetry:
    """Return the flips and turns that come up."""
    drawn = Symmetry()
    for entry in table:
        if entry.name in GRID and rng.random() < entry.probability:
            if entry.name == "turn":
                drawn = drawn._replace(turns=int(rng.integers(int(entry.low), int(entry.high) + 1)) % 4)
            else:
                drawn = drawn._replace(**{entry.name: 1})
    return drawn


def apply_symmetry(grid: Grid, symmetry: Symmetry) -> Grid:
    """Flip and turn the last two axes of an image, a mask or an embedding, an array or a tensor."""
    if isinstance(grid, Tensor):
        axes = [axis for axis, flipped in ((-1, symmetry.flip_x), (-2, symmetry.flip_y)) if flipped]
        return grid.flip(axes).rot90(symmetry.turns, (-2, -1))
    if symmetry.flip_x:
        grid = grid[..., ::-1]
    if symmetry.flip_y:
        grid = grid[..., ::-1, :]
    return np.ascontiguousarray(np.rot90(grid, symmetry.turns, (-2, -1)))


def move_box(box: NDArray[np.int64], symmetry: Symmetry, size: int) -> NDArray[np.int64]:
    """Return where x0, y0, x1, y1 (first and last pixels) lie after the symmetry of a square of `size`."""
    x, y, last = box[[0, 2]], box[[1, 3]], size - 1
    if symmetry.flip_x:
        x = last - x
    if symmetry.flip_y:
        y = last - y
    for _ in range(symmetry.turns):
        x, y = y, last - x
    return np.array([x.min(), y.min(), x.max(), y.max()])


def change_box(
    box: NDArray[np.int64], table: Sequence[Augmentation], rng: np.random.Generator, inside: NDArray[np.int64]
) -> tuple[NDArray[np.int64], bool]:
    """Return x0, y0, x1, y1 after the table's changes, and whether it still is a box of the same object.

    It is not where `box_random` replaced it by another one. All boxes are first and last pixels; the new one stays
    inside the image, which is `inside` the model's square.
    """
    for entry in table:
        if entry.name not in BOX or not rng.random() < entry.probability:
            continue
        if entry.name == "box_random":
            return draw_box(rng, inside), False
        if entry.name == "box_jitter":
            moved = rng.integers(int(entry.low), int(entry.high) + 1, 4)
        else:
            sides = np.tile(box[2:] - box[:2] + 1, 2)
            moved = np.rint(rng.uniform(entry.low, entry.high, 4) * sides).astype(np.int64)
        box = np.clip(box + moved * [-1, -1, 1, 1], np.tile(inside[:2], 2), np.tile(inside[2:], 2))
    return box, True


def draw_box(rng: np.random.Generator, inside: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a random box inside another one: each side from 4 % to all of it, drawn uniformly by its logarithm."""
    whole = inside[2:] - inside[:2] + 1
    sides = np.maximum(1, np.rint(whole * np.exp(rng.uniform(np.log(0.04), 0, 2)))).astype(np.int64)
    low = inside[:2] + rng.integers(0, whole - sides + 1)
    return np.concatenate([low, low + sides - 1])
