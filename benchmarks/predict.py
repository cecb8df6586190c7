"""How fast `predict` is on the challenge's 14 cases, against the baseline and the strongest entries' way, in one run.

    python -m benchmarks.predict CORPUS [--model NAME ...] [--quick] [--json FILE]

CORPUS is a folder that `curate run` wrote; cases whose modality it lacks are left out. (a) is the challenge's baseline
in eager PyTorch (benchmarks/official.py), (b) the same weights in OpenVINO, each slice encoded once and boxes decoded
one by one (benchmarks/once.py), then come ours. Seconds are from the file read to the file written, models loaded; the
methods take turns case by case, each in a process of its own. Of a volume (a) goes through some slices only, and is
scaled up to all of them. Also printed: geometric means, each process's peak memory, a fresh process's time to its first
result, and the share of the machine's matrix product rate that the encoder reaches.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import CASES, Timed, make_case, quick
from benchmarks.cold import FIRST, time_cold
from benchmarks.once import export
from benchmarks.tables import print_report
from benchmarks.worker import Worker, fresh, split_precision
from catalog.corpus import Corpus

MODELS = ("lite-medsam", "lite-medsam@bf16", "repvit-m0.6@bf16", "effnet-lite0", "effnet-lite0@bf16")
"""Ours: the peers' own weights first, then the students; bf16 is what `predict` takes where the CPU has it."""


def main() -> None:
    """Make the cases, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="what `curate run` wrote")
    parser.add_argument("--model", nargs="+", default=MODELS, help="ours: names or files, with @bf16 or @int8 if so")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=12, help="slices and boxes of a volume that (a) goes through")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of an image and of the cold start; their median")
    parser.add_argument("--quick", action="store_true", help="an eighth of the slices, one round")
    parser.add_argument("--only", nargs="+", metavar="CASE", help="these cases alone")
    parser.add_argument("--json", type=Path, help="write all figures here")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    with tempfile.TemporaryDirectory() as name:
        report = run(options, Path(name))
    print_report(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Measure everything."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")  # what is compiled before belongs to no one's figures
    cases = make_cases(options, folder)
    fresh(export, folder)
    cold = time_cold(options.model, options.threads, options.rounds, folder)
    kinds = {"a": ("official", options.steps), "b": ("once", folder)}
    kinds |= {model: ("ours", model) for model in options.model}
    workers = {name: Worker(kind, argument, options.threads) for name, (kind, argument) in kinds.items()}
    for name, worker in workers.items():
        (folder / _file(name)).mkdir()
        worker.call("run", folder / f"{FIRST}.npz", folder / _file(name))  # warms up
    rows = []
    for timed in cases:
        rows.append(time_case(timed, workers, folder, 1 if timed.is_volume else options.rounds))
        shown = ", ".join(f"{name} {answer['seconds']:.2f} s" for name, answer in rows[-1]["methods"].items())
        print(f"{timed.name}: {shown}", file=sys.stderr, flush=True)
    encoders = {model: time_encoder(workers[model], model, folder) for model in options.model}
    for worker in workers.values():
        worker.close()
    return {"threads": options.threads, "quick": options.quick, "cases": rows, "cold": cold, "encoders": encoders}


def make_cases(options: argparse.Namespace, folder: Path) -> list[Timed]:
    """Write the cases; one that the corpus has no content for is told and left out."""
    corpus = Corpus.open(options.corpus)
    made = []
    for timed in CASES:
        if options.only and timed.name not in (*options.only, FIRST):
            continue
        timed = quick(timed) if options.quick else timed
        try:
            make_case(timed, corpus, folder / f"{timed.name}.npz")
        except ValueError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        made.append(timed)
    return made


def time_case(timed: Timed, workers: dict[str, Worker], folder: Path, rounds: int) -> dict[str, Any]:
    """Run a case by every method in turn, round by round."""
    path = folder / f"{timed.name}.npz"
    answers: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            answers[name].append(worker.call("run", path, folder / _file(name)))
    methods = {
        name: {
            **{key: statistics.median(one[key] for one in many) for key in many[0]},
            "peak": max(one["peak"] for one in many),
        }
        for name, many in answers.items()
    }
    segs = {name: folder / _file(name) / path.name for name in workers}
    agreement = {name: agree(segs["b"], segs[name], timed.objects) for name in workers if name not in ("a", "b")}
    return {
        "name": timed.name,
        "shape": timed.shape,
        "objects": timed.objects,
        "methods": methods,
        "agreement": agreement,
    }


def agree(one: Path, other: Path, objects: int) -> float:
    """Return the mean Dice of the labels 1 to `objects` in two results; an object that both leave empty counts 1."""
    first, second = (np.load(path)["segs"].ravel() for path in (one, other))
    sizes = [np.bincount(labels, minlength=objects + 1)[1:] for labels in (first, second)]
    both = np.bincount(first[first == second], minlength=objects + 1)[1:]
    total = sizes[0] + sizes[1]
    return float(np.where(total > 0, 2 * both / np.maximum(total, 1), 1).mean())


def time_encoder(worker: Worker, model: str, folder: Path) -> dict[str, float]:
    """Return the encoder's seconds, its GMACs and the share of the matrix product rate measured in the same process."""
    from train.models.cost import cost
    from train.models.load import parse_model

    gmacs = cost(parse_model(split_precision(model)[0])[0]).gmacs
    answer = worker.call("encoder", folder / f"{FIRST}.npz")
    rate = gmacs / answer["seconds"]
    return {**answer, "gmacs": gmacs, "share": rate / answer["peak_gmacs"]}


def _file(name: str) -> str:
    """A method's name as that of a folder."""
    return "out-" + "".join(letter if letter.isalnum() else "-" for letter in name)


if __name__ == "__main__":
    main()
