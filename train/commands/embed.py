"""`train embed`: a teacher's embeddings of a corpus, once."""

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
    out: Annotated[Path, typer.Option(help="The folder of the embeddings.", show_default=False)],
    teacher: Annotated[str, typer.Option(help="NAME, NAME=FILE, or a file that names its model.")] = "lite-medsam",
    split: Annotated[str, typer.Option(help=f"Only the images of this split; `{ALL}`: of all.")] = ALL,
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
    batch: Annotated[int, typer.Option(min=1, help="Images between two writes, and at once on a GPU.")] = 8,
    readers: Annotated[int, typer.Option(min=1, help="Threads that read and resize images.")] = 2,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.  [default: a GPU where there is one]")] = None,
    engine: Annotated[str, typer.Option(help="On a CPU: auto, openvino, onnxruntime or torch.")] = "auto",
    precision: Annotated[str, typer.Option(help="f32, or bf16 where the machine has it.")] = "f32",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of a CPU.  [default: one a core]")] = None,
) -> None:
    """Store a teacher's embeddings of every image; started again, it goes on where it stopped.

    Several processes share the work under `torchrun`, each with files of its own.
    """
    import os
    import sys
    from hashlib import file_digest

    from tqdm import tqdm

    from train.data.augmentations import describe_views, table_of
    from train.data.views import HASH, view_key
    from train.embeddings.embed import distinct_images, embed_samples
    from train.embeddings.encoders import cpu_encoder, gpu_encoder, gpu_there
    from train.embeddings.store import EmbeddingWriter
    from train.models.load import parse_model
    from train.models.weights import find_weights

    samples = select(manifest, only, without, every, shares, split_seed, held_out).load(split_of(split), (HASH,))
    preset, file = parse_model(teacher)
    with find_weights(str(file or preset.name)).open("rb") as content:
        digest = file_digest(content, "sha256").hexdigest()
    about = {"teacher": preset.name, "sha256": digest, "image_size": preset.image_size, "precision": precision}
    about |= describe_views(augment) if views > 1 else {}
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    place = device or (f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if gpu_there() else "cpu")
    if place == "cpu":
        encode, remarks = cpu_encoder(teacher, engine, precision, threads)
    else:
        encode, remarks = gpu_encoder(teacher, place, precision)
    writer = EmbeddingWriter(out, about, rank)
    for remark in remarks:
        typer.echo(f"{teacher}: {remark}", err=True)
    images = distinct_images(samples)
    wanted = [view_key(key, number) for number in range(views) for key in images]
    there = sum(key in writer.done for key in wanted)
    try:
        with tqdm(
            total=len(wanted), initial=there, unit="image", mininterval=0.5 if sys.stderr.isatty() else 10
        ) as bar:
            for count in embed_samples(
                samples,
                encode,
                writer,
                size=preset.image_size,
                table=table_of(augment),
                views=views,
                batch=batch,
                readers=readers,
                rank=rank,
                world=world,
            ):
                bar.update(count)
    except KeyboardInterrupt:
        typer.echo(f"stopped: the same command goes on from the {len(writer.done)} embeddings in {out}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{len(wanted)} embeddings of {len(images)} images, {there} of them from before: {out}")
