"""Pictures: PNG, JPEG, TIFF and BMP; 8-bit ones as they are, deeper ones windowed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.imaging.orientation import UPRIGHT
from curate.imaging.window import Window
from predict.engines.engine import BinaryMask
from predict.errors import CaseFault, InputError
from predict.inputs.case import PromptedCase, modality_of
from predict.inputs.case_file import CaseFile
from predict.inputs.complete import with_boxes, with_hints, with_truth
from predict.inputs.input_options import InputOptions
from predict.inputs.kinds import LABEL_PICTURES
from predict.inputs.label_files import read_label_picture
from predict.inputs.reading import read_image, to_8bit
from predict.notes import Note, NoteKind
from predict.prompts.checks import size_of
from predict.prompts.tables import NO_BOXES, NamedBoxes


@dataclass(frozen=True)
class Picture8Bit:
    """A picture as it is displayed.

    pixels: (H, W) or (H, W, 3), RGB.
    orientation: The EXIF orientation that was applied; 1: none.
    unknown: Pixels without a finite intensity; None: none.
    """

    pixels: NDArray[np.uint8]
    orientation: int = UPRIGHT
    unknown: BinaryMask | None = None


class PictureFile(CaseFile):
    """A picture whose objects are in a file of boxes or points, or in a folder of masks."""

    @property
    def target(self) -> Path:
        """A PNG file of the same name."""
        return Path(f"{self.stem}.png")

    def read(self) -> PromptedCase:
        """Read and check the case.

        Raises:
            InputError: it cannot be used.
        """
        options = self.options
        picture = read_picture(self.path, options.window)
        shape = picture.pixels.shape[:2]
        known = options.boxes.get(self.name, NO_BOXES)
        if options.whole:
            known = NamedBoxes(np.array([[0, 0, shape[1] - 1, shape[0] - 1]], np.float64), ("",))
        if known.boxes.shape[1] != 4:
            raise InputError(CaseFault.BOX_FORM, "its boxes have a z range; those of a picture are x0, y0, x1, y1")
        reference = None if options.truth is None else options.truth.find(self.stem, LABEL_PICTURES)
        case = PromptedCase(
            self.name,
            picture.pixels,
            known.boxes,
            modality_of(self.name),
            names=known.names if any(known.names) else (),
            truth=None if reference is None else read_label_picture(reference, shape, picture.orientation),
            unknown=picture.unknown,
            notes=_notes(picture, options),
        )
        case = with_truth(with_boxes(case, options), options)
        return with_hints(case, options, self.path, self.stem, picture.orientation)


def read_picture(path: Path, window: Window) -> Picture8Bit:
    """Return a picture, upright and in 8 bits.

    Raises:
        InputError: it cannot be read, has several pages, or shows nothing in this window.
    """
    image = read_image(path)
    volume = image.volume
    if not volume.flat:
        pages = f"it has {volume.shape[0]} pages"
        raise InputError(CaseFault.CHANNELS, f"{pages}: save it as NIfTI, NRRD or MetaImage, or as single pictures")
    voxels = volume.voxels if volume.palette is None else volume.palette[volume.voxels]
    pixels = to_8bit(window, voxels, image.unknown)[0]
    unknown = None if image.unknown is None else image.unknown[0].reshape(*pixels.shape[:2], -1)
    missing = None if unknown is None else np.logical_or.reduce(unknown, axis=-1)
    return Picture8Bit(np.ascontiguousarray(pixels), volume.orientation, missing)


def _notes(picture: Picture8Bit, options: InputOptions) -> tuple[Note, ...]:
    notes = []
    if picture.orientation != UPRIGHT:
        text = (
            f"turned upright by its EXIF orientation ({picture.orientation}): boxes and mask count in the displayed "
            f"picture of {size_of(picture.pixels.shape[:2])} pixels"
        )
        notes.append(Note(NoteKind.UPRIGHT, text))
    if picture.unknown is not None:
        count = int(picture.unknown.sum())
        text = f"{count} of {picture.unknown.size} pixels are NaN or infinite; they belong to no object"
        if options.strict:
            raise InputError(CaseFault.NOT_FINITE, text)
        notes.append(Note(NoteKind.NOT_FINITE, text, count))
    return tuple(notes)
