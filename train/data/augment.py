"""What a table of augmentations does to an image, its mask and its box."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeVar

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


def _contrast(image: Image, amount: Amounts) -> Image:
    mean = image.mean()
    return (image - mean) * (1 + amount[0]) + mean


def _saturation(image: Image, amount: Amounts) -> Image:
    grey = image.mean(0, keepdims=True)
    return grey + (image - grey) * (1 + amount[0])


def _tint(image: Image, amount: Amounts) -> Image:
    # A grey image stays one: no scanner gives a coloured slice.
    return image * (1 + amount[:, None, None]) if np.ptp(image, axis=0).any() else image


PIXELS: Mapping[str, Callable[[Image, Amounts], Image]] = MappingProxyType(
    {
        "brightness": lambda image, amount: image + amount[0],
        "contrast": _contrast,
        "gamma": lambda image, amount: image ** np.exp2(amount[0]),
        "saturation": _saturation,
        "tint": _tint,
    }
)
"""Changes of an image (3, h, w) in [0, 1]; 0 changes nothing. They get three amounts, `tint` uses one a channel."""
GRID = ("flip_x", "flip_y", "turn")
"""Changes of the square; `turn` draws a whole number of quarter turns from `low` to `high`."""
BOX = ("box_jitter",)
"""Each side of the box moves outwards by a whole number of pixels from `low` to `high`."""


def check_table(table: Sequence[Augmentation]) -> None:
    """Raise DataError for an entry that is not known, or whose numbers make no sense."""
    names = (*PIXELS, *GRID, *BOX)
    for entry in table:
        if entry.name not in names:
            raise DataError(f"no augmentation is called {entry.name!r}: there are {', '.join(names)}")
        if not 0 <= entry.probability <= 1 or not entry.low <= entry.high:
            raise DataError(f"{entry}: the probability lies between 0 and 1, and `low` is at most `high`")
        if entry.name in BOX and entry.low < 0:
            raise DataError(f"{entry}: a box is moved outwards only, by 0 pixels or more")


def change_pixels(image: Image, table: Sequence[Augmentation], rng: np.random.Generator) -> Image:
    """Return an image (3, h, w) in [0, 1] after the table's changes of pixels, clipped to [0, 1]."""
    for entry in table:
        if entry.name in PIXELS and rng.random() < entry.probability:
            amounts = rng.uniform(entry.low, entry.high, 3).astype(np.float32)
            image = np.clip(PIXELS[entry.name](image, amounts), 0, 1, dtype=np.float32)
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


def jitter_box(
    box: NDArray[np.int64], table: Sequence[Augmentation], rng: np.random.Generator, size: int
) -> NDArray[np.int64]:
    """Return x0, y0, x1, y1 with each side moved outwards, not past the square of `size`."""
    for entry in table:
        if entry.name in BOX and rng.random() < entry.probability:
            moved = rng.integers(int(entry.low), int(entry.high) + 1, 4)
            box = np.clip(box + moved * [-1, -1, 1, 1], 0, size - 1)
    return box
