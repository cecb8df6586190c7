"""The graphs run by torch itself."""

from collections.abc import Sequence

import torch

from predict.engines.graphs import Array, GraphEngine, RunGraph
from train.models.deployed import Drawing, Encoder, Ground
from train.models.load import load_model
from train.models.segmenter import Segmenter

AT_ONCE = 4
"""Objects in one batch of the decoder: more of them take no less time each, and 30 MB each."""


class TorchEngine(GraphEngine):
    """Runs a segmenter in float32 on the CPU; `size` is the edge of its image in pixels."""

    def __init__(self, model: Segmenter, threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        model = model.eval()

        def open_graph(name: str) -> RunGraph:
            module = {"encoder": Encoder, "ground": Ground, "mask": Ground, "decoder": Drawing}[name](model).eval()

            @torch.inference_mode()
            def run(inputs: Sequence[Array]) -> Sequence[Array]:
                outputs = module(*(torch.from_numpy(one) for one in inputs))
                return [one.numpy() for one in (outputs if isinstance(outputs, tuple) else (outputs,))]

            return run

        super().__init__(model.preset.image_size, open_graph, AT_ONCE)


def open_torch(model: str, threads: int | None = None) -> tuple[TorchEngine, tuple[str, ...]]:
    """Return the engine of the weights `model` (see `load_model`) and the remarks of loading them."""
    segmenter, remarks = load_model(model)
    return TorchEngine(segmenter, threads), remarks
