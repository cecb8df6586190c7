"""The engine of ONNX Runtime."""

from collections.abc import Sequence

import onnxruntime

from predict.engines.exported import INT8_ENCODER, Exported
from predict.engines.graphs import Array, GraphEngine, RunGraph

AT_ONCE = 8
"""Objects in one batch of the decoder; larger batches are not faster and take 25 MB more for each object."""


class OnnxRuntimeEngine(GraphEngine):
    """Run exported graphs on the CPU in float32, or with an encoder in 8-bit integers."""

    def __init__(self, model: Exported, threads: int | None, precision: str) -> None:
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads

        def open_graph(name: str) -> RunGraph:
            path = model.path(INT8_ENCODER if name == "encoder" and precision == "int8" else name)
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            names = [one.name for one in session.get_inputs()]

            def run(inputs: Sequence[Array]) -> Sequence[Array]:
                outputs: list[Array] = session.run(None, dict(zip(names, inputs, strict=True)))
                return outputs

            return run

        super().__init__(model.image_size, open_graph, AT_ONCE, precision)
