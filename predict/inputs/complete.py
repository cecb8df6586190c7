"""Complete a case that was read: boxes clipped, reference labels, points and masks."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from curate.imaging.orientation import UPRIGHT
from predict.errors import CaseFault, InputError
from predict.inputs.case import PromptedCase
from predict.inputs.input_options import InputOptions
from predict.inputs.label_files import label_suffixes, read_label_picture
from predict.inputs.truth import boxes_of, check_truth, numbered, order_fault
from predict.notes import Note, NoteKind
from predict.prompts.checks import Z, check_points, clip_boxes
from predict.prompts.jitter import jittered


def with_boxes(case: PromptedCase, options: InputOptions, through: int = Z) -> PromptedCase:
    """Return a case whose boxes end at its border; `through` is the axis from slice to slice, see `clip_boxes`.

    Raises:
        InputError: a box is not one, or with --strict one reaches past the border.
    """
    shape = case.shape if case.geometry is None else case.geometry.shape
    boxes, clipped = clip_boxes(case.boxes, shape, through)
    if not clipped:
        return replace(case, boxes=boxes)
    text = f"{clipped} of {len(boxes)} boxes reach past the border and end there; the last pixel of a row is width - 1"
    if options.strict:
        raise InputError(CaseFault.BOX_OUTSIDE, text)
    return replace(case, boxes=boxes, notes=(*case.notes, Note(NoteKind.CLIPPED, text, clipped)))


def with_truth(case: PromptedCase, options: InputOptions) -> PromptedCase:
    """Return a case with boxes from its reference labels where asked for; these are kept where it is scored.

    Raises:
        InputError: there are no reference labels where they are needed, or they do not fit.
    """
    truth = case.truth
    if truth is None:
        if options.boxes_from_truth or options.score:
            purpose = "score it by" if options.score else "take boxes from"
            raise InputError(CaseFault.NO_REFERENCE, f"there are no reference labels to {purpose}")
        return case
    truth = check_truth(truth, case.shape)
    if options.boxes_from_truth:
        truth = numbered(truth)
        case = replace(
            case, boxes=jittered(boxes_of(truth), case.shape, options.jitter, options.seed, case.name), names=()
        )
    elif options.score and (fault := order_fault(truth, case.boxes)):
        case = replace(case, notes=(*case.notes, Note(NoteKind.LABEL_ORDER, fault)))
    return replace(case, truth=truth if options.score else None)


def with_hints(
    case: PromptedCase, options: InputOptions, path: Path, stem: str, orientation: int = UPRIGHT
) -> PromptedCase:
    """Return the case of the file `path` with the points and the mask that were given for it.

    `orientation` is the EXIF orientation by which its picture was turned.

    Raises:
        InputError: they do not fit the image, or an object has no prompt at all.
    """
    points = options.points.get(case.name, case.points)
    found = None if options.masks is None else options.masks.find(stem, label_suffixes(path))
    if case.is_volume and (len(points) or found is not None):
        raise InputError(CaseFault.BOX_FORM, "it is a volume, which takes boxes; points and masks are for images")
    hint = None if found is None else read_label_picture(found, case.shape, orientation)
    check_points(points, case.shape[-2:])
    count = max(len(case.boxes), int(points[:, 0].max(initial=0)), 0 if hint is None else int(hint.max()))
    if not count:
        raise InputError(
            CaseFault.NO_PROMPT,
            "nothing says where its objects are: give boxes (--boxes FILE, --boxes whole), points (--points) or "
            "masks (--masks)",
        )
    boxes, lacking = case.boxes, count - len(case.boxes)
    if lacking:
        boxes = np.vstack([boxes.astype(np.float64), np.full((lacking, boxes.shape[1]), np.nan)])
    prompted = {*points[:, 0].astype(int).tolist(), *(() if hint is None else np.unique(hint).tolist())}
    bare = [number for number in range(len(case.boxes) + 1, count + 1) if number not in prompted]
    if bare:
        raise InputError(CaseFault.NO_PROMPT, f"object {bare[0]} of {count} has neither a box, a point nor a mask")
    names = case.names + ("",) * lacking if case.names else ()
    return replace(case, boxes=boxes, points=points, hint=hint, names=names)
