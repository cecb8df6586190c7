"""A segmenter of ours, run by torch."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from train.models.presets import Preset
from train.models.segmenter import Segmenter
from train.models.weights import load_weights
from train.prepare import Fit

DECODED_AT_ONCE = 8
"""Boxes in one batch of the decoder: more of them take more time each, and 30 MB each."""
ABOVE_HALF = 1.5 * 2**-24
"""Logits above it, and none below, have a float32 sigmoid above 0.5, which is what LiteMedSAM's script asks for."""


class TorchEngine:
    """Runs a segmenter in float32 on the CPU; `size` is the edge of its image in pixels."""

    def __init__(self, model: Segmenter) -> None:
        self._model = model.eval()
        self.size = model.preset.image_size

    @torch.inference_mode()
    def embed(self, image: NDArray[np.float32]) -> Tensor:
        """Return the embedding (1, 256, 64, 64) of an image (3, S, S) in [0, 1]."""
        return self._model.embed(torch.from_numpy(image)[None])

    def masks(self, embedding: Tensor, boxes: NDArray[np.int64], fit: Fit) -> Iterator[NDArray[np.bool_]]:
        """Yield a mask (H, W) for each box (N, 4) in the model's pixels."""
        for start in range(0, len(boxes), DECODED_AT_ONCE):
            with torch.inference_mode():
                logits, _ = self._model.decode(
                    embedding, torch.from_numpy(boxes[start : start + DECODED_AT_ONCE]).float()
                )
            for one in logits:  # enlarged one by one: at full size a batch of them would take gigabytes
                yield enlarge(one[None], fit)


@torch.inference_mode()
def enlarge(logits: Tensor, fit: Fit) -> NDArray[np.bool_]:
    """Return the mask (H, W) that logits (1, 1, 256, 256) draw over the model's square."""
    if logits.shape[-1] != fit.size:
        logits = interpolate(logits, size=(fit.size, fit.size), mode="bilinear", align_corners=False)
    cut = logits[..., : fit.rows, : fit.columns]
    full = interpolate(cut, size=(fit.height, fit.width), mode="bilinear", align_corners=False)
    mask: NDArray[np.bool_] = (full[0, 0] > ABOVE_HALF).numpy()
    return mask


def load_engine(preset: Preset, weights: Path | None = None) -> tuple[TorchEngine, tuple[str, ...]]:
    """Return a model with its weights, from a file or the preset's own, and remarks on how they were loaded.

    Raises:
        WeightsError: there are no such weights, or they do not fit the model.
    """
    model = Segmenter(preset)
    remarks = load_weights(model, weights or preset.name)
    return TorchEngine(model), remarks


def use_threads(count: int) -> None:
    """Let torch and OpenCV run so many threads."""
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
