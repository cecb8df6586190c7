"""Images, masks and boxes for training, read straight from a corpus in any of its stores."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from catalog.errors import DataError, MedcorpusError
from catalog.pixels import PixelReader
from catalog.resize import resize_mask
from catalog.samples import Samples
from predict.prepare import Fit, fit_to, prepare_boxes, prepare_pixels
from train.data.augment import (
    Symmetry,
    apply_symmetry,
    change_pixels,
    check_table,
    draw_symmetry,
    jitter_box,
    move_box,
)
from train.data.augmentations import Augmentation
from train.data.sampling import Draw

MASK_SIZE = 256
"""Of the masks, as of the decoder's logits, whatever the size of the image."""


class Item(NamedTuple):
    """One mask with its image; a batch of them has one more axis in front of each."""

    image: Tensor
    """(3, S, S) float32 in [0, 1], zero-padded."""
    mask: Tensor
    """(1, 256, 256) float32 of 0 and 1."""
    box: Tensor
    """(4,) float32: x0, y0, x1, y1, first and last pixels in the square of S."""
    row: Tensor
    """int64: the mask's row in the samples."""
    symmetry: Tensor
    """(3,) int64: the Symmetry that the image, the mask and the box went through; an embedding can follow it."""


class MaskDataset(Dataset[Item]):
    """The masks of some samples: a Draw gives one, augmented by its own seed.

    Args:
        samples: What is read.
        table: The augmentations; none: the image as it is, the box tight.
        size: S, the edge of the model's image, `preset.image_size`.

    Raises:
        DataError: an augmentation is not known.
    """

    def __init__(self, samples: Samples, table: Sequence[Augmentation] = (), size: int = 256) -> None:
        check_table(table)
        self.samples = samples
        self._table = tuple(table)
        self._size = size
        self._reader = PixelReader(samples.root)

    def __len__(self) -> int:
        return self.samples.masks

    def __getitem__(self, draw: Draw) -> Item:
        """Return the mask of a draw.

        Raises:
            CatalogError: its pixels are missing or damaged.
            DataError: the mask is of another size than its image.
        """
        rng = np.random.default_rng(draw.seed)
        place = self.samples.place(draw.row)
        pixels = self._reader.image(place.image, place.image_index)
        mask = self._reader.mask(place.mask, place.mask_index, place.image_index)
        if mask.shape != pixels.shape[:2]:
            raise DataError(
                f"{place.mask} is {mask.shape}, its image {place.image} {pixels.shape[:2]}: curate its data set again"
            )
        height, width = mask.shape
        fit = fit_to(height, width, self._size)
        image = prepare_pixels(pixels, fit)
        inside = image[:, : fit.rows, : fit.columns]
        inside[:] = change_pixels(inside, self._table, rng)
        x0, y0, x1, y1 = place.box
        box = prepare_boxes(np.array([[x0, y0, x1 - 1, y1 - 1]]), fit)[0]
        symmetry = draw_symmetry(self._table, rng)
        box = jitter_box(move_box(box, symmetry, self._size), self._table, rng, self._size)
        small = prepare_mask(mask, fit_to(height, width, MASK_SIZE))
        return Item(
            torch.from_numpy(apply_symmetry(image, symmetry)),
            torch.from_numpy(apply_symmetry(small, symmetry)[None]).float(),
            torch.from_numpy(box).float(),
            torch.tensor(draw.row),
            torch.tensor(symmetry),
        )

    def __getitems__(self, draws: Sequence[Draw]) -> list[Item] | MedcorpusError:
        # A worker's exception reaches the main process as a traceback in a string; a value arrives as it is.
        try:
            return [self[draw] for draw in draws]
        except MedcorpusError as error:
            return error


def prepare_mask(mask: NDArray[np.uint8], fit: Fit) -> NDArray[np.uint8]:
    """Return a mask (H, W) as (S, S) of 0 and 1: resized by area (see `resize_mask`), then zero-padded."""
    padded = np.zeros((fit.size, fit.size), np.uint8)
    padded[: fit.rows, : fit.columns] = resize_mask(mask, fit.rows, fit.columns)
    return padded


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
