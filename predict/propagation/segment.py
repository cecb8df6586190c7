"""A case to its labels."""

from collections.abc import Callable
from typing import Any

from predict.engines.engine import Engine, Labels, blank_labels
from predict.inputs.case import Case
from predict.prepare import fit_to, prepare_pixels
from predict.prompts.encode import object_prompts
from predict.propagation.painter import Painter
from predict.propagation.volume import MEMORY, Propagation, segment_volume


def segment_case(
    case: Case,
    engine: Engine[Any],
    propagation: Propagation = "clean",
    on_slice: Callable[[int, int], None] = lambda done, total: None,
    memory: int = MEMORY,
    keeps: Callable[[int, float], bool] = lambda label, iou: True,
) -> Labels:
    """Return the labels 1 to N of a case's objects, in the shape of its image or volume, uint16 past 255 objects.

    The embeddings of a volume's slices that are kept take up to `memory` bytes. `keeps` is told once of each object
    what IoU the model expects of it (in a volume: of its middle slice), and says whether it is to be drawn.
    """
    if case.is_volume:
        return segment_volume(case, engine, propagation, on_slice, memory, keeps)
    return segment_image(case, engine, keeps)


def segment_image(
    case: Case, engine: Engine[Any], keeps: Callable[[int, float], bool] = lambda label, iou: True
) -> Labels:
    """Return the labels 1 to N of an image's objects, (H, W); where masks overlap, the later object has the pixel."""
    height, width = case.shape
    fit = fit_to(height, width, engine.size)
    segs = blank_labels(case.shape, len(case.boxes))
    embedding = engine.embed(prepare_pixels(case.pixels, fit))
    with Painter(fit) as painter:
        for labels, prompts in object_prompts(case, fit):
            left = iter(labels.tolist())
            for decoded in engine.decode(embedding, prompts):
                for logits, iou in zip(decoded.logits, decoded.iou.tolist(), strict=True):
                    label = next(left)
                    if keeps(label, iou):
                        painter.paint(segs, logits, label)
    return segs
