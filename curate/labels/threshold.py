"""`threshold`: one file, the one label where the value is >= threshold (JPEG or interpolated masks)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.labels.base import HALF_OF_8_BITS, Decoded, Encoding, LabelFile

if TYPE_CHECKING:
    from curate.imaging.volume import Volume
    from curate.masks.select import Layer
    from curate.recipe.resolved import Group


def decode(group: "Group", files: Sequence[LabelFile], image: "Volume") -> Decoded:
    """Return one layer a file."""
    from curate.labels.foreground import binary_layer, foreground_of
    from curate.labels.placement import decode_each

    def layers(label: "Volume", name: str) -> "list[Layer]":
        return [binary_layer(foreground_of(label, group.threshold, name), group.labels[0].id)]

    return decode_each(group, files, image, layers)


ENCODING = Encoding(
    "threshold",
    "one file, the one label where the value is >= threshold (JPEG or interpolated masks)",
    decode,
    keys=frozenset({"threshold"}),
    threshold=HALF_OF_8_BITS,
)
