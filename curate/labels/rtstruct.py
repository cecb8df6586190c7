"""`rtstruct`: DICOM structure sets, each label one or more regions of interest by name."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.labels.base import Decoded, Encoding, LabelFile, Values
from curate.labels.named import labels_of, read_name

if TYPE_CHECKING:
    from curate.imaging.volume import Volume
    from curate.recipe.resolved import Group


def decode(group: "Group", files: Sequence[LabelFile], image: "Volume") -> Decoded:
    """Return the layers of regions, whose contours are filled slice by slice."""
    from curate.dicom.guard import reasons
    from curate.dicom.structure_set import StructureSet
    from curate.labels.contours import ContourFiller
    from curate.labels.planes import PlanePacker

    filler = ContourFiller(image)
    packer = PlanePacker(image.shape)
    notes: list[str] = []
    for file in files:
        notes += getattr(file.source, "notes", ())
        with reasons(file.name), file.source.local() as path:
            found = StructureSet(path, file.limit or 1 << 32)
            for named in found.regions:
                labels = labels_of(named, group.labels)
                if labels:
                    region = found.region(named)
                    packer.add(filler.planes(region), labels)
                    notes += filler.notes(region)
    return Decoded(tuple(packer.layers()), notes=tuple(dict.fromkeys(notes)))


ENCODING = Encoding(
    "rtstruct",
    "DICOM RTSTRUCT, each label one or more regions by name (a regular expression of the whole name)",
    decode,
    values=Values("a regular expression of the whole name of a region, or a list of them", read_name),
    dicom="rtstruct",
)
