"""Scans: NIfTI, NRRD and MetaImage, windowed as `curate` does and cut axially, whatever the order of their voxels."""

from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.errors import MedcorpusError
from curate.imaging.volume import Volume, frame_of
from curate.imaging.window import Window, apply_window, window_bounds
from curate.readers import read, read_header
from predict.errors import CaseError
from predict.inputs.case import MOST_BYTES, Case, modality_of
from predict.inputs.kinds import stem_of
from predict.inputs.label_files import find_label, read_label_scan
from predict.inputs.request import Request, with_hints, with_truth
from predict.inputs.scan_geometry import Scan
from predict.prompts.checks import check_boxes


@dataclass(frozen=True)
class ScanFile:
    """A volume in space, with boxes in its own voxel indices i, j, k."""

    path: Path
    request: Request = field(default_factory=Request)

    @property
    def name(self) -> str:
        """The file's name without suffix."""
        return stem_of(self.path)

    @property
    def target(self) -> Path:
        """A NIfTI file of that name."""
        return Path(f"{self.name}.nii.gz")

    def read(self) -> Case:
        """Read and check the case; raises CaseError where it cannot be used."""
        pixels, scan = read_scan(self.path, self.request.window)
        known = self.request.boxes.get(self.name)
        boxes, names = (np.empty((0, 6)), ()) if known is None else (known.boxes, known.names)
        if boxes.shape[1] != 6:
            raise CaseError("its boxes lack z0 and z1; those of a volume are x0, y0, z0, x1, y1, z1")
        check_boxes(boxes, scan.shape, scan.axial)
        labels = None if self.request.truth is None else find_label(self.request.truth, self.path)
        case = Case(
            self.name,
            pixels,
            scan.boxes_to_frame(boxes),
            modality_of(self.name),
            names=names if any(names) else (),
            spacing=_spacing(scan),
            truth=None if labels is None else read_label_scan(labels, scan),
            scan=scan,
        )
        return with_hints(with_truth(case, self.request), self.request, self.path)


def read_scan(path: Path, window: Window) -> tuple[NDArray[np.uint8], Scan]:
    """Return 8-bit slices (z, y, x), from head to feet, row 0 in front, column 0 on the patient's right.

    Raises:
        CaseError: it cannot be read, has no place in space, or shows nothing in this window.
    """
    try:
        if (volumes := prod(read_header(path).shape[3:])) > 1:
            raise CaseError(f"it holds {volumes} volumes or channels: save one of them as a file")
        volume = read(path, limit=MOST_BYTES)
        if volume.affine is None:
            raise CaseError("nothing says how it lies in space: save it as NIfTI, NRRD or MetaImage")
        scan = Scan(volume.shape, volume.affine, frame_of(volume.affine))
        if window.kind == "minmax_slice":
            slices = scan.to_frame(volume.voxels)
            return np.stack([_windowed(one, volume, window) for one in slices]), scan
        return scan.to_frame(_windowed(volume.voxels, volume, window)), scan
    except CaseError:
        raise
    except MedcorpusError as error:
        raise CaseError(str(error)) from error


def _windowed(voxels: NDArray[Any], volume: Volume, window: Window) -> NDArray[np.uint8]:
    if window.kind == "minmax_slice" and voxels.min() == voxels.max():
        return np.zeros(voxels.shape, np.uint8)  # air above the head: such a slice ends no case
    low, high = window_bounds(window, voxels, volume.slope, volume.intercept)
    return apply_window(voxels, low, high, volume.slope, volume.intercept)


def _spacing(scan: Scan) -> tuple[float, ...]:
    steps = scan.frame.spacing
    assert steps is not None
    assert steps[0] is not None
    return steps[0], steps[1], steps[2]
