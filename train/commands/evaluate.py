"""`train evaluate`: models scored on the masks of a corpus, side by side."""

import os
from pathlib import Path
from typing import Annotated

import typer

from predict.cli.options import (
    CacheOption,
    EngineChoice,
    EngineOption,
    PrecisionChoice,
    PrecisionOption,
    ThreadsOption,
)
from predict.cli.selection_options import (
    Every,
    HeldOutFile,
    Manifest,
    Only,
    Shares,
    SplitSeed,
    Without,
    select,
    split_of,
)


def evaluate(
    manifest: Manifest,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME[=FILE]",
            help="A name that `train models` lists, a file of weights, both, or the folder of an exported pair. "
            "Repeat it to compare with the first.",
        ),
    ] = None,
    weights: Annotated[
        list[Path] | None,
        typer.Option("--weights", metavar="FILE", help="The same as --model FILE; stands after every --model."),
    ] = None,
    split: Annotated[str, typer.Option(help="train, val, test or another value of the catalog; all: every mask.")] = (
        "test"
    ),
    only: Only = None,
    without: Without = None,
    every: Every = 1,
    shares: Shares = None,
    split_seed: SplitSeed = 0,
    held_out: HeldOutFile = None,
    jitter: Annotated[int, typer.Option(min=0, help="Boxes are widened by 0 to so many of 256 pixels; 0: tight.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Another number draws other boxes and masks.")] = 0,
    masks_per_image: Annotated[
        int | None, typer.Option(min=1, help="Of an image's masks so many are drawn.  [default: all]")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="Of the contours' NSD, mm where the spacing is known, else pixels.")
    ] = 2.0,
    out: Annotated[
        Path | None, typer.Option(help="Write masks.csv, cases.csv, scores.json, scores.md and worst.png here.")
    ] = None,
    engine: EngineOption = EngineChoice.auto,
    precision: PrecisionOption = PrecisionChoice.auto,
    threads: ThreadsOption = None,
    cache: CacheOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON in place of the tables.")] = False,
) -> None:
    """Score models with a box around each mask: DSC and NSD by two scorers, with intervals, ratios and ranks."""
    from predict.errors import ScoreError, WeightsError

    if missing := [path for path in weights or () if not path.exists()]:
        raise WeightsError(f"--weights {missing[0]}: there is no such file")
    asked_for = [*(model or ()), *map(str, weights or ())]
    if not asked_for:
        raise ScoreError("no model to score: give --model NAME, --model NAME=FILE or --weights FILE")
    named = name_models(asked_for)
    if out is not None:
        _make(out)

    from train.scoring.references import COLUMNS, Asking

    samples = select(manifest, only, without, every, shares, split_seed, held_out).load(split_of(split), COLUMNS)

    from predict.engines.open_engine import open_engine

    engines, remarks = {}, []
    for name, text in named.items():
        engines[name], told = open_engine(engine.value, text, threads=threads, precision=precision.value, cache=cache)
        remarks += [f"{name}: {remark}" for remark in told]

    from catalog.progress import Progress
    from train.scoring.evaluate import evaluate as score
    from train.scoring.pictures import write_worst
    from train.scoring.report import report
    from train.scoring.tables import to_json, to_markdown, write_tables

    asking = Asking(jitter, seed, masks_per_image)
    with Progress(samples.images, "image") as progress:
        for remark in remarks:
            progress.say(remark)

        def done(image: str) -> None:
            progress.advance()
            progress.begin(image)

        try:
            evaluation = score(samples, engines, asking, tolerance, done)
        except KeyboardInterrupt:
            progress.say("stopped; nothing is written")
            raise typer.Exit(1) from None
    figures = report(
        evaluation,
        {
            "manifest": str(manifest),
            "split": split,
            "only": only or [],
            "without": without or [],
            "every": every,
            "shares": shares,
            "split_seed": split_seed,
            "held_out": str(held_out) if held_out else None,
            "jitter": jitter,
            "seed": seed,
            "masks_per_image": masks_per_image,
            "engine": engine.value,
            "precision": {name: engine.precision for name, engine in engines.items()},
            "threads": threads,
            "models": named,
        },
        tolerance,
    )
    if out is not None:
        write_tables(out, evaluation, figures)
        write_worst(out, evaluation, samples, engines, asking)
    typer.echo(to_json(figures) if as_json else to_markdown(figures))
    if evaluation.failed:
        typer.echo(f"{len(evaluation.failed)} of {samples.images} images were not scored", err=True)
        raise typer.Exit(1)


def name_models(texts: list[str]) -> dict[str, str]:
    """Return the models by the names that they go by in the tables: a file's stem where that tells them apart.

    Raises:
        ScoreError: one is given twice.
    """
    from predict.errors import ScoreError

    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise ScoreError(f"the model {twice} is given twice")
    short = [_short(text) for text in texts]
    return {name if short.count(name) == 1 else text: text for name, text in zip(short, texts, strict=True)}


def _short(text: str) -> str:
    name, _, file = text.partition("=")
    path = Path(file or name)
    if path.is_dir():
        return path.name
    return path.stem if file or path.is_file() else name


def _make(folder: Path) -> None:
    from predict.errors import FolderError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(f"the folder {folder} cannot be made: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK):
        raise FolderError(f"the folder {folder} must not be written to: give another with --out")
