"""`one_hot`: one 4D or multi-channel file, each label one or more of its channels, counted from 0."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.labels.base import Decoded, Encoding, LabelFile
from curate.labels.values import CHANNELS

if TYPE_CHECKING:
    from curate.imaging.volume import Volume
    from curate.recipe.resolved import Group


def decode(group: "Group", files: Sequence[LabelFile], image: "Volume") -> Decoded:
    """Return one layer a label: where one of its channels is foreground; channels may overlap."""
    import numpy as np

    from curate.labels.foreground import binary_layer, foreground_of
    from curate.labels.placement import Placements

    placements = Placements(group, image)
    layers = []
    for file in files:
        for label in group.labels:
            foreground = np.zeros(image.shape, np.bool_)
            for volume in file.read_channels([int(channel) for channel in label.values]):  # type: ignore[arg-type]
                foreground |= foreground_of(placements.place(volume, file.name), group.threshold, file.name)
            layers.append(binary_layer(foreground, label.id))
    return placements.decoded(layers)


ENCODING = Encoding(
    "one_hot",
    "one 4D or multi-channel file, each label one or more of its channels, counted from 0",
    decode,
    values=CHANNELS,
    keys=frozenset({"threshold"}),
)
