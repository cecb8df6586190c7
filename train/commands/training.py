"""`train teacher`, `train distill`, `train finetune`: one way of training under three sets of defaults."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from train.commands.run_options import RunOptions, with_run_options
from train.learning.protocol import load_protocol, protocol_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from train.learning.request import Request

ProtocolName = Annotated[
    str, typer.Option("--protocol", help=f"{', '.join(protocol_names())}, or a YAML file of your own.")
]


@with_run_options
def teacher(
    run: RunOptions,
    model: Annotated[str, typer.Option(help="A name that `train models` lists, or timm:NAME.")] = "swin-t",
    weights: Annotated[
        str | None, typer.Option(help="First weights: a file, or a name with weights of its own.  [default: random]")
    ] = None,
    protocol: ProtocolName = "swin-t",
) -> None:
    """Train a whole model on masks, from scratch or from weights."""
    _train([(run.request("teacher", model, protocol, start=weights), run.resume)], run.device, run.threads)


@with_run_options
def distill(
    run: RunOptions,
    teacher: Annotated[str, typer.Option(help="NAME, NAME=FILE, or a file that names its model.")] = "lite-medsam",
    student: Annotated[str, typer.Option(help="A name that `train models` lists, or timm:NAME.")] = "repvit-m0.6",
    embeddings: Annotated[
        Path | None, typer.Option(help="The teacher's, stored by `train embed`.  [default: computed at each step]")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="The student's first weights.  [default: random]")] = None,
    backbone: Annotated[
        bool, typer.Option("--backbone", help="Start the student's backbone from ImageNet's weights (effnet-lite0).")
    ] = False,
    protocol: ProtocolName = "repvit-m0.6",
    then: Annotated[
        str | None,
        typer.Option(help="A second protocol, with mask losses, as it stands, run after it into OUT/finetune."),
    ] = None,
) -> None:
    """Teach a light student the embeddings of a strong teacher, whose prompt encoder and decoder it takes over."""
    from dataclasses import replace

    from train.learning.checkpoint import CHECKPOINT
    from train.learning.loop import BEST

    request = run.request("distill", student, protocol, start=weights, backbone=backbone, teacher=teacher,
                          embeddings=embeddings)  # fmt: skip
    if then is None:
        _train([(request, run.resume)], run.device, run.threads)
        return
    after = run.out / "finetune"
    tuned = replace(request, command="finetune", protocol=load_protocol(then), out=after, start=str(run.out / BEST),
                    backbone=False)  # fmt: skip
    if run.resume and (after / CHECKPOINT).is_file():
        _train([(tuned, True)], run.device, run.threads)
    else:
        _train([(request, run.resume), (tuned, False)], run.device, run.threads)


@with_run_options
def finetune(
    run: RunOptions,
    model: Annotated[str, typer.Option(help="NAME=FILE, or a file that names its model.", show_default=False)],
    teacher: Annotated[str | None, typer.Option(help="For protocols that weigh `embedding`.")] = None,
    embeddings: Annotated[Path | None, typer.Option(help="The teacher's, stored by `train embed`.")] = None,
    protocol: ProtocolName = "lite-medsam",
) -> None:
    """Go on with trained weights, on masks and, where a teacher is given, on its embeddings."""
    from train.models.load import parse_model

    chosen, file = parse_model(model)
    # A trained model has what a protocol would copy into a fresh one.
    request = run.request("finetune", chosen.name, protocol, start=str(file or chosen.name), teacher=teacher,
                          embeddings=embeddings, unless_given={"copied": []})  # fmt: skip
    _train([(request, run.resume)], run.device, run.threads)


def _train(runs: "Sequence[tuple[Request, bool]]", device: str | None, threads: int | None) -> None:
    """Do one run after the other, each from its start or resumed."""
    import torch

    from train.learning.distributed import start, stop
    from train.learning.loop import train_model
    from train.learning.request import make_plan

    if threads is not None:
        torch.set_num_threads(threads)
    # Joined once: torchrun's processes do not find one another a second time.
    place = start(device)
    try:
        for request, resume in runs:
            result = train_model(make_plan(request, place, resume=resume), place, resume=resume)
            if place.first:
                typer.echo(f"{result.steps} steps; best weights: {result.best}")
    except KeyboardInterrupt:
        typer.echo(f"stopped: --resume goes on from the last checkpoint in {runs[0][0].out}", err=True)
        raise typer.Exit(1) from None
    finally:
        stop()
