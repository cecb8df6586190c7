"""Peer (b): the strongest entries' way, the same weights in OpenVINO, each slice encoded once, boxes one by one.

As in MedficientSAM and DAFT (models of the challenge's first places): float32, LATENCY, one request, a compiled model
kept on disk; embeddings of all slices are kept; SAM's decoder as it is exported, one box a call; each mask is enlarged
whole. The boxes walk as in the baseline, so that both peers and ours go through the same slices.
"""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.walk import Array, box_of, prepare, scaled, ways


def export(folder: Path, model: str = "lite-medsam") -> None:
    """Write the encoder and the decoder of a model of ours, as they are, in OpenVINO's form."""
    import openvino
    import torch

    from train.models.load import load_model

    segmenter = load_model(model)[0].eval()

    class Part(torch.nn.Module):
        def __init__(self, call: Any) -> None:
            super().__init__()
            self.segmenter, self.call = segmenter, call

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return self.call(*inputs)

    box = torch.tensor([[10.0, 20.0, 200.0, 180.0]])
    image = torch.rand(1, 3, segmenter.preset.image_size, segmenter.preset.image_size)
    with torch.no_grad():
        embedding = segmenter.embed(image)
        parts = {
            "encoder": (Part(segmenter.embed), (image,)),
            "decoder": (Part(lambda embedding, box: segmenter.decode(embedding, box)[0]), (embedding, box)),
        }
        for name, (part, inputs) in parts.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of shapes that become constants, as they may here
                graph = openvino.convert_model(part.eval(), example_input=inputs, input=[one.shape for one in inputs])
            openvino.save_model(graph, folder / f"{name}.xml", compress_to_fp16=False)


class Once:
    """Runs cases by `encode`, an image (1, 3, 256, 256) to its embedding, and `logits`, of it and a box (1, 4)."""

    def __init__(self, encode: Callable[[Array], Array], logits: Callable[[Array, Array], Array]) -> None:
        self._encode = encode
        self._logits = logits

    @classmethod
    def open(cls, folder: Path, threads: int | None = None) -> "Once":
        """Compile what `export` wrote into a folder, or take what was compiled before."""
        import openvino

        core = openvino.Core()
        core.set_property({"CACHE_DIR": str(folder / "compiled")})
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
            cv2.setNumThreads(threads)
        parts = (core.compile_model(folder / f"{name}.xml", "CPU", options) for name in ("encoder", "decoder"))
        encoder, decoder = (part.create_infer_request() for part in parts)
        return cls(
            lambda image: encoder.infer([image])[0].copy(), lambda embedding, box: decoder.infer([embedding, box])[0]
        )

    def run(self, path: Path, out: Path) -> dict[str, float]:
        """Segment a case into a file of the same name; return the seconds."""
        start = time.perf_counter()
        with np.load(path) as case:
            pixels, boxes = case["imgs"], case["boxes"]
        if boxes.shape[1] == 6:
            labels = self._volume(pixels, boxes)
        else:
            labels = np.zeros(pixels.shape[:2], _dtype(boxes))
            image, used = prepare(pixels)
            embedding = self._encode(image)
            for label, box in enumerate(boxes, 1):
                labels[self._mask(embedding, scaled(box, pixels.shape), used, labels.shape)] = label
        np.savez_compressed(out / path.name, segs=labels)
        return {"seconds": time.perf_counter() - start}

    def _volume(self, pixels: Array, boxes: Array) -> Array:
        labels = np.zeros(pixels.shape[:3], _dtype(boxes))
        embeddings: dict[int, tuple[Array, tuple[int, int]]] = {}
        for label, box in enumerate(boxes, 1):
            own = np.zeros_like(labels)
            given = scaled(box[[0, 1, 3, 4]], labels.shape[1:])
            for z, neighbour in ways(box.tolist(), len(pixels)):
                if z not in embeddings:
                    image, used = prepare(pixels[z])
                    embeddings[z] = self._encode(image), used
                embedding, used = embeddings[z]
                at = given if neighbour is None else box_of(own[neighbour])
                own[z][self._mask(embedding, given if at is None else at, used, labels.shape[1:])] = label
            labels[own > 0] = label
        return labels

    def _mask(self, embedding: Array, box: Array, used: tuple[int, int], shape: tuple[int, ...]) -> Array:
        logits = self._logits(embedding, box[None].astype(np.float32))[0, 0, : used[0], : used[1]]
        full: Array = cv2.resize(logits, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
        return full > 0


def _dtype(boxes: Array) -> type[np.uint8] | type[np.uint16]:
    """The script's type of labels; OpenCV's resize by area rounds one otherwise than the other."""
    return np.uint8 if len(boxes) < 256 else np.uint16
