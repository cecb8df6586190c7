"""An encoder in 8-bit integers, whose ranges were seen on real images."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.pixels import PixelReader
from catalog.samples import Samples
from predict.engines.exported import INT8_ENCODER
from predict.errors import ExportError

LINEAR = ["MatMul", "Gemm"]
"""What is reckoned in integers where there is any: layers that read what a norm has evened out. LiteMedSAM's
convolutions read sums with outliers: with them in integers its masks have a mean Dice of 0.75 with its own in float32,
with the linear layers alone 0.96 (11 images, one of each modality)."""
CONVOLUTIONS = ["Conv"]
"""What is, in an encoder that has nothing else."""


def calibration_images(samples: Samples, count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Return images of a corpus, (h, w) or (h, w, 3), as many of each modality as `count` allows, drawn by the seed.

    The samples' column `modality` must have been loaded.
    """
    modality, kinds = samples.groups(["modality"])
    first = samples.grouped[samples.starts[:-1]]
    order = np.random.default_rng(seed).permutation(first)
    turns = [order[modality[order] == kind] for kind in range(kinds)]
    dealt = sorted(((place, kind) for kind, rows in enumerate(turns) for place in range(len(rows))))[:count]
    reader = PixelReader(samples.root)
    places = [samples.place(int(turns[kind][place])) for place, kind in dealt]
    return [reader.image(one.image, one.image_index) for one in places]


def quantise(folder: Path, images: Sequence[NDArray[np.float32]]) -> None:
    """Write an 8-bit twin of the folder's encoder beside it, calibrated on images (3, S, S).

    Weights are signed, a scale for each output channel; activations have one scale for a tensor (static quantisation by
    ONNX Runtime, written as pairs of QuantizeLinear and DequantizeLinear, which OpenVINO reads too).

    Raises:
        ExportError: ONNX Runtime, which does this, is missing.
    """
    try:
        import onnx
        from onnxruntime.quantization import (
            CalibrationDataReader,
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ModuleNotFoundError as error:
        raise ExportError(f"--int8 needs {error.name}: pip install onnxruntime onnx sympy") from error

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._images: Iterator[NDArray[np.float32]] = iter(images)

        def get_next(self) -> dict[str, Any] | None:
            image = next(self._images, None)
            return None if image is None else {"images": image[None]}

    source, ready = folder / "encoder.onnx", folder / "encoder.ready.onnx"
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    try:
        quant_pre_process(source, ready, skip_symbolic_shape=True)
        graph = onnx.load(ready).graph
        weights = {one.name for one in graph.initializer}
        linear = any(node.op_type in LINEAR and node.input[1] in weights for node in graph.node)
        quantize_static(
            ready,
            folder / f"{INT8_ENCODER}.onnx",
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=LINEAR if linear else CONVOLUTIONS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"MatMulConstBOnly": True},  # products of two activations, in attention, stay in float32
        )
    finally:
        logging.getLogger().setLevel(level)
        ready.unlink(missing_ok=True)
