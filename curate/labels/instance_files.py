"""`instance_files`: one file an object of the one label, its name holding {instance} or *."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.labels.base import Decoded, Encoding, LabelFile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.imaging.volume import Volume
    from curate.recipe.resolved import Group


def decode(group: "Group", files: Sequence[LabelFile], image: "Volume") -> Decoded:
    """Return as few layers as the overlaps allow, in which each value is one object."""
    import numpy as np

    from curate.labels.foreground import foreground_of
    from curate.labels.placement import Placements, first_free
    from curate.masks.select import Layer

    packed: list[NDArray[np.uint16]] = []
    placements = Placements(group, image)
    for number, file in enumerate(files, start=1):
        foreground = foreground_of(placements.on_grid(file), group.threshold, file.name)
        first_free(packed, foreground)[foreground] = number
    classes = np.full(len(files) + 1, group.labels[0].id, np.int32)
    classes[0] = 0
    return placements.decoded(Layer(voxels, classes, by_value=True) for voxels in packed)


ENCODING = Encoding(
    "instance_files",
    "one file an object of the one label, its name holding {instance} or *",
    decode,
    placeholder="instance",
    wild=True,
    keys=frozenset({"threshold"}),
)
