"""A segmenter as graphs that run without torch, each checked against the segmenter before it is there.

`encoder` takes images (1, 3, S, S) in [0, 1] and gives the embedding (1, 4096, 256), a place a row. `ground` takes the
embedding and gives what all prompts on it share. `mask` does so with a mask prompt (1, 1, 256, 256) beside it.
`decoder` takes that, places (N, T, 2) in the model's pixels and their kinds (N, T), and gives logits (N, 256, 256) and
the expected IoU (N,). `model.json` names the files.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from catalog.atomic import replacing_folder
from catalog.errors import OutputError
from predict.engines.exported import ABOUT, describe
from predict.errors import ExportError
from predict.presets import EMBEDDING, GRID
from train.export.share import share_weights
from train.models.deployed import Drawing, Encoder, Ground
from train.models.segmenter import Segmenter

Format = Literal["onnx", "openvino", "torchscript"]

OPSET = 20
"""Of ONNX: the first with GELU as one operator."""
SHARED = ("image", "keys", "values", "queries")
HALVED = 1024
"""Tensors of so many numbers and more are stored as float16."""


@dataclass(frozen=True)
class Graph:
    """One graph to be: its module, an example of each input by name, the outputs' names, and inputs of any N and T."""

    name: str
    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    free: tuple[str, ...] = ()


@torch.no_grad()
def graphs_of(model: Segmenter) -> list[Graph]:
    """Return the graphs of a model in evaluation."""
    size = model.preset.image_size
    embedding, mask = torch.zeros(1, GRID * GRID, EMBEDDING), torch.zeros(1, 1, 256, 256)
    ground = Ground(model)
    shared = dict(zip(SHARED, ground(embedding), strict=True))
    prompts = {"places": torch.ones(2, 3, 2), "kinds": torch.tensor([[1, 2, 3], [0, 2, 3]])}
    found = [
        Graph("encoder", Encoder(model), {"images": torch.zeros(1, 3, size, size)}, ("embedding",)),
        Graph("ground", ground, {"embedding": embedding}, SHARED),
        Graph("mask", ground, {"embedding": embedding, "mask": mask}, SHARED),
        Graph("decoder", Drawing(model), shared | prompts, ("logits", "iou"), tuple(prompts)),
    ]
    for graph in found:
        graph.module.eval().requires_grad_(False)
    return found


