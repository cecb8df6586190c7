"""`instances`: one file, every id one object of the one label."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.labels.base import Decoded, Encoding, LabelFile

if TYPE_CHECKING:
    from curate.imaging.volume import Volume
    from curate.recipe.resolved import Group


def decode(group: "Group", files: Sequence[LabelFile], image: "Volume") -> Decoded:
    """Return layers in which each value is one object; touching objects stay apart."""
    import numpy as np

    from curate.labels.integers import integer_values, single_channel
    from curate.labels.placement import decode_each
    from curate.masks.select import Layer

    def layers(label: "Volume", name: str) -> "list[Layer]":
        values, keys = integer_values(single_channel(label, name), name)
        classes = np.full(len(keys), group.labels[0].id, np.int32)
        classes[np.isin(keys, [0, *group.ignore])] = 0
        return [Layer(values, classes, by_value=True)]

    return decode_each(group, files, image, layers)


ENCODING = Encoding("instances", "one file, every id one object of the one label", decode)
