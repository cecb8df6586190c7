"""Run a teacher for storing its embeddings: torch on a GPU, else the fastest engine of the CPU."""

import importlib.util
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from predict.errors import ModelError
from train.embeddings.embed import Encode

PRECISIONS = ("auto", "f32", "bf16")


class Encoder(NamedTuple):
    """A teacher that is ready to run, the precision it runs in, and remarks on how it was loaded."""

    encode: Encode
    precision: str
    remarks: tuple[str, ...] = ()


def cpu_encoder(teacher: str, engine: str, precision: str, threads: int | None) -> Encoder:
    """Return a teacher that runs on the CPU.

    Args:
        teacher: NAME, NAME=FILE, or a file that names its model.
        engine: `auto`, `openvino`, `onnxruntime` or `torch`.
        precision: `f32`, `bf16`, or `auto`: bf16 where OpenVINO and the CPU support it.
        threads: None: one a core.

    Raises:
        ModelError, WeightsError: the teacher, its weights or the engine is missing.
    """
    from predict.engines.open_engine import open_engine

    _check(precision)
    opened, remarks = open_engine(engine, teacher, threads=threads, precision=precision)  # type: ignore[arg-type]

    def encode(images: NDArray[np.float32]) -> NDArray[np.floating]:
        return np.concatenate([opened.embed(image) for image in images])

    return Encoder(encode, opened.precision, remarks)


def gpu_encoder(teacher: str, device: str, precision: str) -> Encoder:
    """Return a teacher that torch runs on a GPU; `auto` is bf16 where the GPU supports it.

    Raises:
        ModelError, WeightsError: the teacher or its weights are missing.
    """
    import torch

    from train.models.load import load_model

    _check(precision)
    model, remarks = load_model(teacher)
    model = model.eval().to(device)
    kind = model.mean.device.type
    if precision == "auto":
        precision = "bf16" if kind == "cuda" and torch.cuda.is_bf16_supported() else "f32"

    @torch.inference_mode()
    def encode(images: NDArray[np.float32]) -> NDArray[np.floating]:
        with torch.autocast(kind, torch.bfloat16, enabled=precision == "bf16"):
            embedding = model.embed(torch.from_numpy(images).to(device))
        return embedding.float().cpu().numpy()

    return Encoder(encode, precision, remarks)


def _check(precision: str) -> None:
    if precision not in PRECISIONS:
        raise ModelError(f"unknown precision {precision!r} of embeddings; known: {', '.join(PRECISIONS)}")


def gpu_there() -> bool:
    """Return whether torch is installed and sees a GPU."""
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()
