"""`outline`: one file with closed outlines of the one label, which are filled."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.labels.base import HALF_OF_8_BITS, Decoded, Encoding, LabelFile

if TYPE_CHECKING:
    from curate.imaging.volume import Volume
    from curate.masks.select import Layer
    from curate.recipe.resolved import Group


def decode(group: "Group", files: Sequence[LabelFile], image: "Volume") -> Decoded:
    """Return one layer a file, its outlines filled page by page."""
    import numpy as np

    from curate.labels.fill import fill_outlines
    from curate.labels.foreground import binary_layer, foreground_of
    from curate.labels.placement import decode_each

    def layers(label: "Volume", name: str) -> "list[Layer]":
        pages = foreground_of(label, group.threshold, name)
        return [binary_layer(np.stack([fill_outlines(page, name) for page in pages]), group.labels[0].id)]

    return decode_each(group, files, image, layers)


ENCODING = Encoding(
    "outline",
    "one file with closed outlines of the one label, which are filled",
    decode,
    keys=frozenset({"threshold"}),
    threshold=HALF_OF_8_BITS,
)
