"""Boxes that walk through a volume: from a box's middle slice up and down, each slice's mask is the next one's box.

The walk is that of LiteMedSAM's script in its state of 23 May 2024, but that all boxes go together, so that a slice is
encoded once and its boxes are decoded as one batch: first every box upward, then every box downward.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from predict.engines.engine import LOGITS, Box, E, Engine, Labels, Mask, Prompts, blank_labels
from predict.engines.enlarge import enlarge
from predict.inputs.case import Case
from predict.prepare import Fit, fit_to, prepare_boxes, prepare_pixels
from predict.propagation.painter import Painter

Propagation = Literal["clean", "official"]

MARGIN = 3
"""By so many of 256 pixels a mask's box is widened on every side."""
EMBEDDING_BYTES = 256 * 64 * 64 * 4
MEMORY = 512 << 20
"""Bytes that kept embeddings may take: 128 slices."""


class Embeddings(Generic[E]):
    """The embeddings of slices that are needed again, the latest ones, as many as `memory` bytes hold; at least one."""

    def __init__(self, encode: Callable[[int], E], memory: int) -> None:
        self._encode = encode
        self._capacity = max(1, memory // EMBEDDING_BYTES)
        self._kept: OrderedDict[int, E] = OrderedDict()

    def get(self, z: int, again: bool) -> E:
        """Return the embedding of slice `z`; it is kept where it is needed `again`."""
        embedding = self._kept.pop(z) if z in self._kept else self._encode(z)
        if again:
            self._kept[z] = embedding
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return embedding


def segment_volume(
    case: Case,
    engine: Engine[Any],
    propagation: Propagation = "clean",
    on_slice: Callable[[int, int], None] = lambda done, total: None,
    memory: int = MEMORY,
    keeps: Callable[[int, float], bool] = lambda label, iou: True,
) -> Labels:
    """Return the labels 1 to N of a volume's boxes, (D, H, W); where masks overlap, the later box has the voxel.

    `official` equals the script, which finds the box of a mask after it has resized the mask by area with the label
    itself as its value: a lone pixel survives that under label 2 and not under label 1. `clean` takes the extent of the
    logits above 0, whatever the label and the size of the slice. A box's slices run from z0 to z1, both inside, its
    middle is rounded down. Kept embeddings take up to `memory` bytes. `on_slice` is told how many slices of how many
    have been gone through. `keeps` is told of each box what IoU the model expects in its middle slice, and says whether
    the box is walked with at all.
    """
    depth, height, width = case.shape
    fit = fit_to(height, width, engine.size)
    given = prepare_boxes(case.boxes[:, [0, 1, 3, 4]], fit)
    first = case.boxes[:, 2].astype(np.int64)
    last = case.boxes[:, 5].astype(np.int64)
    middle = (first + last) // 2
    last = np.minimum(last, depth - 1)
    segs = blank_labels(case.shape, len(case.boxes))
    embeddings = Embeddings(lambda z: engine.embed(prepare_pixels(case.pixels[z], fit)), memory)

    upward = [(z, (middle <= z) & (z <= last)) for z in range(middle.min(), last.max() + 1)]
    downward = [(z, (first <= z) & (z < middle)) for z in range(middle.max() - 1, first.min() - 1, -1)]
    again = {z for z, at_work in downward if at_work.any()}
    steps = [(z, at_work, walk) for walk, way in enumerate((upward, downward)) for z, at_work in way if at_work.any()]

    prompts = np.stack([given, given])  # of the way up and of the way down
    kept = np.ones(len(given), bool)
    with Painter(fit) as painter:
        for step, (z, at_work, walk) in enumerate(steps):
            numbers = np.flatnonzero(at_work & kept)
            if not len(numbers):
                continue
            embedding = embeddings.get(z, again=walk == 0 and z in again)
            decoded = engine.decode(embedding, Prompts(boxes=prompts[walk, numbers]))
            drawn = (pair for batch in decoded for pair in zip(batch.logits, batch.iou.tolist(), strict=True))
            for number, (logits, iou) in zip(numbers, drawn, strict=True):
                if z == middle[number] and not keeps(int(number) + 1, iou):
                    kept[number] = False
                    continue
                painter.paint(segs[z], logits, int(number) + 1)
                if propagation == "clean":
                    found = clean_box(logits, fit)
                else:
                    found = official_box(enlarge(logits, fit), segs.dtype.type(number + 1), fit)
                prompts[walk, number] = given[number] if found is None else found
                if z == middle[number]:
                    prompts[1, number] = prompts[0, number]
            on_slice(step + 1, len(steps))
    return segs


def clean_box(logits: NDArray[np.float32], fit: Fit) -> Box | None:
    """Return the box of the logits (256, 256) above 0 in the model's pixels, and the margin; None if there are none."""
    scale = fit.size // LOGITS
    x, y, width, height = cv2.boundingRect(
        (logits[: -(-fit.rows // scale), : -(-fit.columns // scale)] > 0).view(np.uint8)
    )
    if not width:
        return None
    x1, y1 = min((x + width) * scale, fit.columns) - 1, min((y + height) * scale, fit.rows) - 1
    return _widen(x * scale, y * scale, x1, y1, fit.size)


def official_box(mask: Mask, label: np.uint8 | np.uint16, fit: Fit) -> Box | None:
    """Return the box of a mask (H, W) as the script does, of what is left of it after a resize by area."""
    labelled = np.where(mask, label, label.dtype.type(0))
    small = cv2.resize(labelled, (fit.columns, fit.rows), interpolation=cv2.INTER_AREA)
    x, y, width, height = cv2.boundingRect((small > 0).view(np.uint8))
    return _widen(x, y, x + width - 1, y + height - 1, fit.size) if width else None


def _widen(x0: int, y0: int, x1: int, y1: int, size: int) -> Box:
    margin = MARGIN * size // 256
    # A corner may lie on the far edge itself, one past the last pixel: so in the script.
    return np.array([max(0, x0 - margin), max(0, y0 - margin), min(size, x1 + margin), min(size, y1 + margin)])
