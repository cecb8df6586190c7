"""`train teacher`, `train distill`, `train finetune`: the same training with three sets of defaults."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from predict.presets import preset
from train.commands.run_options import RunOptions, with_run_options
from train.learning.protocol import Protocol, load_protocol, protocol_names

if TYPE_CHECKING:
    from train.learning.distributed import Process
    from train.learning.request import Request

FRESH, CONTINUED = "student", "student-continued"
"""The protocols of `train distill` for a fresh student, and for one with weights of its own."""

PROTOCOLS = f"{', '.join(protocol_names())}, or a YAML file"
ProtocolName = Annotated[str, typer.Option("--protocol", help=f"{PROTOCOLS}.")]


@with_run_options
def teacher(
    run: RunOptions,
    model: Annotated[str, typer.Option(help="A name listed by `train models`, or timm:NAME.")] = "swin-t",
    weights: Annotated[
        str | None, typer.Option(help="Initial weights: a file, or a model name with weights.  [default: random]")
    ] = None,
    protocol: ProtocolName = "swin-t",
) -> None:
    """Train a whole model on masks, from scratch or from weights."""
    _train(run.request("teacher", model, protocol, start=weights), run)


@with_run_options
def distill(
    run: RunOptions,
    teacher: Annotated[
        str, typer.Option(help="NAME, NAME=FILE, or a weights file that names its model.")
    ] = "lite-medsam",
    student: Annotated[str, typer.Option(help="A name listed by `train models`, or timm:NAME.")] = "effnet-lite0",
    embeddings: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the teacher's embeddings.  [default: embeddings-TEACHER next to the run's folder, filled "
            "first; none for a protocol without views, whose teacher runs at each step]"
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Initial weights: a file, or a model name with weights.  [default: the student's own, if it has any "
            "and neither --protocol nor --backbone is given; else random]"
        ),
    ] = None,
    backbone: Annotated[
        bool, typer.Option("--backbone", help="Start the student's backbone from ImageNet weights (effnet-lite0).")
    ] = False,
    protocol: Annotated[
        str | None,
        typer.Option(
            help=f"{PROTOCOLS}.  [default: {CONTINUED} for a student that starts from its own weights, else {FRESH}]"
        ),
    ] = None,
    then: Annotated[
        str | None, typer.Option(help="A second protocol, run from the best weights of the first into OUT/finetune.")
    ] = None,
) -> None:
    """Teach a light student what a strong teacher does, and the true masks beside it."""
    own = weights is None and protocol is None and not backbone and preset(student).weights is not None
    request = run.request(
        "distill",
        student,
        protocol or (CONTINUED if own else FRESH),
        start=student if own else weights,
        backbone=backbone,
        teacher=teacher,
        embeddings=embeddings,
    )
    _train(request, run, None if then is None else load_protocol(then))


@with_run_options
def finetune(
    run: RunOptions,
    model: Annotated[str, typer.Option(help="NAME=FILE, or a weights file that names its model.", show_default=False)],
    teacher: Annotated[str | None, typer.Option(help="Teacher of a protocol that imitates one.")] = None,
    embeddings: Annotated[Path | None, typer.Option(help="Its embeddings, stored by `train embed`.")] = None,
    protocol: ProtocolName = "lite-medsam",
) -> None:
    """Continue from trained weights: on masks and, with a teacher, on its embeddings."""
    from train.models.load import parse_model

    chosen, file = parse_model(model)
    # A trained model has what a protocol copies into a fresh one.
    request = run.request(
        "finetune",
        chosen.name,
        protocol,
        start=str(file or chosen.name),
        teacher=teacher,
        embeddings=embeddings,
        unless_given={"copied": []},
    )
    _train(request, run)


def _train(request: "Request", run: RunOptions, then: Protocol | None = None) -> None:
    """Train, or resume, and `then` by a second protocol from the best weights."""
    from dataclasses import replace

    import torch

    from train.learning.distributed import start, stop
    from train.learning.loop import train_model
    from train.learning.request import make_plan
    from train.learning.run_folder import finish_run

    if run.threads is not None:
        torch.set_num_threads(run.threads)
    # Processes of torchrun join once: they do not find one another a second time.
    place = start(run.device)
    try:
        request = _with_embeddings(request, run, place)
        plan = make_plan(request, place)
        result = train_model(plan, place)
        if then is not None:
            after = replace(request, command="finetune", protocol=then, out=plan.out / "finetune",
                            start=str(result.best), backbone=False, resume=False)  # fmt: skip
            result = train_model(make_plan(after, place), place)
        if place.first:
            finish_run(plan.out)
            typer.echo(f"{result.steps} steps; best weights: {result.best}")
    except KeyboardInterrupt:
        typer.echo("Interrupted: run the same command again to resume from the last checkpoint", err=True)
        raise typer.Exit(1) from None
    finally:
        stop()


def _with_embeddings(request: "Request", run: RunOptions, place: "Process") -> "Request":
    """Store the embeddings that a protocol with views needs, unless a folder of them is given."""
    if request.teacher is None or request.embeddings is not None:
        return request
    if not request.protocol.views or not request.protocol.taught:
        return request
    from dataclasses import replace
    from functools import partial

    from train.commands.embed import show_embedding
    from train.data.views import HASH
    from train.embeddings.corpus import EmbedOptions, store_embeddings
    from train.learning.run_folder import RUNS
    from train.models.load import parse_model

    name = parse_model(request.teacher)[0].name.replace(":", "-")
    folder = (RUNS if request.out is None else request.out.parent) / f"embeddings-{name}"
    options = EmbedOptions(
        teacher=request.teacher, augment=request.protocol.augment, device=str(place.device), threads=run.threads
    )
    wanted = [(request.split, request.protocol.views)] + ([] if request.val is None else [(request.val, 1)])
    for split, views in wanted:
        samples = request.selection.load(split, (HASH,))
        show_embedding(store_embeddings(samples, folder, views, options, partial(typer.echo, err=True)), folder)
    place.wait()
    return replace(request, embeddings=folder)
