"""DICOM SEG: the frames of each segment with their places (DICOM PS3.3 A.51 and C.8.20)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.dicom.data_set import DicomError, File, read_file
from curate.dicom.frames import Frame, FunctionalGroups, frames_of
from curate.dicom.instance import segments_of
from curate.dicom.pixels import PixelForm, form_of, read_frames
from curate.labels.named import Named

LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"


@dataclass(frozen=True)
class Segmentation:
    """A SEG file that was read whole.

    `kind` is BINARY, FRACTIONAL or LABELMAP; `numbers` holds the segment of each frame, 0 for all of a labelmap;
    `greatest` is the value of a pixel that is wholly inside, of a fractional one; `step` is the distance of its slices
    in mm as the file says it.
    """

    file: File
    form: PixelForm
    kind: str
    segments: tuple[Named, ...]
    frames: tuple[Frame, ...]
    numbers: tuple[int, ...]
    greatest: int
    step: float | None

    def frames_of_segment(self, number: int) -> list[int]:
        """Return the frames that hold a segment: all of a labelmap, possibly none."""
        if self.kind == "LABELMAP":
            return list(range(len(self.frames)))
        return [frame for frame, segment in enumerate(self.numbers) if segment == number]

    def masks(self, frames: Sequence[int], threshold: float) -> Iterator[NDArray[np.bool_]]:
        """Yield the masks of frames; of a fractional one, where at least `threshold` of a pixel is inside."""
        least = threshold * self.greatest if self.kind == "FRACTIONAL" else 1
        for values in self.values(frames):
            yield values >= least

    def values(self, frames: Sequence[int]) -> Iterator[NDArray[Any]]:
        """Yield the pixels of frames as they are stored; raises DicomError where they cannot be decoded."""
        yield from read_frames(self.file, frames)


def read_segmentation(path: Path, limit: int) -> Segmentation:
    """Return a SEG; raises DicomError where it is damaged, or is none, OSError where it cannot be read."""
    file = read_file(path, whole=True, limit=limit)
    segments = segments_of(file)
    sop_class = file.text("SOPClassUID")
    kind = "LABELMAP" if sop_class == LABELMAP else file.text("SegmentationType").upper()
    if not segments or kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise DicomError("it is not a DICOM segmentation (SEG)")
    form = form_of(file)
    frames = frames_of(file)
    groups = FunctionalGroups(file)
    if not groups.per_frame or len(frames) != form.frames:
        raise DicomError(f"it has {form.frames} frames and places for {len(groups.per_frame)}")
    only = segments[0].number if len(segments) == 1 else 0
    numbers = tuple(
        groups.of(frame.number, "SegmentIdentificationSequence").integer("ReferencedSegmentNumber", only)
        for frame in frames
    )
    if kind != "LABELMAP" and 0 in numbers:
        raise DicomError(f"frame {numbers.index(0) + 1} names no segment")
    greatest = file.integer("MaximumFractionalValue", 255)
    measures = groups.of(0, "PixelMeasuresSequence")
    step = measures.number("SpacingBetweenSlices") or measures.number("SliceThickness")
    return Segmentation(file, form, kind, tuple(segments), frames, numbers, max(1, greatest), step)
