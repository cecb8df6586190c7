"""Segment arrays: the Python API of `predict`."""

import warnings
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predict.errors import CaseFault, InputError
from predict.inputs.case import PromptedCase
from predict.presets import DEFAULT_MODEL
from predict.prompts.checks import clip_boxes
from predict.prompts.forms import as_boxes, as_pixels
from predict.propagation.segment import segment_case

if TYPE_CHECKING:
    from predict.engines.engine import Engine
    from predict.engines.open_engine import EngineName

_ONE_AT_A_TIME = Lock()
"""An engine computes one image at a time, since its buffers are those of the last call."""


def predict(
    pixels: ArrayLike,
    boxes: ArrayLike,
    *,
    model: str = DEFAULT_MODEL,
    engine: "EngineName" = "auto",
    threads: int | None = None,
) -> NDArray[np.bool_]:
    """Return the mask of the object in each box.

    A model is loaded by its first call and kept for the life of the process. Masks are whole: where objects overlap,
    both have the pixel.

    Args:
        pixels: uint8; an image (h, w), (h, w, 1), (h, w, 3) RGB or (h, w, 4) RGBA, whose alpha is dropped; or a volume
            (d, h, w), (d, h, w, 1), (d, h, w, 3) or (d, h, w, 4) of axial slices.
        boxes: (n, 4), or (4,) for one box: x0, y0, x1, y1 in pixels from 0, the last pixel inside. In a volume (n, 6)
            or (6,): x0, y0, z0, x1, y1, z1; a box goes from its middle slice up and down to z0 and z1. Boxes that reach
            past the border are clipped, with a warning.
        model: A name that `train models` lists, NAME=FILE, FILE, or the folder of an exported model.
        engine: `auto` takes the fastest installed engine; `openvino`, `onnxruntime` or `torch`.
        threads: Number of threads; None: one per core.

    Returns:
        (n, h, w) or (n, d, h, w), bool.

    Raises:
        InputError: pixels or boxes have another shape or type, or a box is inverted or outside the image.
        ModelError, WeightsError: the model or the engine is not available.
    """
    rows = as_boxes(np.asarray(boxes))
    image = as_pixels(np.asarray(pixels), rows.shape[1] == 6)
    if image.dtype != np.uint8:
        message = f"pixels are {image.dtype}; they must be uint8, 0 to 255: window them first, as `curate` does"
        raise InputError(CaseFault.RANGE, message)
    case = PromptedCase("array", np.ascontiguousarray(image), rows)
    clipped, count = clip_boxes(case.boxes, case.shape)
    if count:
        warnings.warn(f"{count} of {len(rows)} boxes reach past the border and were clipped", stacklevel=2)
    if not len(rows):
        return np.zeros((0, *case.shape), np.bool_)
    with _ONE_AT_A_TIME:
        masks = segment_case(PromptedCase(case.name, case.pixels, clipped), _engine(model, engine, threads))
    return masks.dense()


@cache
def _engine(model: str, engine: "EngineName", threads: int | None) -> "Engine[Any]":
    from predict.engines.open_engine import open_engine

    return open_engine(engine, model, threads=threads, precision="auto")[0]
