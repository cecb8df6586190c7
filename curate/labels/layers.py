"""Label files of any encoding become layers: values on the image's grid, and the class of each value.

Every encoding ends in the same form, so that nothing behind this file knows how a source stored its labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.imaging.resample import align
from curate.imaging.volume import Volume
from curate.labels.encodings import DECODERS, foreground_of
from curate.masks.select import Layer
from curate.recipe.resolved import Group


@dataclass(frozen=True)
class LabelFile:
    """One label file of a case: the word its name has for `{label}` or `{instance}` ('' for others) and its content."""

    word: str
    name: str
    read: Callable[[], Volume]


@dataclass(frozen=True)
class Labels:
    """The layers of a case, and whether any label lay on another grid than the image."""

    layers: tuple[Layer, ...]
    resampled: bool


def read_labels(group: Group, files: Sequence[LabelFile], image: Volume) -> Labels:
    """Return the layers of `files` on the grid of `image`.

    Raises CaseError for values that the recipe does not know (each with its number of voxels), for labels that are no
    integers, and for files that do not lie on the image.
    """
    if group.encoding == "files":
        return _one_file_a_label(group, files, image)
    if group.encoding == "instance_files":
        return _one_file_an_instance(group, files, image)
    layers: list[Layer] = []
    resampled = False
    for file in files:
        label, moved = _aligned(group, file, image)
        layers += DECODERS[group.encoding](group, label, file.name)
        resampled |= moved
    return Labels(tuple(layers), resampled)


def _aligned(group: Group, file: LabelFile, image: Volume) -> tuple[Volume, bool]:
    label = file.read()
    aligned = align(label, image, by_index=group.geometry == "index")
    return Volume(
        aligned.voxels, image.affine, label.slope, label.intercept, label.flat, label.palette
    ), aligned.resampled


def _one_file_a_label(group: Group, files: Sequence[LabelFile], image: Volume) -> Labels:
    """Pack labels into as few layers as their overlaps allow; a region of several files has a layer of its own."""
    packed: list[NDArray[np.uint16]] = []
    regions: dict[int, NDArray[np.uint16]] = {}
    resampled = False
    for file in files:
        users = [one for one in group.labels if file.word in one.values]
        if not users:
            continue
        label, moved = _aligned(group, file, image)
        resampled |= moved
        foreground = foreground_of(group, label)
        if not foreground.any():
            continue
        for one in users:
            if len(one.values) > 1:
                regions.setdefault(one.id, np.zeros(image.shape, np.uint16))[foreground] = one.id
            else:
                _place(packed, foreground, one.id)
    classes = np.arange(len(group.labels) + 1, dtype=np.int32)
    return Labels(tuple(Layer(voxels, classes) for voxels in (*packed, *regions.values())), resampled)


def _one_file_an_instance(group: Group, files: Sequence[LabelFile], image: Volume) -> Labels:
    packed: list[NDArray[np.uint16]] = []
    resampled = False
    for number, file in enumerate(files, start=1):
        label, moved = _aligned(group, file, image)
        resampled |= moved
        _place(packed, foreground_of(group, label), number)
    classes = np.full(len(files) + 1, group.labels[0].id, np.int32)
    classes[0] = 0
    return Labels(tuple(Layer(voxels, classes, by_value=True) for voxels in packed), resampled)


def _place(packed: list[NDArray[np.uint16]], foreground: NDArray[np.bool_], value: int) -> None:
    """Write `value` into the first layer that has nothing there."""
    for voxels in packed:
        if not voxels[foreground].any():
            voxels[foreground] = value
            return
    voxels = np.zeros(foreground.shape, np.uint16)
    voxels[foreground] = value
    packed.append(voxels)
