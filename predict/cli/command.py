"""`predict`: cases with boxes into masks.

Exit status: 0 done, 1 done but something failed, 2 asked wrongly. Heavy imports stand inside the command.
"""

import json
import os
import re
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import typer

from catalog.errors import MedcorpusError
from predict.cli import options
from predict.cli.selection_options import Every, Only, Shares, SplitSeed, Without, select, split_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curate.imaging.window import Window
    from predict.inputs.case import Source

DEFAULT_MODEL = "effnet-lite0"
MEMORY = "512M"
EXTRAS = {
    "openvino": "predict",
    "onnxruntime": "predict",
    "torch": "train",
    "scipy": "train",
    "surface_distance": "train",
}
"""Libraries that are not always there, and the extra that brings each."""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def predict(
    out: options.Out,
    folder: options.Folder = None,
    manifest: options.Manifest = None,
    boxes: options.Boxes = None,
    boxes_from: options.BoxesFrom = None,
    points: options.Points = None,
    masks: options.Masks = None,
    truth: options.Truth = None,
    window: options.Window = "none",
    model: options.Model = DEFAULT_MODEL,
    engine: options.Engine = options.EngineName.auto,
    precision: options.Precision = options.PrecisionName.auto,
    threads: options.Threads = None,
    cache: options.Cache = None,
    propagation: options.Propagation = options.PropagationName.clean,
    memory: options.Memory = MEMORY,
    min_iou: options.MinIou = None,
    score: options.Score = False,
    overlay: options.Overlay = None,
    as_json: options.AsJson = False,
    jitter: options.Jitter = 0,
    seed: options.Seed = 0,
    split: options.Split = "all",
    only: Only = None,
    without: Without = None,
    every: Every = 1,
    shares: Shares = None,
    split_seed: SplitSeed = 0,
) -> None:
    """Segment what boxes, points or masks point at, in images and volumes."""
    from predict.errors import OptionError

    if (folder is None) == (manifest is None):
        raise OptionError("give either a folder of cases or --manifest")
    if boxes_from not in (None, options.FROM_TRUTH):
        raise OptionError(f"--boxes-from {boxes_from}: it can be gts alone; a file of boxes goes to --boxes")
    if boxes is not None and boxes_from is not None:
        raise OptionError("--boxes and --boxes-from: boxes come from one of them")
    kept_bytes, chosen_window = _bytes(memory), _window(window)
    strays: dict[str, str] = {}
    sources: Sequence[Source]
    if manifest is not None:
        folders = {"--boxes": boxes, "--boxes-from": boxes_from, "--points": points, "--masks": masks, "--truth": truth}
        if told := [name for name, value in folders.items() if value is not None]:
            raise OptionError(f"--manifest takes boxes and labels from the masks of the corpus: leave out {told[0]}")
        from predict.inputs.corpus import COLUMNS, corpus_images

        samples = select(manifest, only, without, every, shares, split_seed).load(split_of(split), COLUMNS)
        sources = corpus_images(samples, jitter, seed, score)
        taken = {"--manifest": samples.root}
    else:
        assert folder is not None
        if told := [name for name, value in {"--only": only, "--without": without}.items() if value]:
            raise OptionError(f"{told[0]} chooses masks of a --manifest; a folder is taken whole")
        from predict.inputs.folder import find_sources
        from predict.inputs.request import Request
        from predict.prompts.tables import read_boxes, read_points

        request = Request(
            boxes={} if boxes is None else read_boxes(boxes),
            points={} if points is None else read_points(points),
            masks=masks,
            truth=truth,
            score=score,
            boxes_from_truth=boxes_from is not None,
            jitter=jitter,
            seed=seed,
            window=chosen_window,
        )
        sources, strays = find_sources(folder, request)
        taken = {"the cases": folder, **{f"--{n}": f for n, f in (("masks", masks), ("truth", truth)) if f is not None}}

    from predict.outputs.labels import check_apart, make_folder

    check_apart(out, overlay, taken)
    if score:
        import_module("predict.scoring.score_case")  # what it needs and lacks is told before anything is done
    from predict.engines.open_engine import open_engine

    opened, remarks = open_engine(engine.value, model, threads=threads, precision=precision.value, cache=cache)
    for place in (out, overlay):
        if place is not None:
            make_folder(place)

    from catalog.progress import Progress
    from predict.cli.score_table import print_scores, write_tables
    from predict.outputs.summary import to_json
    from predict.run import Wanted, predict_cases

    wanted = Wanted(out, propagation.value, kept_bytes, min_iou, overlay, score)
    with Progress(len(sources), step="slice") as progress:
        for remark in remarks:
            progress.say(f"{model}: {remark}")
        done = predict_cases(sources, strays, opened, wanted, progress)
    write_tables(out, done.outcomes, score)
    if as_json:
        summary = to_json(done.outcomes, done.failed, opened.precision)
        print(json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        if score and done.outcomes:
            print_scores(done.outcomes)
        objects, seconds = sum(one.boxes for one in done.outcomes), sum(one.seconds for one in done.outcomes)
        sums = f"{objects} boxes in {seconds:.1f} s, {opened.precision}"
        faults = f", {len(done.failed)} failed" if done.failed else ""
        print(f"{len(done.outcomes)} of {len(sources)} cases, {sums}: {out}{faults}")
    if done.failed or done.stopped:
        raise typer.Exit(1)


def _window(text: str) -> "Window":
    from curate.imaging.window import parse_window

    try:
        return parse_window(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--window") from None


def _bytes(text: str) -> int:
    """Return the bytes of `1G`, `512M` or a plain number."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip(), re.IGNORECASE)
    if match is None or not float(match[1]):
        raise typer.BadParameter(f"{text!r} is no size; write 1G or 512M", param_hint="--memory")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def main() -> None:
    """Run the command line; trouble that a user can mend ends in one message."""
    try:
        app()
    except MedcorpusError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        print(f"error: this needs {error.name}: pip install 'medcorpus[{EXTRAS[error.name]}]'", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
