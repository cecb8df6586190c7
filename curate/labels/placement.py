"""Label volumes on the grid of their image, and overlapping masks packed into few layers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from curate.imaging.resample import align
from curate.imaging.volume import Volume
from curate.labels.base import Decoded, LabelFile
from curate.labels.orientation import turned_like
from curate.masks.select import Layer
from curate.recipe.resolved import Group


@dataclass
class Placements:
    """The label files of a case, placed one after another on the grid of its image; sums up what was learned."""

    group: Group
    image: Volume
    resampled: bool = False
    kept_mm3: float = 0.0
    lost_mm3: float = 0.0
    notes: list[str] = field(default_factory=list)

    def on_grid(self, file: LabelFile) -> Volume:
        """Return a label file on the image's grid; raises CaseError where it cannot be read or placed."""
        return self.place(file.read(), file.name)

    def place(self, label: Volume, name: str) -> Volume:
        """Return a label volume on the image's grid; raises CaseError, naming the file, where it cannot be placed."""
        label, note = turned_like(label, self.image, name)
        self.notes += [note] if note else []
        aligned = align(label, self.image, name, by_index=self.group.geometry == "index")
        self.resampled |= aligned.resampled
        self.kept_mm3 += aligned.kept
        self.lost_mm3 += aligned.lost
        self.notes += aligned.notes
        return replace(label, voxels=aligned.voxels, affine=self.image.affine)

    def decoded(self, layers: Iterable[Layer]) -> Decoded:
        """Return the layers with what was learned while they were placed."""
        notes = tuple(dict.fromkeys(self.notes))
        return Decoded(tuple(layers), self.resampled, self.kept_mm3, self.lost_mm3, notes)


def decode_each(
    group: Group, files: Sequence[LabelFile], image: Volume, layers: Callable[[Volume, str], list[Layer]]
) -> Decoded:
    """Return the layers of each file; `layers` makes them from a placed volume and the file's name."""
    placements = Placements(group, image)
    found = [layer for file in files for layer in layers(placements.on_grid(file), file.name)]
    return placements.decoded(found)


def first_free(packed: list[NDArray[np.uint16]], foreground: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Return the first array that is 0 all over `foreground`; a new one is added to `packed` where none is."""
    for voxels in packed:
        if not voxels[foreground].any():
            return voxels
    packed.append(np.zeros(foreground.shape, np.uint16))
    return packed[-1]
