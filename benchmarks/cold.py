"""Fresh processes, as the challenge times them: from the start of Python to a result on disk."""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.worker import split_precision

FIRST = "2DBox_US_0525"
"""The case of the cold start, 256 x 256 with one box."""


def time_cold(models: Sequence[str], threads: int, rounds: int, folder: Path) -> dict[str, dict[str, float]]:
    """Time fresh processes on one image: to the first result on disk, and to their end; ours also without a cache."""
    place = folder / "cold"
    (place / "in").mkdir(parents=True)
    (place / "in" / f"{FIRST}.npz").hardlink_to(folder / f"{FIRST}.npz")
    peer = (
        "from pathlib import Path; from benchmarks.{0} import {1}; "
        "{1}.open({2}threads={3}).run(Path({4!r}), Path({5!r}))"
    )
    case, out = str(place / "in" / f"{FIRST}.npz"), place / "out"
    python = [sys.executable, "-c"]
    commands = {
        "a": [*python, peer.format("official", "Official", "", threads, case, str(out))],
        "b": [*python, peer.format("once", "Once", f"Path({str(folder)!r}), ", threads, case, str(out))],
    }
    for model in models:
        command = [*python, "from predict.cli import main; main()", str(place / "in"), "--out", str(out)]
        name, precision = split_precision(model)
        commands[model] = [*command, "--model", name, "--precision", precision, "--threads", str(threads)]
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            out.mkdir()
            runs[name].append(_watch(command, out / f"{FIRST}.npz"))
            (out / f"{FIRST}.npz").unlink()
            out.rmdir()
    return {
        name: {
            "result": statistics.median(first for first, _ in many[1:]),
            "end": statistics.median(last for _, last in many[1:]),
            "without_cache": many[0][0],
        }
        for name, many in runs.items()
    }


def _watch(command: list[str], result: Path) -> tuple[float, float]:
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    there = None
    while process.poll() is None:
        if there is None and result.exists():
            there = time.perf_counter() - start
        time.sleep(0.001)
    if process.returncode or not result.exists():
        raise RuntimeError(f"exit status {process.returncode}: {' '.join(command)}")
    end = time.perf_counter() - start
    return there or end, end
