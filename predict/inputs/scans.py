"""Scans: NIfTI, NRRD and MetaImage, windowed as `curate` does, in axial slices whatever the order of their voxels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.imaging.volume import Volume
from curate.imaging.window import Window
from predict.engines.engine import BinaryMask
from predict.errors import CaseFault, InputError
from predict.inputs.case import PromptedCase, modality_of
from predict.inputs.case_file import CaseFile
from predict.inputs.complete import with_boxes, with_hints, with_truth
from predict.inputs.headers import file_header
from predict.inputs.kinds import META_IMAGE, NRRD, SCANS, is_of
from predict.inputs.label_files import read_label_scan
from predict.inputs.reading import read_image, to_8bit
from predict.inputs.scan_geometry import ScanGeometry, scan_frame, spacing_of
from predict.notes import Note, NoteKind
from predict.prompts.tables import NO_SCAN_BOXES

SHOWN = 5


class ScanFile(CaseFile):
    """A volume in space, with boxes in its own voxel indices i, j, k."""

    @property
    def target(self) -> Path:
        """A file of the same name and format; NIfTI is always compressed, headers and voxels are one file."""
        suffix = ".mha" if is_of(self.path, META_IMAGE) else ".nrrd" if is_of(self.path, NRRD) else ".nii.gz"
        return Path(f"{self.stem}{suffix}")

    def read(self) -> PromptedCase:
        """Read and check the case.

        Raises:
            InputError: it cannot be used.
        """
        options = self.options
        if options.whole:
            message = "--boxes whole is for pictures; a scan takes boxes x0, y0, z0, x1, y1, z1 from a file, or --box"
            raise InputError(CaseFault.BOX_FORM, message)
        pixels, geometry, unknown = read_scan(self.path, options.window)
        known = options.boxes.get(self.name, NO_SCAN_BOXES)
        boxes = known.boxes
        if boxes.shape[1] == 4 and geometry.shape[0] == 1:
            boxes = np.insert(boxes, [2, 4], 0.0, axis=1)  # one slice: z can be nothing but 0
        if boxes.shape[1] != 6:
            raise InputError(
                CaseFault.BOX_FORM, "its boxes lack z0 and z1; those of a volume are x0, y0, z0, x1, y1, z1"
            )
        reference = None if options.truth is None else options.truth.find(self.stem, SCANS)
        case = PromptedCase(
            self.name,
            pixels,
            boxes,
            modality_of(self.name),
            names=known.names if any(known.names) else (),
            spacing=spacing_of(geometry.frame),
            truth=None if reference is None else read_label_scan(reference, geometry),
            unknown=unknown,
            geometry=geometry,
            notes=() if unknown is None else (_unknown_note(unknown, geometry),),
        )
        if unknown is not None and options.strict:
            raise InputError(CaseFault.NOT_FINITE, case.notes[0].text)
        case = with_boxes(case, options, geometry.axial)
        case = replace(case, boxes=geometry.boxes_to_frame(case.boxes))
        return with_hints(with_truth(case, options), options, self.path, self.stem)


def read_scan(path: Path, window: Window) -> tuple[NDArray[np.uint8], ScanGeometry, BinaryMask | None]:
    """Return 8-bit slices (z, y, x), the geometry, and which voxels are not finite (None: all are).

    Slices run from head to feet, row 0 in front, column 0 on the patient's right.

    Raises:
        InputError: it cannot be read, has no position in space, or shows nothing in this window.
    """
    image = read_image(path)
    volume = image.volume
    if volume.affine is None:
        raise InputError(CaseFault.GEOMETRY, "nothing says where it is in space: save it as NIfTI, NRRD or MetaImage")
    geometry = ScanGeometry(volume.shape, volume.affine, scan_frame(volume.shape, volume.affine), file_header(path))
    unknown = None if image.unknown is None else geometry.to_frame(image.unknown)
    if window.kind != "minmax_slice":
        pixels = to_8bit(window, volume.voxels, image.unknown, volume.slope, volume.intercept)
        return geometry.to_frame(pixels), geometry, unknown
    slices = geometry.to_frame(volume.voxels)
    hidden = [None] * len(slices) if unknown is None else unknown
    windowed = [_slice_to_8bit(one, volume, window, out) for one, out in zip(slices, hidden, strict=True)]
    return np.stack(windowed), geometry, unknown


def _slice_to_8bit(
    voxels: NDArray[np.generic], volume: Volume, window: Window, unknown: BinaryMask | None
) -> NDArray[np.uint8]:
    """Return one slice in a window of its own; black where it shows nothing, such as the air above a head."""
    finite = voxels if unknown is None else voxels[~unknown]
    if not finite.size or finite.min() == finite.max():
        return np.zeros(voxels.shape, np.uint8)
    return to_8bit(window, voxels, unknown, volume.slope, volume.intercept)


def _unknown_note(unknown: BinaryMask, geometry: ScanGeometry) -> Note:
    """Return the note on voxels that are not finite: whole slices by their number in the file, else the count."""
    count = int(unknown.sum())
    per_slice = unknown.sum((1, 2))
    found = np.flatnonzero(per_slice)
    numbers = sorted(geometry.slice_number(int(z)) for z in found)
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    listed = f"{'slice' if len(numbers) == 1 else 'slices'} {', '.join(map(str, numbers[:SHOWN]))}{more}"
    whole = int((per_slice == unknown[0].size).sum())
    skipped = f" ({whole} without any finite voxel, skipped)" if whole else ""
    text = f"{count} of {unknown.size} voxels are NaN or infinite, in {listed}{skipped}; they belong to no object"
    return Note(NoteKind.NOT_FINITE, text, count)
