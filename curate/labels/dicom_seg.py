"""`dicom_seg`: DICOM segmentations, each label one or more segments by number, name or coded type."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.labels.base import Decoded, Encoding, LabelFile, Values
from curate.labels.named import read_name_or_number

if TYPE_CHECKING:
    from curate.imaging.volume import Volume
    from curate.recipe.resolved import Group

HALF = 0.5
"""Default threshold of fractional segmentations: the pixels that are inside by half."""


def decode(group: "Group", files: Sequence[LabelFile], image: "Volume") -> Decoded:
    """Return the layers of segments; each frame is placed by its position and directions in the patient."""
    from curate.dicom.guard import reasons
    from curate.dicom.segmentation import read_segmentation
    from curate.labels.placement import Placements
    from curate.labels.planes import PlanePacker
    from curate.labels.segments import add_segments

    placements = Placements(group, image)
    packer = PlanePacker(image.shape)
    for file in files:
        placements.notes += getattr(file.source, "notes", ())
        with reasons(file.name), file.source.local() as path:
            found = read_segmentation(path, file.limit or 1 << 32)
            add_segments(found, file, group, placements, packer)
    return placements.decoded(packer.layers())


ENCODING = Encoding(
    "dicom_seg",
    "DICOM SEG, each label one or more segments by number, name (a regular expression) or code (SCT:10200004)",
    decode,
    values=Values(
        "the number of a segment, a regular expression of its whole name, its code as SCHEME:CODE, or a list of these",
        read_name_or_number,
    ),
    keys=frozenset({"threshold"}),
    threshold=HALF,
    dicom="seg",
)