def export_model(
    model: Segmenter,
    out: Path,
    *,
    formats: Sequence[Format] = ("onnx",),
    half: bool = False,
    images: Sequence[NDArray[np.uint8]] = (),
    calibration: Sequence[NDArray[np.uint8]] = (),
    about: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a model's graphs into the folder `out`, and return what `model.json` says of them.

    Args:
        model: with its weights.
        out: made whole or not at all; an earlier export in it is replaced.
        formats: beside ONNX, which is always there: `openvino` (.xml, .bin), `torchscript` (.pt).
        half: store weights as float16; they are made float32 again when the graphs are loaded.
        images: on these, (H, W) or (H, W, 3), the graphs must do what the model does; default: two of matplotlib's.
        calibration: with any of these, an encoder in 8-bit integers is added, its ranges those seen on them.
        about: more to say in `model.json`.

    Raises:
        ExportError: a package is missing, a graph cannot be made, or does not do what the model does.
        OutputError: the folder cannot be written, or holds something else.
    """
    from train.export.agreement import check_exported, default_images, prepare_images

    model = model.eval()
    _check_place(out)
    samples = prepare_images(images or default_images(), model.preset.image_size)
    with replacing_folder(out) as part:
        with _quiet():
            made = graphs_of(model)
            for graph in made:
                write_onnx(graph, part / f"{graph.name}.onnx", half)
            if calibration:
                from train.export.quantise import quantise

                quantise(part, prepare_images(calibration, model.preset.image_size))
            for form in formats:
                if form == "openvino":
                    for graph in made:
                        write_openvino(part / f"{graph.name}.onnx", half)
                elif form == "torchscript":
                    for graph in made:
                        write_torchscript(graph, part / f"{graph.name}.pt")
        share_weights(part)
        told: dict[str, Any] = {
            "preset": model.preset.name,
            "image_size": model.preset.image_size,
            "pixels": "3 x S x S in [0, 1]",
            "half": half,
            "versions": {name: version(name) for name in ("torch", "onnx")},
            **(about or {}),
        }
        (part / ABOUT).write_bytes(describe(part, told))
        told["check"] = check_exported(model, part, formats, samples, half)
        (part / ABOUT).write_bytes(describe(part, told))
    return told


def write_onnx(graph: Graph, path: Path, half: bool = False) -> None:
    """Write a graph as ONNX.

    Raises:
        ExportError: a package is missing, or torch cannot make the graph.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch's exporter needs it, and tells so in ten lines
    except ModuleNotFoundError as error:
        raise ExportError(f"exporting needs {error.name}: pip install onnx onnxscript") from error
    any_size = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    try:
        program = torch.onnx.export(
            graph.module,
            tuple(graph.inputs.values()),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=tuple(any_size if name in graph.free else None for name in graph.inputs),
        )
    except torch.onnx.OnnxExporterError as error:
        raise ExportError(f"torch cannot export the {graph.name}: {error.__cause__ or error}") from error
    assert program is not None
    content = program.model_proto
    _forget_origins(content)
    if half:
        _store_as_half(content)
    onnx.save(content, path)


def _forget_origins(model: Any) -> None:
    """Take out the exporter's notes: stack traces, with paths of the machine that the graph was made on."""
    graph = model.graph
    named = (graph.node, graph.initializer, graph.value_info, graph.input, graph.output, model.functions)
    for part in (model, graph, *(one for parts in named for one in parts)):
        del part.metadata_props[:]
        part.ClearField("doc_string")


def _store_as_half(model: Any) -> None:
    """Store large float32 tensors as float16, each with a cast back that engines reckon once, when they load."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in list(model.graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < HALVED:
            continue
        halved = numpy_helper.to_array(tensor).astype(np.float16)
        if not np.isfinite(halved).all():
            raise ExportError(f"{tensor.name} has weights beyond float16's 65504: export without --half.")
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(halved, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], f"{name}.cast", to=TensorProto.FLOAT))
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + rest)
    onnx.checker.check_model(model)


def write_openvino(path: Path, half: bool = False) -> None:
    """Write an ONNX file as OpenVINO's .xml and .bin beside it.

    Raises:
        ExportError: OpenVINO is missing, or cannot read the graph.
    """
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise ExportError("--format openvino needs it: pip install openvino") from error
    try:
        openvino.save_model(openvino.convert_model(path), path.with_suffix(".xml"), compress_to_fp16=half)
    except RuntimeError as error:
        raise ExportError(f"OpenVINO cannot convert {path.name}: {error}") from error


def write_torchscript(graph: Graph, path: Path) -> None:
    """Write a graph as TorchScript, traced on its example.

    Raises:
        ExportError: torch cannot trace it.
    """
    try:
        with torch.no_grad():
            traced = torch.jit.trace(graph.module, tuple(graph.inputs.values()), check_trace=False)  # type: ignore[no-untyped-call]
            torch.jit.save(traced, path)
    except RuntimeError as error:
        raise ExportError(f"torch cannot trace the {graph.name}: {error}") from error


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Return the pixels of an 8-bit picture, grey (h, w) or RGB (h, w, 3).

    Raises:
        ExportError: the file cannot be read as one.
    """
    pixels = cv2.imread(str(path), cv2.IMREAD_ANYCOLOR)
    if pixels is None:
        raise ExportError(f"{path} cannot be read as a picture.")
    rgb = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if pixels.ndim == 3 else pixels
    return np.asarray(rgb, np.uint8)


def _check_place(out: Path) -> None:
    """Only an empty place or an earlier export is written over."""
    if out.exists() and not (out / ABOUT).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} holds something else than an exported model: give another folder.")


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch's exporters warn of their own internals and log each step."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
