"""Peer (a): the challenge's baseline as its script runs it, in other words.

LiteMedSAM in eager PyTorch (bowang-lab/MedSAM, branch LiteMedSAM, CVPR24_LiteMedSAM_infer.py, 23 May 2024): an image is
encoded once; in a volume every slice of every box is encoded by itself. Boxes are decoded one by one, each mask is
enlarged whole. The script's pictures of the results are left out. Its arithmetic stands here, no trick of ours: also
the model is called with one image and one box.
"""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.walk import Array, box_of, prepare, scaled, ways
from train.models.load import load_model

Encode = Callable[[Tensor], Any]
Logits = Callable[[Any, Tensor], Tensor]


class Official:
    """The script's loops around any model: `encode` takes (1, 3, 256, 256), `logits` an embedding and a box (1, 4).

    `steps` bounds the slices and boxes of a volume that are really gone through.
    """

    def __init__(self, encode: Encode, logits: Logits, steps: int | None = None) -> None:
        self._encode = encode
        self._logits = logits
        self._steps = steps

    @classmethod
    def open(cls, model: str = "lite-medsam", threads: int | None = None, steps: int | None = None) -> "Official":
        """Load a model of ours."""
        if threads is not None:
            torch.set_num_threads(threads)
            cv2.setNumThreads(threads)
        segmenter = load_model(model)[0].eval()
        return cls(segmenter.embed, lambda embedding, box: segmenter.decode(embedding, box)[0], steps)

    @torch.no_grad()
    def run(self, path: Path, out: Path) -> dict[str, float]:
        """Segment a case into a file of the same name; return the seconds, scaled up where it was cut.

        `steps` are those gone through, `of` is their number in the whole case, `seconds` is for all of them and
        `scale` times what it took. `anew` is `seconds` of a script that encodes an image, too, once for each box.
        """
        start = time.perf_counter()
        with np.load(path) as case:
            pixels, boxes = case["imgs"], case["boxes"]
        volume = boxes.shape[1] == 6
        labels = np.zeros(pixels.shape[: 3 if volume else 2], np.uint8 if len(boxes) < 256 else np.uint16)
        total = done = len(boxes)
        walking = again = 0.0
        if not volume:
            again = self._image(pixels, boxes, labels) * (len(boxes) - 1)
        else:
            total = sum(len(ways(box, len(pixels))) for box in boxes.tolist())
            most = None if self._steps is None else max(2, self._steps // len(boxes))
            done = 0
            for label, box in enumerate(boxes, 1):
                own = np.zeros_like(labels)
                began = time.perf_counter()
                done += sum(1 for _ in islice(self._walk(pixels, box, label, own), most))
                walking += time.perf_counter() - began
                labels[own > 0] = label
        np.savez_compressed(out / path.name, segs=labels)
        seconds = time.perf_counter() - start
        scale = 1 + walking / seconds * (total / done - 1)
        seconds *= scale
        return {"seconds": seconds, "anew": seconds + again, "scale": scale, "steps": done, "of": total}

    def _image(self, pixels: Array, boxes: Array, labels: Array) -> float:
        """Write the boxes' labels; return the encoder's seconds."""
        image, used = prepare(pixels)
        start = time.perf_counter()
        embedding = self._encode(torch.from_numpy(image))
        seconds = time.perf_counter() - start
        for label, box in enumerate(boxes, 1):
            labels[self._mask(embedding, scaled(box, pixels.shape), used, pixels.shape[:2])] = label
        return seconds

    def _walk(self, pixels: Array, box: Array, label: int, own: Array) -> Iterator[int]:
        """Write a box's label into `own` slice by slice, from the middle up, then down; yield each slice when done."""
        given = scaled(box[[0, 1, 3, 4]], pixels.shape[1:])
        for z, neighbour in ways(box.tolist(), len(pixels)):
            image, used = prepare(pixels[z])
            embedding = self._encode(torch.from_numpy(image))
            at = given if neighbour is None else box_of(own[neighbour])
            own[z][self._mask(embedding, given if at is None else at, used, own.shape[1:])] = label
            yield z

    def _mask(self, embedding: Any, box: Array, used: tuple[int, int], shape: tuple[int, ...]) -> Array:
        logits = self._logits(embedding, torch.as_tensor(box[None], dtype=torch.float))
        full = interpolate(logits[..., : used[0], : used[1]], size=shape, mode="bilinear", align_corners=False)
        mask: Array = torch.sigmoid(full).numpy().reshape(shape) > 0.5
        return mask
