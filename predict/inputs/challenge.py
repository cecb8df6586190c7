"""Cases as the challenge "Segment Anything in Medical Images on Laptop" hands them out: one .npz each.

`imgs` holds 8-bit pixels, `boxes` one box in each row: x0, y0, x1, y1 on an image and x0, y0, z0, x1, y1, z1 in a
volume, whose slice z1 is inside. A file is called `2DBox_<modality>_<id>.npz` or `3DBox_<modality>_<id>.npz`. The
reference labels `gts`, and `spacing`, mm along x, y, z, are read where a case is scored: from the file itself, or from
one of the same name in the folder --truth. Boxes can be made from `gts` too.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predict.errors import CaseFault, InputError
from predict.inputs.case import PromptedCase, modality_of
from predict.inputs.case_file import CaseFile
from predict.inputs.complete import with_boxes, with_hints, with_truth
from predict.inputs.kinds import CHALLENGE
from predict.inputs.npz import read_arrays
from predict.notes import Note, NoteKind
from predict.prompts.forms import as_boxes, as_pixels

NO_SPACING = Note(NoteKind.NO_SPACING, "there is no key spacing: its NSD counts in voxels, not in mm")


class ChallengeFile(CaseFile):
    """A case of the challenge."""

    @property
    def target(self) -> Path:
        """A file of the same name."""
        return Path(f"{self.stem}.npz")

    def read(self) -> PromptedCase:
        """Read and check the case.

        Raises:
            InputError: the file is damaged, lacks a key, or its pixels or boxes are not what they must be.
        """
        options = self.options
        if self.name in options.boxes:
            message = "it has boxes of its own, and the file of boxes names it too: leave it out there"
            raise InputError(CaseFault.PROMPT_TWICE, message)
        given = read_arrays(self.path, ("imgs",) if options.boxes_from_truth else ("imgs", "boxes"))
        reference = self._reference()
        truth = reference.get("gts")
        if options.boxes_from_truth and truth is None:
            raise InputError(CaseFault.NO_REFERENCE, "there are no reference labels (key gts) to take boxes from")
        if "boxes" in given:
            boxes = _boxes(given["boxes"], self.path.name)
        else:
            boxes = np.empty((0, 6 if truth is not None and truth.ndim == 3 else 4), np.int64)
        volume = boxes.shape[1] == 6
        pixels = _to_8bit(as_pixels(given["imgs"], volume, "imgs"))
        scored = volume and options.score
        spacing = _steps(reference.get("spacing")) if scored else None
        notes = (NO_SPACING,) if scored and spacing is None else ()
        case = PromptedCase(self.name, pixels, boxes, modality_of(self.name), spacing=spacing, truth=truth, notes=notes)
        return with_hints(with_truth(with_boxes(case, options), options), options, self.path, self.stem)

    def _reference(self) -> dict[str, NDArray[Any]]:
        """Return `gts` and `spacing` as far as they are needed and there."""
        options = self.options
        if not (options.score or options.boxes_from_truth):
            return {}
        apart = None if options.truth is None else options.truth.find(self.stem, CHALLENGE)
        return read_arrays(self.path if apart is None else apart, (), ("gts", "spacing"))


def _boxes(boxes: NDArray[Any], name: str) -> NDArray[Any]:
    boxes = as_boxes(boxes)
    if not len(boxes):
        raise InputError(CaseFault.NO_PROMPT, "there are no boxes")
    said, numbers = name[:2], boxes.shape[1]
    if said in ("2D", "3D") and said != ("3D" if numbers == 6 else "2D"):
        raise InputError(CaseFault.BOX_FORM, f"its name says {said}, but its boxes have {numbers} numbers each")
    return boxes


def _to_8bit(imgs: NDArray[Any]) -> NDArray[np.uint8]:
    if imgs.dtype == np.uint8:
        return np.ascontiguousarray(imgs)
    advice = "they must be 8-bit, 0 to 255: window them first"
    if imgs.dtype.kind not in "iu":
        raise InputError(CaseFault.RANGE, f"imgs are {imgs.dtype}; {advice}")
    low, high = int(imgs.min()), int(imgs.max())
    if low < 0 or high > 255:
        raise InputError(CaseFault.RANGE, f"imgs run from {low} to {high}; {advice}")
    return imgs.astype(np.uint8, order="C")


def _steps(spacing: NDArray[Any] | None) -> tuple[float, ...] | None:
    """Return mm along z, y, x of a stored x, y, z; None where there is no spacing."""
    if spacing is None:
        return None
    if spacing.shape != (3,) or spacing.dtype.kind not in "iuf" or not (np.isfinite(spacing) & (spacing > 0)).all():
        message = f"spacing is {spacing.tolist()}; it must be three positive numbers, mm along x, y, z"
        raise InputError(CaseFault.GEOMETRY, message)
    return tuple(float(step) for step in spacing[::-1])
