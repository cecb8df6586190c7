"""`train export`: a model as graphs that run without torch."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from predict.cli.selection_options import Every, Only, Shares, SplitSeed, Without, select, split_of

CALIBRATED = 64
CHECKED = 8


class FormatName(str, Enum):  # noqa: UP042 - typer shows the values of a str Enum
    """The choices of --format."""

    onnx = "onnx"
    openvino = "openvino"
    torchscript = "torchscript"


def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="NAME as `train models` lists it, NAME=FILE, or a FILE of weights.")
    ],
    out: Annotated[Path, typer.Option(help="The folder of the graphs, which `predict --model FOLDER` takes.")],
    formats: Annotated[
        list[FormatName] | None,
        typer.Option("--format", help="Beside ONNX, which is always written. Repeatable.  [default: onnx]"),
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Store weights as float16: half the size.")] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Add an encoder in 8-bit integers, calibrated on images of --manifest.")
    ] = False,
    manifest: Annotated[
        Path | None, typer.Option(help="A corpus whose images calibrate and check: its folder or catalog.parquet.")
    ] = None,
    split: Annotated[str, typer.Option(help="Of the corpus: train, val, test; all: every image.")] = "train",
    only: Only = None,
    without: Without = None,
    every: Every = 1,
    shares: Shares = None,
    split_seed: SplitSeed = 0,
    check_image: Annotated[
        list[Path] | None,
        typer.Option(
            help="A picture on which the graphs must do what the model does. Repeatable.  [default: of the "
            "corpus, else two that come with matplotlib]"
        ),
    ] = None,
) -> None:
    """Write a model as ONNX, OpenVINO or TorchScript; each graph is checked against torch on real images first."""
    from predict.errors import ExportError

    if int8 and manifest is None:
        raise ExportError("--int8 is calibrated on a corpus: give it with --manifest")

    from predict.engines.find import identify
    from train.export.graphs import export_model, read_picture
    from train.models.load import load_model

    images = [read_picture(path) for path in check_image or ()]
    calibration = []
    if manifest is not None:
        from train.export.quantise import calibration_images

        selection = select(manifest, only, without, every, shares, split_seed)
        drawn = calibration_images(selection.load(split_of(split), ["modality"]), CALIBRATED)
        images = images or drawn[:CHECKED]
        calibration = drawn if int8 else []
    segmenter, remarks = load_model(model)
    for remark in remarks:
        typer.echo(f"{model}: {remark}", err=True)
    told = export_model(
        segmenter,
        out,
        formats=[one.value for one in formats or ()],
        half=half,
        images=images,
        calibration=calibration,
        about={"weights": Path(model.partition("=")[2] or model).name, "weights_sha256": identify(model)[1]},
    )
    for form, figures in told["check"].items():
        typer.echo(f"{form}: " + ", ".join(f"{name} {value:g}" for name, value in figures.items()))
    typer.echo(f"{segmenter.preset.name}: {out}")
