"""The masks of a case's objects, each whole, whatever covers it."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from predict.engines.engine import BinaryMask, LabelArray, blank_labels
from predict.engines.enlarge import MaskPatch

Order = Literal["smallest", "last"]
"""What is on top where objects overlap: the smaller object, or the one with the greater label."""


class Painted(NamedTuple):
    """A label map, and for each object how many of its pixels are under other objects."""

    labels: LabelArray
    hidden: NDArray[np.int64]


class _Stored(NamedTuple):
    plane: int
    top: int
    left: int
    height: int
    width: int
    bits: NDArray[np.uint8]

    def mask(self) -> BinaryMask:
        flat = np.unpackbits(self.bits, count=self.height * self.width)
        return flat.view(np.bool_).reshape(self.height, self.width)


class ObjectMasks:
    """Masks of `count` objects, packed 8 pixels a byte, as patches of planes.

    Args:
        shape: (H, W) of an image, (D, H, W) of a volume.
        count: Number of objects; object k has the label k + 1.
        unknown: Pixels, of the same shape, that belong to no object, since their intensity is not finite.
    """

    def __init__(self, shape: tuple[int, ...], count: int, unknown: BinaryMask | None = None) -> None:
        self.shape, self.count = shape, count
        self.areas = np.zeros(count, np.int64)
        """Pixels or voxels of each object's mask, hidden ones included."""
        self._unknown = None if unknown is None else _planes(unknown)
        self._patches: list[list[_Stored]] = [[] for _ in range(count)]

    def add(self, number: int, patch: MaskPatch, plane: int = 0) -> None:
        """Add a patch to object `number` (from 0), in slice `plane` of a volume."""
        mask = patch.mask
        height, width = mask.shape
        if self._unknown is not None:
            mask = mask & ~self._unknown[plane, patch.top : patch.top + height, patch.left : patch.left + width]
        area = int(np.count_nonzero(mask))
        if area:
            self.areas[number] += area
            stored = _Stored(plane, patch.top, patch.left, height, width, np.packbits(mask))
            self._patches[number].append(stored)

    def dense(self) -> NDArray[np.bool_]:
        """Return all masks, (N, H, W) or (N, D, H, W)."""
        masks = np.zeros((self.count, *self.shape), np.bool_)
        for number, mask in enumerate(masks):
            for region, stored in self._regions(mask, number):
                region |= stored
        return masks

    def layer(self, number: int) -> LabelArray:
        """Return the label map of one object alone; its label is that of `paint`."""
        labels = blank_labels(self.shape, self.count)
        for region, stored in self._regions(labels, number):
            region[stored] = number + 1
        return labels

    def paint(self, order: Order = "smallest") -> Painted:
        """Return all objects in one label map; of two objects of one size the one with the greater label is on top."""
        labels, hidden = blank_labels(self.shape, self.count), np.zeros(self.count + 1, np.int64)
        numbers = np.arange(self.count) if order == "last" else np.argsort(-self.areas, kind="stable")
        for number in numbers.tolist():
            for region, stored in self._regions(labels, number):
                if region.any():
                    hidden += np.bincount(region[stored], minlength=self.count + 1)
                region[stored] = number + 1
        return Painted(labels, hidden[1:])

    def _regions(self, array: NDArray[Any], number: int) -> Iterator[tuple[NDArray[Any], BinaryMask]]:
        """Yield, for each patch of an object, the view of `array` (a mask or a label map) that it covers, and it."""
        planes = _planes(array)
        for one in self._patches[number]:
            yield planes[one.plane, one.top : one.top + one.height, one.left : one.left + one.width], one.mask()


def _planes(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.ndim == 3 else array[None]
