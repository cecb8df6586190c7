"""`train teacher`, `train distill`, `train finetune`: one way of training under three sets of defaults."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from train.commands.options import ALL, Every, Manifest, Only, Shares, SplitSeed, Without, select, split_of
from train.commands.protocol_options import with_protocol_flags
from train.learning.protocol import protocol_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from train.learning.request import Request

Out = Annotated[Path, typer.Option(help="The run's folder: weights, log, checkpoint.", show_default=False)]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in --out from its last checkpoint.")]
Seed = Annotated[int, typer.Option(help="Of first weights, order, augmentation.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that read images; 0: none but this one.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1.  [default: a GPU where there is one]")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of a CPU.  [default: one a core]")]
CheckpointSteps = Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")]
ProtocolName = Annotated[
    str, typer.Option("--protocol", help=f"{', '.join(protocol_names())}, or a YAML file of your own.")
]
Split = Annotated[str, typer.Option(help=f"The split to train on; `{ALL}`: every mask.")]
Val = Annotated[str, typer.Option("--val-split", help="The split that chooses the best weights; `none`: the last.")]


@with_protocol_flags
def teacher(
    manifest: Manifest,
    out: Out,
    model: Annotated[str, typer.Option(help="A name that `train models` lists, or timm:NAME.")] = "swin-t",
    weights: Annotated[
        str | None, typer.Option(help="First weights: a file, or a name with weights of its own.  [default: random]")
    ] = None,
    protocol: ProtocolName = "swin-t",
    only: Only = None,
    without: Without = None,
    every: Every = 1,
    shares: Shares = None,
    split_seed: SplitSeed = 0,
    split: Split = "train",
    val: Val = "val",
    seed: Seed = 0,
    workers: Workers = 0,
    device: Device = None,
    threads: Threads = None,
    checkpoint_steps: CheckpointSteps = 200,
    resume: Resume = False,
    given: dict[str, Any] | None = None,
) -> None:
    """Train a whole model on masks, from scratch or from weights."""
    from train.learning.protocol import load_protocol
    from train.learning.request import Request

    selection = select(manifest, only, without, every, shares, split_seed)
    request = Request("teacher", model, load_protocol(protocol, given), selection, out, start=weights,
                      split=split_of(split), val=_val(val), seed=seed, workers=workers,
                      checkpoint_steps=checkpoint_steps)  # fmt: skip
    _train([(request, resume)], device, threads)


@with_protocol_flags
def distill(
    manifest: Manifest,
    out: Out,
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
    only: Only = None,
    without: Without = None,
    every: Every = 1,
    shares: Shares = None,
    split_seed: SplitSeed = 0,
    split: Split = "train",
    val: Val = "val",
    seed: Seed = 0,
    workers: Workers = 0,
    device: Device = None,
    threads: Threads = None,
    checkpoint_steps: CheckpointSteps = 200,
    resume: Resume = False,
    given: dict[str, Any] | None = None,
) -> None:
    """Teach a light student the embeddings of a strong teacher, whose prompt encoder and decoder it takes over."""
    from dataclasses import replace

    from train.learning.checkpoint import CHECKPOINT
    from train.learning.loop import BEST
    from train.learning.protocol import load_protocol
    from train.learning.request import Request

    first = load_protocol(protocol, given)
    second = load_protocol(then) if then is not None else None
    selection = select(manifest, only, without, every, shares, split_seed)
    request = Request("distill", student, first, selection, out, start=weights, backbone=backbone, teacher=teacher,
                      embeddings=embeddings, split=split_of(split), val=_val(val), seed=seed, workers=workers,
                      checkpoint_steps=checkpoint_steps)  # fmt: skip
    if second is None:
        _train([(request, resume)], device, threads)
        return
    after = out / "finetune"
    tuned = replace(request, command="finetune", protocol=second, out=after, start=str(out / BEST), backbone=False)
    if resume and (after / CHECKPOINT).is_file():
        _train([(tuned, True)], device, threads)
    else:
        _train([(request, resume), (tuned, False)], device, threads)


@with_protocol_flags
def finetune(
    manifest: Manifest,
    out: Out,
    model: Annotated[str, typer.Option(help="NAME=FILE, or a file that names its model.", show_default=False)],
    teacher: Annotated[str | None, typer.Option(help="For protocols that weigh `embedding`.")] = None,
    embeddings: Annotated[Path | None, typer.Option(help="The teacher's, stored by `train embed`.")] = None,
    protocol: ProtocolName = "lite-medsam",
    only: Only = None,
    without: Without = None,
    every: Every = 1,
    shares: Shares = None,
    split_seed: SplitSeed = 0,
    split: Split = "train",
    val: Val = "val",
    seed: Seed = 0,
    workers: Workers = 0,
    device: Device = None,
    threads: Threads = None,
    checkpoint_steps: CheckpointSteps = 200,
    resume: Resume = False,
    given: dict[str, Any] | None = None,
) -> None:
    """Go on with trained weights, on masks and, where a teacher is given, on its embeddings."""
    from train.learning.protocol import load_protocol
    from train.learning.request import Request
    from train.models.load import parse_model

    chosen, file = parse_model(model)
    selection = select(manifest, only, without, every, shares, split_seed)
    request = Request("finetune", chosen.name, load_protocol(protocol, given), selection, out,
                      start=str(file or chosen.name), teacher=teacher, embeddings=embeddings, split=split_of(split),
                      val=_val(val), seed=seed, workers=workers, checkpoint_steps=checkpoint_steps)  # fmt: skip
    _train([(request, resume)], device, threads)


def _val(text: str) -> str | None:
    return None if text == "none" else split_of(text)


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
