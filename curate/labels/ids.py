"""`ids`: one file, each label one or more integer ids."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.labels.base import Decoded, Encoding, LabelFile
from curate.labels.values import IDS

if TYPE_CHECKING:
    from curate.imaging.volume import Volume
    from curate.masks.select import Layer
    from curate.recipe.resolved import Group


def decode(group: "Group", files: Sequence[LabelFile], image: "Volume") -> Decoded:
    """Return the layers of label maps; regions that share ids are in different layers."""
    from curate.labels.integers import integer_values, known_values, layers_of, refuse_unknown, single_channel
    from curate.labels.placement import decode_each

    def layers(label: "Volume", name: str) -> "list[Layer]":
        values, keys = integer_values(single_channel(label, name), name)
        refuse_unknown(values, keys, known_values(group), name)
        return layers_of(values, keys, group.labels)

    return decode_each(group, files, image, layers)


ENCODING = Encoding(
    "ids", "one file, each label one or more integer ids", decode, values=IDS, keys=frozenset({"ignore"})
)
