"""Write what was found in a case: labels, a picture to look at, scores."""

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from catalog.atomic import write_atomic
from predict.engines.engine import LabelArray
from predict.inputs.case import PromptedCase
from predict.inputs.kinds import stem_of
from predict.notes import Note, NoteKind
from predict.outputs.labels import make_folder, write_labels
from predict.outputs.summary import Outcome
from predict.predict_options import PredictOptions
from predict.propagation.iou_filter import IouFilter
from predict.propagation.object_masks import ObjectMasks

SHOWN = 20


def write_case(
    target: Path, case: PromptedCase, masks: ObjectMasks, expected: IouFilter, options: PredictOptions, seconds: float
) -> Outcome:
    """Write the labels of a case, draw and score it; return its outcome.

    `seconds` is the time that it took so far; drawing and scoring add nothing to it.

    Raises:
        OutputError, FolderError: the disk is full, or a folder must not be written to.
    """
    start = perf_counter()
    labels, hidden = masks.paint("last" if options.overlaps == "last" else "smallest")
    layered = options.overlaps == "layers" and bool(hidden.any())
    files = []
    for file, layer in _layers(target, masks) if layered else [(target, labels)]:
        write_labels(options.out / file, layer, case.geometry)
        files.append(file.as_posix())
    seconds += perf_counter() - start
    scores = {}
    if options.score:
        from predict.scoring.score_case import score_case

        scores = score_case(case, labels)
    if options.overlay is not None:
        from catalog.codecs.png import encode_image
        from predict.outputs.overlay import draw_overlay

        picture = options.overlay / target.parent / f"{Path(case.name).name}.png"
        make_folder(picture.parent)
        write_atomic(picture, encode_image(draw_overlay(case, labels)))
    return Outcome(
        case.name,
        case.modality,
        seconds,
        len(case.boxes),
        target=target.as_posix(),
        files=tuple(files),
        names=case.names,
        iou=tuple(expected.iou.tolist()),
        dropped=expected.dropped(),
        pixels=tuple(masks.areas.tolist()),
        hidden=tuple(hidden.tolist()),
        notes=(*case.notes, *_drawing_notes(expected.dropped(), hidden, masks.areas, layered)),
        scores=scores,
    )


def _layers(target: Path, masks: ObjectMasks) -> Iterator[tuple[Path, LabelArray]]:
    """Yield a file and a label map for each object: `scan--002.nii.gz` holds object 2 of `scan.nii.gz`."""
    stem = stem_of(target.name)
    suffix = target.name[len(stem) :]
    for number in range(masks.count):
        yield target.with_name(f"{stem}--{number + 1:03d}{suffix}"), masks.layer(number)


def _drawing_notes(
    dropped: tuple[int, ...], hidden: NDArray[np.int64], areas: NDArray[np.int64], layered: bool
) -> list[Note]:
    """Return the notes on objects that are not to be seen, in part or wholly."""
    notes = []
    if dropped:
        text = f"not drawn, expected IoU below --min-iou: {_listed(dropped)}"
        notes.append(Note(NoteKind.NOT_DRAWN, text, len(dropped)))
    if hidden.any() and not layered:
        partly, wholly = (hidden > 0) & (hidden < areas), (hidden > 0) & (hidden == areas)
        parts = [
            f"{_listed(tuple((np.flatnonzero(which) + 1).tolist()))} {how}"
            for which, how in ((partly, "in part"), (wholly, "wholly"))
            if which.any()
        ]
        count = int(hidden.sum())
        text = f"{count} pixels are under other objects: {', '.join(parts)}; --overlaps layers keeps them"
        notes.append(Note(NoteKind.HIDDEN, text, count))
    return notes


def _listed(labels: tuple[int, ...]) -> str:
    more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
    return f"{'objects' if len(labels) > 1 else 'object'} {', '.join(map(str, labels[:SHOWN]))}{more}"
