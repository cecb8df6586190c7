"""`files`: one file a label, its name holding {label}."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.labels.base import Decoded, Encoding, LabelFile
from curate.labels.values import WORDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.imaging.volume import Volume
    from curate.recipe.resolved import Group


def decode(group: "Group", files: Sequence[LabelFile], image: "Volume") -> Decoded:
    """Return as few layers as the overlaps allow; a region of several files has a layer of its own."""
    import numpy as np

    from curate.labels.foreground import foreground_of
    from curate.labels.placement import Placements, first_free
    from curate.masks.select import Layer

    packed: list[NDArray[np.uint16]] = []
    regions: dict[int, NDArray[np.uint16]] = {}
    placements = Placements(group, image)
    for file in files:
        users = [label for label in group.labels if file.word in label.values]
        if not users:
            continue
        foreground = foreground_of(placements.on_grid(file), group.threshold, file.name)
        for label in users if foreground.any() else ():
            if len(label.values) > 1:
                regions.setdefault(label.id, np.zeros(image.shape, np.uint16))[foreground] = label.id
            else:
                first_free(packed, foreground)[foreground] = label.id
    classes = np.arange(len(group.labels) + 1, dtype=np.int32)
    return placements.decoded(Layer(voxels, classes) for voxels in (*packed, *regions.values()))


ENCODING = Encoding(
    "files",
    "one file a label, its name holding {label}",
    decode,
    values=WORDS,
    placeholder="label",
    by_word=True,
    keys=frozenset({"threshold"}),
)
