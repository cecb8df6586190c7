"""What computes a teacher's embeddings for storing: torch on a GPU, else the fastest engine of a CPU."""

import importlib.util

import numpy as np
from numpy.typing import NDArray

from predict.errors import ModelError
from train.embeddings.embed import Encode

PRECISIONS = ("f32", "bf16")


def cpu_encoder(teacher: str, engine: str, precision: str, threads: int | None) -> tuple[Encode, tuple[str, ...]]:
    """Return a teacher run on the CPU, and remarks on how it was loaded.

    Args:
        teacher: NAME, NAME=FILE, or a file that names its model.
        engine: `auto`, `openvino`, `onnxruntime` or `torch`.
        precision: `f32`, or `bf16` where the CPU has it.
        threads: None: one a core.

    Raises:
        ModelError, WeightsError: the teacher, its weights or the engine cannot be had.
    """
    from predict.engines.open_engine import open_engine

    _check(precision)
    opened, remarks = open_engine(engine, teacher, threads=threads, precision=precision)  # type: ignore[arg-type]

    def encode(images: NDArray[np.float32]) -> NDArray[np.floating]:
        return np.concatenate([opened.embed(image) for image in images])

    return encode, remarks


def gpu_encoder(teacher: str, device: str, precision: str) -> tuple[Encode, tuple[str, ...]]:
    """Return a teacher run by torch on a GPU, and remarks on how it was loaded.

    Raises:
        ModelError, WeightsError: the teacher or its weights cannot be had.
    """
    import torch

    from train.models.load import load_model

    _check(precision)
    model, remarks = load_model(teacher)
    model = model.eval().to(device)

    @torch.inference_mode()
    def encode(images: NDArray[np.float32]) -> NDArray[np.floating]:
        with torch.autocast(model.mean.device.type, torch.bfloat16, enabled=precision == "bf16"):
            embedding = model.embed(torch.from_numpy(images).to(device))
        return embedding.float().cpu().numpy()

    return encode, remarks


def _check(precision: str) -> None:
    if precision not in PRECISIONS:
        raise ModelError(f"embeddings are not computed in {precision!r}, but in one of {', '.join(PRECISIONS)}")


def gpu_there() -> bool:
    """True where torch is installed and has a GPU."""
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()
