"""Methods in processes of their own, so that memory and warmth are each one's own."""

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

EDGE = 3072
"""Of the matrices whose product the encoders are compared with."""


class Method(Protocol):
    """Segments a case from a file into a file of the same name in `out`; returns at least `seconds`."""

    def run(self, path: Path, out: Path) -> dict[str, float]: ...  # noqa: D102


class Ours:
    """`predict`'s own path, from the file read to the file written; `model` may end in @bf16 or @int8."""

    def __init__(self, model: str, threads: int) -> None:
        from predict.engines.open_engine import open_engine

        name, precision = split_precision(model)
        self._engine, _ = open_engine("auto", name, threads=threads, precision=precision)
        self._threads = threads

    def run(self, path: Path, out: Path) -> dict[str, float]:
        """Segment a case."""
        from predict.inputs.challenge import ChallengeFile
        from predict.predict_options import PredictOptions
        from predict.run import predict_case

        start = time.perf_counter()
        predict_case(ChallengeFile.from_path(path), self._engine, PredictOptions(out, overlaps="last"))
        return {"seconds": time.perf_counter() - start}

    def encoder(self, path: Path, rounds: int = 9) -> dict[str, float]:
        """Return the encoder's least seconds on an image, and the most GMAC/s of a matrix product taking turns with it.

        The product is OpenVINO's, in the model's own precision: NumPy's is slower than some encoders.
        """
        from predict.inputs.challenge import ChallengeFile
        from predict.prepare import fit_to, prepare_pixels

        case = ChallengeFile.from_path(path).read()
        height, width = case.shape
        image = prepare_pixels(case.pixels, fit_to(height, width, self._engine.size))
        product = matrix_product(EDGE, self._threads, self._engine.precision)
        seconds, products = [], []
        for _ in range(rounds):
            start = time.perf_counter()
            self._engine.embed(image)
            middle = time.perf_counter()
            product()
            seconds.append(middle - start)
            products.append(time.perf_counter() - middle)
        return {"seconds": min(seconds), "peak_gmacs": EDGE**3 / min(products) / 1e9}


def matrix_product(edge: int, threads: int, precision: str) -> Callable[[], object]:
    """Return the product of two square matrices of random numbers, as OpenVINO reckons it."""
    import openvino
    from openvino import opset13

    from predict.engines.openvino import shared_core

    left, right = np.random.default_rng(0).random((2, edge, edge), np.float32)
    given = opset13.parameter(left.shape, np.float32)
    model = openvino.Model([opset13.matmul(given, opset13.constant(right), False, False)], [given])
    config = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}
    request = shared_core().compile_model(model, "CPU", config).create_infer_request()
    return lambda: request.infer([left], share_inputs=True, share_outputs=True)


def split_precision(model: str) -> tuple[str, Any]:
    """Return a model and its precision, of `lite-medsam` or `lite-medsam@bf16`."""
    name, _, precision = model.partition("@")
    return name, precision or "f32"


def open_method(kind: str, argument: Any, threads: int) -> Method:
    """Return a method ready to run: `official` and its steps, `once` and its folder, `ours` and a model."""
    if kind == "official":
        from benchmarks.official import Official

        return Official.open(threads=threads, steps=argument)
    if kind == "once":
        from benchmarks.once import Once

        return Once.open(argument, threads)
    return Ours(argument, threads)


class Worker:
    """A process that runs one method, case after case."""

    def __init__(self, kind: str, argument: Any, threads: int) -> None:
        os.environ["OPENBLAS_NUM_THREADS"] = str(threads)  # of the process to come
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, kind, argument, threads), daemon=True)
        self._process.start()
        theirs.close()

    def call(self, name: str, *arguments: Any) -> dict[str, float]:
        """Call the method's function of that name; the answer adds the process's seconds of `cpu` and `peak`, MB."""
        self._pipe.send((name, arguments))
        answer: dict[str, float] = self._pipe.recv()
        return answer

    def close(self) -> None:
        """End the process."""
        self._pipe.send(None)
        self._process.join()


def fresh(function: Callable[..., None], *arguments: Any) -> None:
    """Call in a process that ends with the call."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(function, arguments)


def _serve(pipe: Any, kind: str, argument: Any, threads: int) -> None:
    method = open_method(kind, argument, threads)
    while (task := pipe.recv()) is not None:
        name, arguments = task
        Path("/proc/self/clear_refs").write_text("5")  # the high water mark falls to what is held now
        before = time.process_time()
        answer = getattr(method, name)(*arguments)
        cpu = (time.process_time() - before) * answer.get("scale", 1)
        pipe.send({**answer, "cpu": cpu, "peak": _peak_memory()})


def _peak_memory() -> float:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
