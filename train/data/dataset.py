"""Images, masks and boxes for training, read straight from a corpus in any of its stores."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from catalog.errors import DataError, MedcorpusError
from catalog.pixels import PixelReader
from catalog.samples import Samples
from train.data.augment import Symmetry, change_box, check_table, draw_box
from train.data.augmentations import Augmentation
from train.data.sampling import Draw
from train.data.views import HASH, MASK_SIZE, draw_view, numbered_view


class Item(NamedTuple):
    """One mask with its image; a batch of them has one more axis in front of each."""

    image: Tensor
    """(3, S, S) float32 in [0, 1], zero-padded."""
    mask: Tensor
    """(1, 256, 256) float32 of 0 and 1; zeros where it is not `known`."""
    box: Tensor
    """(4,) float32: x0, y0, x1, y1, first and last pixels in the square of S."""
    known: Tensor
    """bool: the mask is what the box asks for; False for a random box, and where the view shows nothing of the mask."""
    row: Tensor
    """int64: the mask's row in the samples."""
    view: Tensor
    """int64: the number of the view, 0 where views are not numbered."""
    symmetry: Tensor
    """(3,) int64: the Symmetry applied to the image, the mask and the box; an embedding can follow it."""


class MaskDataset(Dataset[Item]):
    """The masks of some samples: a Draw gives one, augmented by its own seed.

    Args:
        samples: The masks; loaded with the column `image_hash` where `views` is set.
        table: The augmentations; none: the image as it is, the box tight.
        size: S, the edge of the model's image, `preset.image_size`.
        views: An image has so many numbered views, and a draw picks one; 0: each draw makes a view of its own.

    Raises:
        DataError: an augmentation is not known.
    """

    def __init__(self, samples: Samples, table: Sequence[Augmentation] = (), size: int = 256, views: int = 0) -> None:
        check_table(table)
        self.samples = samples
        self._table = tuple(table)
        self._size = size
        self._views = views
        self._reader = PixelReader(samples.root)

    def __len__(self) -> int:
        return self.samples.masks

    def __getitem__(self, draw: Draw) -> Item:
        """Return the mask of a draw.

        Raises:
            CatalogError: its pixels are missing or damaged.
            DataError: the mask has another size than its image.
        """
        rng = np.random.default_rng(draw.seed)
        place = self.samples.place(draw.row)
        pixels = self._reader.image(place.image, place.image_index)
        mask = self._reader.mask(place.mask, place.mask_index, place.image_index)
        if mask.shape != pixels.shape[:2]:
            raise DataError(
                f"{place.mask} is {mask.shape}, its image {place.image} {pixels.shape[:2]}: curate its dataset again"
            )
        number = 0
        if self._views:
            number = int(rng.integers(self._views))
            key = self.samples.table[HASH][draw.row].as_py()
            view = numbered_view(pixels, self._table, self._size, key, number)
        else:
            view = draw_view(pixels, self._table, self._size, rng)
        shown = view.mask(mask)
        if shown is None:
            small, box, known = np.zeros((MASK_SIZE, MASK_SIZE), np.uint8), draw_box(rng, view.inside), False
        else:
            small, box = shown
            box, known = change_box(box, self._table, rng, view.inside)
        return Item(
            torch.from_numpy(view.image),
            torch.from_numpy(small * np.uint8(known))[None].float(),
            torch.from_numpy(box).float(),
            torch.tensor(known),
            torch.tensor(draw.row),
            torch.tensor(number),
            torch.tensor(view.symmetry),
        )

    def __getitems__(self, draws: Sequence[Draw]) -> list[Item] | MedcorpusError:
        # A worker's exception reaches the main process as a traceback in a string; a value arrives as it is.
        try:
            return [self[draw] for draw in draws]
        except MedcorpusError as error:
            return error


def make_loader(
    dataset: MaskDataset, sampler: Sampler[Draw], batch: int, workers: int = 0, *, pinned: bool = False
) -> "DataLoader[Item]":
    """Return a loader of whole and last, smaller batches; iterate over it by `batches`.

    With workers, OpenCV is set to one thread in this process and so in all of them.
    """
    if workers:
        # A forked worker would wait for ever for the threads of OpenCV's pool, which fork does not copy.
        cv2.setNumThreads(1)
    return DataLoader(
        dataset,
        batch_size=batch,
        sampler=sampler,
        num_workers=workers,
        collate_fn=_collate,
        persistent_workers=workers > 0,
        pin_memory=pinned,
    )


def batches(loader: "DataLoader[Item]") -> Iterator[Item]:
    """Yield batches; raise a worker's error as the error it was, with its one message."""
    for batch in loader:
        if isinstance(batch, MedcorpusError):
            raise batch
        yield batch


def as_symmetry(row: Tensor) -> Symmetry:
    """Return one row of a batch's `symmetry` as what `apply_symmetry` takes."""
    flip_x, flip_y, turns = row.tolist()
    return Symmetry(flip_x, flip_y, turns)


def _collate(items: Any) -> Any:
    return items if isinstance(items, MedcorpusError) else default_collate(items)
