"""Pictures: PNG, JPEG, TIFF and BMP, 8-bit as they are, deeper ones windowed."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.errors import MedcorpusError
from curate.imaging.window import Window, apply_window, window_bounds
from curate.readers import read
from predict.errors import CaseError
from predict.inputs.case import MOST_BYTES, Case, modality_of
from predict.inputs.kinds import stem_of
from predict.inputs.label_files import find_label, read_label_picture
from predict.inputs.request import Request, with_hints, with_truth
from predict.prompts.checks import check_boxes


@dataclass(frozen=True)
class Picture:
    """A picture with objects that a file of boxes or points, or a folder of masks, tells."""

    path: Path
    request: Request = field(default_factory=Request)

    @property
    def name(self) -> str:
        """The file's name without suffix."""
        return stem_of(self.path)

    @property
    def target(self) -> Path:
        """A PNG file of that name."""
        return Path(f"{self.name}.png")

    def read(self) -> Case:
        """Read and check the case; raises CaseError where it cannot be used."""
        pixels = read_picture(self.path, self.request.window)
        shape = pixels.shape[:2]
        known = self.request.boxes.get(self.name)
        boxes, names = (np.empty((0, 4)), ()) if known is None else (known.boxes, known.names)
        if boxes.shape[1] != 4:
            raise CaseError("its boxes have a z range; those of a picture are x0, y0, x1, y1")
        labels = None if self.request.truth is None else find_label(self.request.truth, self.path)
        truth = None if labels is None else read_label_picture(labels, shape)
        case = Case(self.name, pixels, boxes, modality_of(self.name), names=names if any(names) else (), truth=truth)
        case = with_hints(with_truth(case, self.request), self.request, self.path)
        check_boxes(case.boxes, shape)
        return case


def read_picture(path: Path, window: Window) -> NDArray[np.uint8]:
    """Return a picture (H, W) or (H, W, 3), RGB, 8-bit.

    Raises:
        CaseError: it cannot be read, has several pages, or shows nothing in this window.
    """
    try:
        volume = read(path, limit=MOST_BYTES)
        if not volume.flat:
            raise CaseError(
                f"it has {volume.shape[0]} pages: save it as NIfTI, NRRD or MetaImage, or as single pictures"
            )
        voxels = volume.voxels if volume.palette is None else volume.palette[volume.voxels]
        pixels = apply_window(voxels, *window_bounds(window, voxels))
    except CaseError:
        raise
    except MedcorpusError as error:
        raise CaseError(str(error)) from error
    return np.ascontiguousarray(pixels[0])
