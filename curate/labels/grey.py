"""`grey`: one file, each label one or more grey levels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.labels.base import Decoded, Encoding, LabelFile
from curate.labels.values import GREY_LEVELS

if TYPE_CHECKING:
    from curate.imaging.volume import Volume
    from curate.masks.select import Layer
    from curate.recipe.resolved import Group


def decode(group: "Group", files: Sequence[LabelFile], image: "Volume") -> Decoded:
    """Return the layers of grey pictures; a level within `tolerance` of a listed one counts as that one."""
    import numpy as np

    from curate.labels.integers import (
        expanded,
        integer_values,
        known_values,
        layers_of,
        refuse_unknown,
        single_channel,
    )
    from curate.labels.placement import decode_each

    known = known_values(group)
    levels = np.array(sorted(known))
    reach = 65536 if group.nearest else group.tolerance

    def layers(label: "Volume", name: str) -> "list[Layer]":
        values, keys = integer_values(single_channel(expanded(label), name), name)
        nearest = levels[np.abs(keys[:, np.newaxis] - levels).argmin(axis=1)]
        snapped = np.where(np.abs(keys - nearest) <= reach, nearest, keys)
        refuse_unknown(values, snapped, known, name)
        return layers_of(values, snapped, group.labels)

    return decode_each(group, files, image, layers)


ENCODING = Encoding(
    "grey",
    "one file, each label one or more grey levels",
    decode,
    values=GREY_LEVELS,
    keys=frozenset({"ignore", "tolerance", "nearest"}),
)
