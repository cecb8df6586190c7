"""`train embed`: store a teacher's embeddings of a corpus."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from predict.cli.selection_options import (
    ALL,
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


def embed(
    manifest: Manifest,
    out: Annotated[Path, typer.Option(help="Folder of the embeddings.", show_default=False)],
    teacher: Annotated[
        str, typer.Option(help="NAME, NAME=FILE, or a weights file that names its model.")
    ] = "lite-medsam",
    split: Annotated[str, typer.Option(help=f"Split whose images are embedded; `{ALL}`: all images.")] = ALL,
    only: Only = None,
    without: Without = None,
    every: Every = 1,
    shares: Shares = None,
    split_seed: SplitSeed = 0,
    held_out: HeldOutFile = None,
    views: Annotated[
        int, typer.Option(min=1, help="Views of each image: the image as it is, and augmented ones by --augment.")
    ] = 1,
    augment: Annotated[str, typer.Option(help="Augmentation table of the views after the first.")] = "views",
    batch: Annotated[int, typer.Option(min=1, help="Images between two writes; on a GPU also the batch size.")] = 8,
    readers: Annotated[int, typer.Option(min=1, help="Threads that read and resize images.")] = 2,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.  [default: cuda if available]")] = None,
    engine: Annotated[str, typer.Option(help="CPU engine: auto, openvino, onnxruntime or torch.")] = "auto",
    precision: Annotated[str, typer.Option(help="f32, bf16, or auto: bf16 where the machine supports it.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.  [default: one per core]")] = None,
) -> None:
    """Store a teacher's embeddings of every image; run the same command again to resume.

    Several processes share the work under `torchrun`, each with files of its own.
    """
    from train.data.views import HASH
    from train.embeddings.corpus import EmbedOptions, store_embeddings

    samples = select(manifest, only, without, every, shares, split_seed, held_out).load(split_of(split), (HASH,))
    options = EmbedOptions(
        teacher=teacher,
        augment=augment,
        device=device,
        engine=engine,
        precision=precision,
        threads=threads,
        batch=batch,
        readers=readers,
    )
    show_embedding(store_embeddings(samples, out, views, options, partial(typer.echo, err=True)), out)


def show_embedding(steps: Iterator[tuple[int, int]], folder: Path) -> None:
    """Run `store_embeddings` with a progress display; an interrupt ends the command with status 1."""
    from catalog.progress import Progress

    stored, total = next(steps)
    before = stored
    with Progress(total - before, "embedding") as progress:
        try:
            for now, _ in steps:
                for _ in range(now - stored):
                    progress.advance()
                progress.begin("")
                stored = now
        except KeyboardInterrupt:
            progress.say(f"Interrupted with {stored} of {total} embeddings in {folder}. Run the same command again to "
                         "resume.")  # fmt: skip
            raise typer.Exit(1) from None
    typer.echo(f"{folder}: {total} embeddings, {before} of them from before", err=True)
