"""Propagation of boxes through a volume: from a box's middle slice up and down, each mask gives the next slice's box.

The order is that of LiteMedSAM's script of 23 May 2024 (bowang-lab/MedSAM, CVPR24_LiteMedSAM_infer.py), but all boxes
go together, so that a slice is encoded once and its boxes are decoded as one batch: first every box upwards, then
every box downwards.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from predict.engines.engine import Engine, Prompts, blank_labels
from predict.engines.enlarge import enlarge
from predict.inputs.case import PromptedCase
from predict.prepare import fit_to, prepare_boxes, prepare_pixels
from predict.propagation.embeddings import MEMORY, SliceEmbeddings
from predict.propagation.mask_queue import MaskQueue
from predict.propagation.next_box import clean_box, official_box
from predict.propagation.object_masks import ObjectMasks

Propagation = Literal["clean", "official"]


def segment_volume(
    case: PromptedCase,
    engine: Engine[Any],
    propagation: Propagation = "clean",
    on_slice: Callable[[int, int], None] = lambda done, total: None,
    memory: int = MEMORY,
    keeps: Callable[[int, float], bool] = lambda label, iou: True,
) -> ObjectMasks:
    """Return the masks of a volume's boxes, (D, H, W).

    A box's slices run from z0 to z1, both inside; its middle is rounded down. Slices without a finite voxel are
    skipped: their box goes on to the next slice.

    Args:
        case: The volume (D, H, W) or (D, H, W, 3) with boxes (N, 6).
        engine: What runs the model.
        propagation: `clean` takes the extent of the logits above 0. `official` equals the script, which resizes the
            mask by area with the label as its value first: a lone pixel survives that under label 2, not under 1.
        on_slice: Gets the number of steps done and their total.
        memory: Bytes that kept embeddings may take.
        keeps: Gets each label with the IoU that the model expects in its middle slice; returns whether to go on.
    """
    depth, height, width = case.shape
    fit = fit_to(height, width, engine.size)
    given = prepare_boxes(case.boxes[:, [0, 1, 3, 4]], fit)
    first = case.boxes[:, 2].astype(np.int64)
    last = case.boxes[:, 5].astype(np.int64)
    middle = (first + last) // 2
    last = np.minimum(last, depth - 1)
    masks = ObjectMasks(case.shape, len(given), case.unknown)
    label_type = blank_labels((), len(given)).dtype.type
    embeddings = SliceEmbeddings(lambda z: engine.embed(prepare_pixels(case.pixels[z], fit)), memory)
    blind = [case.unknown is not None and bool(case.unknown[z].all()) for z in range(depth)]

    upward = [(z, (middle <= z) & (z <= last)) for z in range(middle.min(), last.max() + 1)]
    downward = [(z, (first <= z) & (z < middle)) for z in range(middle.max() - 1, first.min() - 1, -1)]
    again = {z for z, active in downward if active.any()}
    steps = [(z, active, way) for way, slices in enumerate((upward, downward)) for z, active in slices if active.any()]

    prompts = np.stack([given, given])  # upwards and downwards
    kept = np.ones(len(given), bool)
    with MaskQueue(fit, masks) as queue:
        for step, (z, active, way) in enumerate(steps):
            numbers = np.flatnonzero(active & kept)
            if not len(numbers) or blind[z]:
                continue
            embedding = embeddings.get(z, again=way == 0 and z in again)
            decoded = engine.decode(embedding, Prompts(boxes=prompts[way, numbers]))
            drawn = (pair for batch in decoded for pair in zip(batch.logits, batch.iou.tolist(), strict=True))
            for number, (logits, iou) in zip(numbers.tolist(), drawn, strict=True):
                if z == middle[number] and not keeps(number + 1, iou):
                    kept[number] = False
                    continue
                queue.put(number, logits, z)
                if propagation == "clean":
                    found = clean_box(logits, fit)
                else:
                    found = official_box(enlarge(logits, fit), label_type(number + 1), fit)
                prompts[way, number] = given[number] if found is None else found
                if z == middle[number]:
                    prompts[1, number] = prompts[0, number]
            on_slice(step + 1, len(steps))
    return masks
