"""Open the engine of a model: OpenVINO, ONNX Runtime or torch, whichever is installed."""

import importlib.util
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from predict.engines.engine import Engine
from predict.engines.exported import INT8_ENCODER
from predict.engines.find import find_exported, user_cache
from predict.errors import ExportError, ModelError

EngineName = Literal["auto", "openvino", "onnxruntime", "torch"]
Precision = Literal["auto", "f32", "bf16", "int8"]

TORCH_ENGINE = "train.torch_engine"
"""The one engine outside this package, imported by name when it is chosen, since it needs torch."""

FASTEST_FIRST: tuple[EngineName, ...] = ("openvino", "onnxruntime", "torch")


def open_engine(
    name: EngineName,
    model: str,
    *,
    threads: int | None = None,
    precision: Precision = "f32",
    cache: Path | None = None,
) -> tuple[Engine[Any], tuple[str, ...]]:
    """Return an engine that runs a model, and notes on how it was loaded.

    Args:
        name: `auto` takes the fastest installed engine that runs the model.
        model: `NAME`, `NAME=FILE`, `FILE` (see train/models/load.py), or a folder that `train export` wrote.
        threads: Number of threads; None: the engine's own choice, one per core.
        precision: `bf16` where the CPU supports it (OpenVINO); `int8` for a model exported with it; `auto`: `bf16`
            where that is available, else `f32`. The engine's `precision` is the one in use.
        cache: The folder of exported and compiled models; None: `medcorpus` in the user's cache folder.

    Raises:
        ModelError: no engine is installed, or not the one asked for, or it does not support the precision.
        WeightsError: weights or graphs are missing or damaged, or have to be exported and torch is missing.
    """
    engine, notes = _open_any(name, model, threads, precision, cache or user_cache())
    return engine, (*notes, f"precision {engine.precision}") if precision == "auto" else notes


def _open_any(
    name: EngineName, model: str, threads: int | None, precision: Precision, cache: Path
) -> tuple[Engine[Any], tuple[str, ...]]:
    if name != "auto":
        _need(name)
        return _open(name, model, threads, precision, cache)
    installed = [engine for engine in FASTEST_FIRST if importlib.util.find_spec(engine)]
    if not installed:
        raise ModelError(f"no engine is installed: pip install {FASTEST_FIRST[0]} (or {', '.join(FASTEST_FIRST[1:])}).")
    able = [engine for engine in installed if engine in SUPPORTED[precision]]
    if not able:
        raise ModelError(f"no installed engine supports {precision}: pip install {SUPPORTED[precision][0]}.")
    try:
        return _open(able[0], model, threads, precision, cache)
    except ExportError as error:
        if "torch" not in able:
            raise
        engine, notes = _open("torch", model, threads, precision, cache)
        return engine, (*notes, f"run by torch, which is slow: {error}")


SUPPORTED: dict[Precision, tuple[EngineName, ...]] = {
    "auto": FASTEST_FIRST,
    "f32": FASTEST_FIRST,
    "bf16": ("openvino",),
    "int8": ("openvino", "onnxruntime"),
}


def _need(name: EngineName) -> None:
    if importlib.util.find_spec(name) is None:
        raise ModelError(f"the engine {name} is not installed: pip install {name}")


def _open(
    name: EngineName, model: str, threads: int | None, precision: Precision, cache: Path
) -> tuple[Engine[Any], tuple[str, ...]]:
    if name not in SUPPORTED[precision]:
        raise ModelError(f"the engine {name} does not support {precision}: use {' or '.join(SUPPORTED[precision])}.")
    if name == "torch":
        if Path(model).is_dir():
            raise ModelError(f"{model} holds graphs, torch runs weights: use --engine openvino or onnxruntime.")
        engine: tuple[Engine[Any], tuple[str, ...]] = import_module(TORCH_ENGINE).open_torch(model, threads)
        return engine
    exported, notes = find_exported(model, cache)
    if precision == "int8" and INT8_ENCODER not in exported.digests:
        raise ModelError(
            f"{model} has no encoder in 8-bit integers: `train export {model} --int8 --manifest CATALOG` makes one."
        )
    if name == "openvino":
        from predict.engines.openvino import OpenVinoEngine, has_bfloat16

        if precision == "auto":
            precision = "bf16" if has_bfloat16() else "f32"
        return OpenVinoEngine(exported, threads, precision, cache), notes
    from predict.engines.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(exported, threads, "f32" if precision == "auto" else precision), notes
