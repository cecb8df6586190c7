"""Masks given slice by slice, packed into few layers: segments and regions overlap at will."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from curate.labels.integers import layers_of
from curate.masks.select import Layer
from curate.recipe.resolved import Label

Planes = Mapping[int, NDArray[np.bool_]]
"""Index of a slice to its mask (rows, columns)."""


@dataclass
class PlanePacker:
    """Packs masks into as few arrays as overlaps allow; each mask has a value of its own, counted from 1."""

    shape: tuple[int, int, int]
    arrays: list[NDArray[np.uint16]] = field(default_factory=list)
    _array_of: list[int] = field(default_factory=list)
    _values: dict[int, list[int]] = field(default_factory=dict)
    _labels: dict[int, Label] = field(default_factory=dict)

    def add(self, planes: Planes, labels: list[Label]) -> None:
        """Add a mask that belongs to these labels; one without foreground adds nothing."""
        planes = {place: plane for place, plane in planes.items() if plane.any()}
        if not planes or not labels:
            return
        index = next(
            (n for n, array in enumerate(self.arrays) if not any(array[k][p].any() for k, p in planes.items())),
            len(self.arrays),
        )
        if index == len(self.arrays):
            self.arrays.append(np.zeros(self.shape, np.uint16))
        value = self._new_value(index, labels)
        for place, plane in planes.items():
            self.arrays[index][place][plane] = value

    def add_values(self, voxels: NDArray[np.uint16], labels: Mapping[int, list[Label]]) -> None:
        """Add an array of masks that do not overlap; `labels` has those of each of its values."""
        table = np.zeros(int(voxels.max(initial=0)) + 1, np.uint16)
        for value, owners in labels.items():
            if owners and value < len(table):
                table[value] = self._new_value(len(self.arrays), owners)
        self.arrays.append(table[voxels])

    def layers(self) -> list[Layer]:
        """Return the layers: of each label, all of its masks in one."""
        keys = np.arange(len(self._array_of) + 1)
        found: list[Layer] = []
        spread = []
        for index, array in enumerate(self.arrays):
            here = []
            for number, values in self._values.items():
                arrays = {self._array_of[value - 1] for value in values}
                if arrays == {index}:
                    here.append(replace(self._labels[number], values=tuple(values)))
                elif index == min(arrays):
                    spread.append(number)
            found += layers_of(array, keys, here) if here else []
        return found + [self._union(number) for number in spread]

    def _new_value(self, index: int, labels: list[Label]) -> int:
        self._array_of.append(index)
        value = len(self._array_of)
        for label in labels:
            self._labels[label.id] = label
            self._values.setdefault(label.id, []).append(value)
        return value

    def _union(self, number: int) -> Layer:
        """Return the layer of a label whose masks overlap each other."""
        union = np.zeros(self.shape, np.uint8)
        for value in self._values[number]:
            union[self.arrays[self._array_of[value - 1]] == value] = 1
        return Layer(union, np.array([0, number], np.int32))
