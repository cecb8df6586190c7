"""The `predict` command: parse options, call the library, print the result.

Exit status: 0 done, 1 done but something failed, 2 usage or configuration error. Heavy imports are inside the command.
"""

import json
import os
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.errors import MedcorpusError
from catalog.sizes import parse_size
from predict.cli import options
from predict.cli.cases import CaseArguments, check_arguments, corpus_cases, default_out, folder_cases
from predict.cli.selection_options import Every, Only, Shares, SplitSeed, Without, select, split_of
from predict.errors import UsageError
from predict.presets import DEFAULT_MODEL

if TYPE_CHECKING:
    from predict.inputs.folder import FoundCases
    from predict.outputs.finished import Remaining
    from predict.run import RunResult

MEMORY = "512M"
EXTRAS = {
    "openvino": "predict",
    "onnxruntime": "predict",
    "torch": "train",
    "scipy": "train",
    "surface_distance": "train",
}
"""Libraries that may be missing, and the extra that installs each."""

app = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"medcorpus {version('medcorpus')}")
        raise typer.Exit


@app.command()
def predict(
    cases: options.CasesArgument = None,
    out: options.OutOption = None,
    manifest: options.CorpusOption = None,
    boxes: options.BoxesOption = None,
    box: options.BoxOption = None,
    boxes_from: options.BoxesFromOption = None,
    points: options.PointsOption = None,
    masks: options.MasksOption = None,
    truth: options.TruthOption = None,
    window: options.WindowOption = "none",
    model: options.ModelOption = DEFAULT_MODEL,
    engine: options.EngineOption = options.EngineChoice.auto,
    precision: options.PrecisionOption = options.PrecisionChoice.auto,
    threads: options.ThreadsOption = None,
    cache: options.CacheOption = None,
    propagation: options.PropagationOption = options.PropagationChoice.clean,
    memory: options.MemoryOption = MEMORY,
    min_iou: options.MinIouOption = None,
    overlaps: options.OverlapsOption = options.OverlapsChoice.smallest,
    overwrite: options.OverwriteOption = False,
    strict: options.StrictOption = False,
    score: options.ScoreOption = False,
    overlay: options.OverlayOption = None,
    as_json: options.SummaryOption = False,
    jitter: options.JitterOption = 0,
    seed: options.SeedOption = 0,
    split: options.SplitOption = "all",
    only: Only = None,
    without: Without = None,
    every: Every = 1,
    shares: Shares = None,
    split_seed: SplitSeed = 0,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Segment the objects that boxes, points or masks mark in images and volumes; finished cases are skipped."""
    arguments = CaseArguments(
        boxes, tuple(box or ()), boxes_from, points, masks, truth, window, jitter, seed, score, strict
    )
    check_arguments(cases, manifest, arguments, {"--only": only, "--without": without})
    memory_bytes = _bytes(memory)
    if manifest is not None:
        out = out or default_out(manifest)
        selection = select(manifest, only, without, every, shares, split_seed)
        found, root = corpus_cases(selection, split_of(split), arguments)
        taken = {"--manifest": root}
    else:
        assert cases is not None
        out = out or default_out(cases)
        found = folder_cases(cases, arguments, out, overlay)
        folders = (("the cases", cases), ("--masks", masks), ("--truth", truth))
        taken = {name: folder for name, folder in folders if folder is not None}

    from predict.outputs.labels import check_apart, make_folder

    check_apart(out, overlay, taken)
    if score:
        import_module("predict.scoring.score_case")  # a missing library is named before anything is done
    from predict.cli.notices import click_warning, trade_off
    from predict.engines.find import fingerprint
    from predict.engines.open_engine import open_engine

    opened, notes = open_engine(engine.value, model, threads=threads, precision=precision.value, cache=cache)
    for folder in (out, overlay):
        if folder is not None:
            make_folder(folder)

    from catalog.progress import Progress
    from predict.outputs.finished import FinishedCases
    from predict.outputs.tables import write_tables
    from predict.predict_options import PredictOptions
    from predict.run import predict_cases

    run_options = PredictOptions(out, propagation.value, memory_bytes, min_iou, overlaps.value, overlay, score)
    made_by = (fingerprint(model), type(opened).__name__, opened.precision)
    made_how = (propagation.value, min_iou, overlaps.value, None if overlay is None else str(overlay.resolve()), score)
    finished = FinishedCases(out, (*made_by, *made_how))
    remaining = finished.remaining(found.sources, overwrite)
    warnings = [click_warning(model, points is not None), None if as_json else trade_off(model)]
    with Progress(len(remaining.todo), step="slice") as progress:
        for line in (*(f"{model}: {note}" for note in notes), *(warning for warning in warnings if warning)):
            progress.say(line)
        for name, note in found.notes.items():
            progress.say(f"{name}: {note.text}")
        failed = {**found.failed, **remaining.refused}
        result = predict_cases(remaining.todo, failed, opened, run_options, progress, finished)
    outcomes = sorted((*remaining.finished, *result.outcomes), key=lambda outcome: outcome.name)
    write_tables(out, finished.outcomes(), outcomes if score else ())
    if as_json:
        from predict.outputs.summary import to_json

        summary = to_json(outcomes, result.failed, opened.precision, len(remaining.finished), found.notes)
        print(json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        if score and outcomes:
            from predict.cli.score_table import print_scores

            print_scores(outcomes)
        print(_last_line(found, remaining, result, opened.precision, out))
    if result.failed or result.interrupted:
        raise typer.Exit(1)


def _last_line(found: "FoundCases", remaining: "Remaining", result: "RunResult", precision: str, out: Path) -> str:
    """Return the last line of a run: what was done in which time, what was not, and what was noted."""
    from predict.notes import tally

    objects = sum(outcome.boxes for outcome in result.outcomes)
    seconds = sum(outcome.seconds for outcome in result.outcomes)
    parts = [
        f"{len(result.outcomes)} of {len(found.sources)} cases",
        f"{objects} boxes in {seconds:.1f} s",
        f"{precision}: {out}",
    ]
    if remaining.finished:
        parts.append(f"{len(remaining.finished)} finished before")
    if result.failed:
        parts.append(f"{len(result.failed)} failed")
    noted = tally(note for outcome in (*remaining.finished, *result.outcomes) for note in outcome.notes)
    return ", ".join(parts) + (f"\nnoted: {noted}" if noted else "")


def _bytes(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"--memory: {error}") from None


def main() -> None:
    """Run the command line; an error that the user can fix is one message."""
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
