"""The graphs run by OpenVINO; compiled once, and kept in the user's cache folder."""

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from predict.engines.blob_cache import Kept
from predict.engines.exported import INT8_ENCODER, Exported
from predict.engines.graphs import Array, Graph, GraphEngine
from predict.errors import ModelError

# Importing OpenVINO would report an event over the network; without the package that does so, it goes on in silence.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino  # noqa: E402

AT_ONCE = 2
"""Objects in one batch of the decoder: more of them take no less time each, one alone 5 % more."""
PRECISIONS = {"f32": "f32", "bf16": "bf16", "int8": "f32"}


@cache
def shared_core() -> Any:
    """Return the one `openvino.Core` of this process.

    The first Core gives its thread another stack for signal handlers and takes it away when it ends. Of two that do not
    end in the reverse order, the last puts back what is gone, and the next signal (Ctrl-C, a data loader's worker that
    ends) kills the process.
    """
    return openvino.Core()


def has_bfloat16() -> bool:
    """Tell whether the CPU has instructions for bfloat16.

    OpenVINO lists BF16 for AVX512_BF16, AMX and AVX-VNNI-2 (read: its plugin.cpp), and not for CPUs on which it would
    imitate them, which is slow.
    """
    return "BF16" in shared_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoEngine(GraphEngine):
    """Runs exported graphs on the CPU.

    Raises:
        ModelError: the CPU cannot reckon in bfloat16.
    """

    def __init__(self, model: Exported, threads: int | None, precision: str, folder: Path) -> None:
        core = shared_core()
        abilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and not has_bfloat16():
            raise ModelError("this CPU has no bfloat16: use --precision f32.")
        # Without the hint, CPUs that have bfloat16 would use it unasked.
        common = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": PRECISIONS[precision]}
        if threads is not None:
            common["INFERENCE_NUM_THREADS"] = str(threads)
        cpu = f"{core.get_property('CPU', 'FULL_DEVICE_NAME')} {' '.join(sorted(abilities))}"
        self.remarks: list[str] = []

        def open_graph(name: str) -> Graph:
            file = INT8_ENCODER if name == "encoder" and precision == "int8" else name
            # Snippets make attention one kernel, which is slow where few tokens ask thousands of places.
            config = common | ({"SNIPPETS_MODE": "DISABLE"} if name == "decoder" else {})

            # For inputs of any number, memory could not be laid out beforehand: 8 % of the decoder's time.
            @cache
            def compile_for(*shapes: tuple[int, ...]) -> Any:
                kept = Kept(
                    folder / "compiled", model.digests[file], repr(shapes), openvino.__version__, cpu, repr(config)
                )
                compiled = self._load(core, model.path(file), shapes, kept, config)
                return compiled.create_infer_request(), compiled.outputs

            def run(inputs: Sequence[Array]) -> Sequence[Array]:
                request, outputs = compile_for(*(one.shape for one in inputs))
                results = request.infer(list(inputs), share_inputs=True, share_outputs=True)
                return [results[port] for port in outputs]

            return run

        super().__init__(model.image_size, open_graph, AT_ONCE, precision)

    def _load(
        self, core: Any, path: Path, shapes: Sequence[tuple[int, ...]], kept: Kept, config: dict[str, str]
    ) -> Any:
        content = kept.read()
        if content is not None:
            try:
                return core.import_model(content, "CPU", config)
            except RuntimeError:
                pass  # of a build that calls itself the same but is another: compiled anew
        graph = core.read_model(path)
        graph.reshape(dict(enumerate(shapes)))
        compiled = core.compile_model(graph, "CPU", config)
        remark = kept.write(compiled.export_model().getvalue())
        if remark is not None and remark not in self.remarks:
            self.remarks.append(remark)
        return compiled
