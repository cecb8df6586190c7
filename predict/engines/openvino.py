"""The engine of OpenVINO; compiled graphs are cached on disk."""

import sys
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from predict.engines.blob_cache import BlobCache
from predict.engines.exported import INT8_ENCODER, Exported
from predict.engines.graphs import Array, GraphEngine, RunGraph
from predict.errors import ModelError

# Importing OpenVINO would report an event over the network; without its telemetry package it does not.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino  # noqa: E402

AT_ONCE = 2
"""Objects in one batch of the decoder; larger batches are not faster, single objects take 5 % longer."""
SHAPES = 6
"""Most shapes of inputs for which one graph is held compiled; a decoder takes 60 MB for each."""
PRECISIONS = {"f32": "f32", "bf16": "bf16", "int8": "f32"}


@cache
def shared_core() -> Any:
    """Return the one `openvino.Core` of this process.

    A Core gives its thread another stack for signal handlers, and restores the old one when it ends. If two Cores do
    not end in reverse order, the last restores a stack that is gone, and the next signal (Ctrl-C, a data loader's
    worker that ends) kills the process.
    """
    return openvino.Core()


def has_bfloat16() -> bool:
    """Return whether the CPU has instructions for bfloat16.

    OpenVINO lists BF16 for AVX512_BF16, AMX and AVX-VNNI-2 (read: its plugin.cpp), and not for CPUs on which it would
    emulate them, which is slow.
    """
    return "BF16" in shared_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoEngine(GraphEngine):
    """Run exported graphs on the CPU.

    Raises:
        ModelError: the CPU does not support bfloat16.
    """

    def __init__(self, model: Exported, threads: int | None, precision: str, folder: Path) -> None:
        core = shared_core()
        abilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and not has_bfloat16():
            raise ModelError("the CPU does not support bfloat16: use --precision f32.")
        # Without the hint, OpenVINO uses bfloat16 wherever the CPU has it.
        common = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": PRECISIONS[precision]}
        if threads is not None:
            common["INFERENCE_NUM_THREADS"] = str(threads)
        cpu = f"{core.get_property('CPU', 'FULL_DEVICE_NAME')} {' '.join(sorted(abilities))}"
        self.cache_faults: list[str] = []
        """Why compiled graphs could not be cached."""

        def open_graph(name: str) -> RunGraph:
            file = INT8_ENCODER if name == "encoder" and precision == "int8" else name
            # Snippets make attention one kernel, which is slow where few tokens attend to thousands of positions.
            config = common | ({"SNIPPETS_MODE": "DISABLE"} if name == "decoder" else {})

            # A graph for inputs of any size cannot plan its memory: 8 % of the decoder's time.
            @lru_cache(SHAPES)
            def compile_for(*shapes: tuple[int, ...]) -> Any:
                blob = BlobCache(
                    folder / "compiled", model.digests[file], repr(shapes), openvino.__version__, cpu, repr(config)
                )
                compiled = self._load(core, model.path(file), shapes, blob, config)
                return compiled.create_infer_request(), compiled.outputs

            def run(inputs: Sequence[Array]) -> Sequence[Array]:
                request, outputs = compile_for(*(one.shape for one in inputs))
                results = request.infer(list(inputs), share_inputs=True, share_outputs=True)
                return [results[port] for port in outputs]

            return run

        super().__init__(model.image_size, open_graph, AT_ONCE, precision)

    def _load(
        self, core: Any, path: Path, shapes: Sequence[tuple[int, ...]], blob: BlobCache, config: dict[str, str]
    ) -> Any:
        content = blob.read()
        if content is not None:
            try:
                return core.import_model(content, "CPU", config)
            except RuntimeError:
                pass  # compiled by another build of the same version: compile again
        graph = core.read_model(path)
        graph.reshape(dict(enumerate(shapes)))
        compiled = core.compile_model(graph, "CPU", config)
        fault = blob.write(compiled.export_model().getvalue())
        if fault is not None and fault not in self.cache_faults:
            self.cache_faults.append(fault)
        return compiled
