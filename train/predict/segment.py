"""A case to its labels."""

from collections.abc import Callable
from typing import Any

from train.predict.engine import Engine, Labels, blank_labels
from train.predict.inputs import Case
from train.predict.propagate import Propagation, segment_volume
from train.prepare import fit_to, prepare_boxes, prepare_pixels


def segment_case(
    case: Case,
    engine: Engine[Any],
    propagation: Propagation = "clean",
    on_slice: Callable[[int, int], None] = lambda done, total: None,
) -> Labels:
    """Return the labels 1 to N of a case's boxes, in the shape of its image or volume, uint16 past 255 boxes."""
    if case.is_volume:
        return segment_volume(case, engine, propagation, on_slice)
    return segment_image(case, engine)


def segment_image(case: Case, engine: Engine[Any]) -> Labels:
    """Return the labels 1 to N of an image's boxes, (H, W); where masks overlap, the later box has the pixel."""
    height, width = case.shape
    fit = fit_to(height, width, engine.size)
    embedding = engine.embed(prepare_pixels(case.pixels, fit))
    segs = blank_labels(case)
    for label, mask in enumerate(engine.masks(embedding, prepare_boxes(case.boxes, fit), fit), start=1):
        segs[mask] = label
    return segs
