"""`rgb`: one file, each label one or more colours."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from curate.labels.base import Decoded, Encoding, LabelFile
from curate.labels.values import COLORS

if TYPE_CHECKING:
    from curate.imaging.volume import Volume
    from curate.masks.select import Layer
    from curate.recipe.resolved import Group


def decode(group: "Group", files: Sequence[LabelFile], image: "Volume") -> Decoded:
    """Return the layers of colour pictures.

    A colour within `tolerance` of a listed one counts as that one; with `nearest` every colour counts as the nearest
    listed one, and a note gives the number of pixels beyond the tolerance.
    """
    from curate.labels.colors import palette_of, snap_to_palette
    from curate.labels.placement import decode_each

    palette = palette_of(group)
    notes: list[str] = []

    def layers(label: "Volume", name: str) -> "list[Layer]":
        return snap_to_palette(label, name, group, palette, notes)

    decoded = decode_each(group, files, image, layers)
    return replace(decoded, notes=(*decoded.notes, *notes))


ENCODING = Encoding(
    "rgb",
    "one file, each label one or more colours",
    decode,
    values=COLORS,
    keys=frozenset({"ignore", "tolerance", "nearest"}),
)
