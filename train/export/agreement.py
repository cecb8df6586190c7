"""Whether graphs do what the model does that they were made of, on real images."""

import gzip
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from predict.engines.engine import Prompts
from predict.engines.exported import INT8_ENCODER, read_exported
from predict.engines.graphs import Array, GraphEngine, RunGraph
from predict.errors import ExportError
from predict.prepare import fit_to, prepare_pixels
from train.models.segmenter import Segmenter

LIMIT = 1e-3
"""Of float32 graphs: the greatest difference, in parts of the greatest value."""
HALF_LIMIT = 3e-2
"""Of graphs whose weights were rounded to float16."""
INT8_DICE = 0.8
"""Of an 8-bit encoder: the least mean Dice of its masks, of arbitrary boxes, with those of the model."""
BOXES = np.array([[40, 40, 120, 120], [100, 60, 220, 200], [10, 150, 90, 240], [0, 0, 255, 255]])
"""Boxes to draw masks for, of 256 pixels."""


def default_images() -> list[NDArray[np.uint8]]:
    """Return two images that come with matplotlib: a slice of a head's MR and a photograph."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise ExportError("there is no image to check the graphs on: give some with --check-image.")
    folder = Path(spec.origin).parent / "mpl-data" / "sample_data"
    with gzip.open(folder / "s1045.ima.gz") as file:
        head = np.frombuffer(file.read(), np.uint16).astype(np.float32).reshape(256, 256)
    photo = cv2.imread(str(folder / "grace_hopper.jpg"))
    return [(head / head.max() * 255).astype(np.uint8), cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)]


def prepare_images(images: Sequence[NDArray[np.uint8]], size: int) -> list[NDArray[np.float32]]:
    """Return images (H, W) or (H, W, 3) as the model takes them, (3, S, S)."""
    return [prepare_pixels(one, fit_to(one.shape[0], one.shape[1], size)) for one in images]


def check_exported(
    model: Segmenter, folder: Path, formats: Sequence[str], images: Sequence[NDArray[np.float32]], half: bool = False
) -> dict[str, dict[str, float]]:
    """Return, for each format that lies in a folder, how far its graphs are from the model.

    Raises:
        ExportError: they are further than rounding explains, or nothing is installed that runs them.
    """
    size, found = model.preset.image_size, {}
    for form in dict.fromkeys(("onnx", *formats)):
        if form == "torchscript":
            engine = GraphEngine(size, lambda name: _open_torchscript(folder / f"{name}.pt"), len(BOXES))
        elif form == "openvino":
            engine = GraphEngine(size, lambda name: _open_openvino(folder / f"{name}.xml"), len(BOXES))
        else:
            engine = _open_onnx(folder, "f32")
        found[form] = check_engine(model, engine, images, half)
    if INT8_ENCODER in read_exported(folder).digests:
        found["int8"] = check_int8(model, _open_onnx(folder, "int8"), images)
    return found


def _open_onnx(folder: Path, precision: str) -> GraphEngine:
    try:
        from predict.engines.onnxruntime import OnnxRuntimeEngine
    except ModuleNotFoundError as error:
        raise ExportError("the graphs are checked by ONNX Runtime: pip install onnxruntime") from error
    return OnnxRuntimeEngine(read_exported(folder), None, precision)


def _open_openvino(path: Path) -> RunGraph:
    from predict.engines.openvino import shared_core

    compiled = shared_core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: list(compiled(list(inputs)).values())


def _open_torchscript(path: Path) -> RunGraph:
    module = torch.jit.load(path)  # type: ignore[no-untyped-call]

    @torch.inference_mode()
    def run(inputs: Sequence[Array]) -> Sequence[Array]:
        outputs = module(*(torch.from_numpy(one) for one in inputs))
        return [one.numpy() for one in (outputs if isinstance(outputs, tuple) else (outputs,))]

    return run


def check_engine(
    model: Segmenter, engine: GraphEngine, images: Sequence[NDArray[np.float32]], half: bool = False
) -> dict[str, float]:
    """Return how far graphs are from the model: parts of the greatest value, and pixels of masks that differ.

    Raises:
        ExportError: they are further than rounding explains; the figures are in the message.
    """
    scale = model.preset.image_size // 256
    prompts = {"boxes": Prompts(boxes=BOXES * scale), "mask": _mask_prompt(scale)}
    worst = dict.fromkeys(("embedding", "logits", "iou", "masked_logits"), 0.0)
    turned, pixels = 0, 0
    for image in images:
        with torch.no_grad():
            embedding = model.embed(torch.from_numpy(image)[None])
        worst["embedding"] = max(worst["embedding"], _difference(engine.embed(image), embedding.numpy()))
        for kind, prompt in prompts.items():
            logits, iou = _reference(model, embedding, prompt)
            found = list(engine.decode(embedding.numpy(), prompt))
            drawn = np.concatenate([one.logits for one in found])
            key = "logits" if kind == "boxes" else "masked_logits"
            worst[key] = max(worst[key], _difference(drawn, logits))
            worst["iou"] = max(worst["iou"], _difference(np.concatenate([one.iou for one in found]), iou))
            turned += int(((drawn > 0) != (logits > 0)).sum())
            pixels += drawn.size
    limit = HALF_LIMIT if half else LIMIT
    figures = {name: float(f"{value:.3g}") for name, value in worst.items()}
    if not all(value <= limit for value in worst.values()):  # not a number fails, too
        told = ", ".join(f"{name} {value:g}" for name, value in figures.items())
        raise ExportError(f"the graphs do not do what the model does: they differ by {told} (of 1; at most {limit:g}).")
    return figures | {"pixels": pixels, "turned": turned}


@torch.no_grad()
def check_int8(model: Segmenter, engine: GraphEngine, images: Sequence[NDArray[np.float32]]) -> dict[str, float]:
    """Return the mean and least Dice of the masks that an 8-bit encoder leads to with those of the model.

    Raises:
        ExportError: the mean is below `INT8_DICE`.
    """
    prompts = Prompts(boxes=BOXES * (model.preset.image_size // 256))
    dice = []
    for image in images:
        expected = _reference(model, model.embed(torch.from_numpy(image)[None]), prompts)[0] > 0
        drawn = np.concatenate([one.logits for one in engine.decode(engine.embed(image), prompts)]) > 0
        both, total = (drawn & expected).sum((1, 2)), drawn.sum((1, 2)) + expected.sum((1, 2))
        dice += (2 * both[total > 0] / total[total > 0]).tolist()
    mean = float(np.mean(dice)) if dice else 1.0
    if not mean >= INT8_DICE:
        raise ExportError(
            f"the 8-bit encoder's masks have a mean Dice of {mean:.3f} with the model's, not {INT8_DICE}."
        )
    return {"dice": round(mean, 4), "least_dice": round(min(dice, default=1.0), 4)}


def _mask_prompt(scale: int) -> Prompts:
    y, x = np.mgrid[:256, :256]
    disc = (12 - np.hypot(y - 100, x - 110) / 4).clip(-10, 10).astype(np.float32)
    point = np.array([[[110, 100], [30, 30]]], np.float32) * scale
    return Prompts(points=point, signs=np.array([[1, 0]]), masks=disc[None])


@torch.no_grad()
def _reference(
    model: Segmenter, embedding: torch.Tensor, prompts: Prompts
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what the segmenter itself draws."""
    places, kinds = (torch.from_numpy(one) for one in prompts.tokens())
    masks = None if prompts.masks is None else torch.from_numpy(prompts.masks)[:, None]
    encoder = model.prompt_encoder
    tokens, dense = encoder.tokens(places, kinds), encoder.dense(masks)
    logits, iou = model.mask_decoder(embedding, encoder.dense_positions(), tokens, dense)
    return logits[:, 0].numpy(), iou[:, 0].numpy()


def _difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max() / np.abs(expected).max())
