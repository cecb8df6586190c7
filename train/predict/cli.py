"""`predict`: a folder of cases with boxes into a folder of masks.

Exit status: 0 done, 1 done but something failed, 2 asked wrongly. Heavy imports stand inside the command.
"""

import json
import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from catalog.errors import MedcorpusError

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class PropagationName(str, Enum):  # noqa: UP042 - typer shows the values of a str Enum
    """The choices of --propagation."""

    clean = "clean"
    official = "official"


@app.command()
def predict(
    folder: Annotated[
        Path,
        typer.Argument(help="The cases, one .npz each: imgs, and boxes x0 y0 x1 y1 (2D) or x0 y0 z0 x1 y1 z1 (3D)."),
    ],
    out: Annotated[Path, typer.Option(help="The masks: files of the same names with the key segs.")],
    model: Annotated[str, typer.Option(help="A name that `train models` lists, or timm:NAME.")] = "lite-medsam",
    weights: Annotated[
        Path | None, typer.Option(help="A .pth, .pt or .safetensors file.  [default: the model's own]")
    ] = None,
    propagation: Annotated[
        PropagationName,
        typer.Option(
            help="How a box goes from slice to slice: clean, by the mask alone; official, equal to LiteMedSAM's script."
        ),
    ] = PropagationName.clean,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads.  [default: one a core]")] = None,
    overlay: Annotated[Path | None, typer.Option(help="Draw boxes and masks into PNG files in this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Segment what the boxes hold, in images and volumes."""
    from train.errors import WeightsError
    from train.models.presets import preset
    from train.predict.errors import CaseError, FolderError
    from train.predict.inputs import find_cases

    chosen = preset(model)
    paths = find_cases(folder)
    if out.resolve() == folder.resolve():
        raise FolderError(f"--out {out} is the folder of the cases, which the masks would overwrite. Give another.")
    if weights is None and chosen.weights is None:
        raise WeightsError(f"no weights of {chosen.name} can be installed: give the file with --weights.")

    from train.predict.torch_engine import load_engine, use_threads

    if threads is not None:
        use_threads(threads)
    engine, remarks = load_engine(chosen, weights)
    for place in (out, overlay):
        if place is not None:
            _make(place)

    from train.predict.progress import Progress
    from train.predict.run import predict_case
    from train.predict.summary import to_json

    outcomes, failed = [], {}
    with Progress(len(paths)) as progress:
        for remark in remarks:
            progress.say(f"{weights or chosen.name}: {remark}")
        for path in paths:
            progress.begin(path.stem)
            try:
                outcomes.append(predict_case(path, out, engine, propagation.value, overlay, progress.slices))
            except CaseError as error:
                failed[path.stem] = str(error)
                progress.say(f"failed: {path.name}: {error}")
            except KeyboardInterrupt:
                progress.say(f"stopped at {path.name}; what is in {out} is whole")
                raise typer.Exit(1) from None
            progress.end()
    if as_json:
        print(json.dumps(to_json(outcomes, failed), indent=2, ensure_ascii=False))
    else:
        boxes, seconds = sum(one.boxes for one in outcomes), sum(one.seconds for one in outcomes)
        faults = f", {len(failed)} failed" if failed else ""
        print(f"{len(outcomes)} of {len(paths)} cases, {boxes} boxes in {seconds:.1f} s: {out}{faults}")
    if failed:
        raise typer.Exit(1)


def _make(folder: Path) -> None:
    from train.predict.errors import FolderError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(f"the folder {folder} cannot be made: {error.strerror or error}") from error


def main() -> None:
    """Run the command line; trouble that a user can mend ends in one message."""
    try:
        app()
    except MedcorpusError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        print("error: this needs torch: pip install 'medcorpus[train]'", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
