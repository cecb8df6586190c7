"""Segmentation of one case."""

from collections.abc import Callable
from typing import Any

from predict.engines.engine import Engine
from predict.inputs.case import PromptedCase
from predict.prepare import fit_to, prepare_pixels
from predict.prompts.encode import object_prompts
from predict.propagation.embeddings import MEMORY
from predict.propagation.mask_queue import MaskQueue
from predict.propagation.object_masks import ObjectMasks
from predict.propagation.volume import Propagation, segment_volume


def segment_case(
    case: PromptedCase,
    engine: Engine[Any],
    propagation: Propagation = "clean",
    on_slice: Callable[[int, int], None] = lambda done, total: None,
    memory: int = MEMORY,
    keeps: Callable[[int, float], bool] = lambda label, iou: True,
) -> ObjectMasks:
    """Return the masks of a case's objects, in the shape of its image or volume; see `segment_volume`."""
    if case.is_volume:
        return segment_volume(case, engine, propagation, on_slice, memory, keeps)
    return segment_image(case, engine, keeps)


def segment_image(
    case: PromptedCase, engine: Engine[Any], keeps: Callable[[int, float], bool] = lambda label, iou: True
) -> ObjectMasks:
    """Return the masks of an image's objects, (H, W).

    `keeps` gets each label with the IoU that the model expects; returns whether the object is drawn.
    """
    height, width = case.shape
    fit = fit_to(height, width, engine.size)
    masks = ObjectMasks(case.shape, len(case.boxes), case.unknown)
    embedding = engine.embed(prepare_pixels(case.pixels, fit))
    with MaskQueue(fit, masks) as queue:
        for labels, prompts in object_prompts(case, fit):
            left = iter(labels.tolist())
            for decoded in engine.decode(embedding, prompts):
                for logits, iou in zip(decoded.logits, decoded.iou.tolist(), strict=True):
                    label = next(left)
                    if keeps(label, iou):
                        queue.put(label - 1, logits)
    return masks
