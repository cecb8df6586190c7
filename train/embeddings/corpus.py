"""Store a teacher's embeddings of some samples, resuming where an earlier run stopped."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from catalog.errors import OutputError
from catalog.samples import Samples
from catalog.sizes import format_size
from train.data.augmentations import describe_views, table_of
from train.data.views import view_key
from train.embeddings.embed import distinct_images, embed_samples
from train.embeddings.encoders import Encoder, cpu_encoder, gpu_encoder, gpu_there
from train.embeddings.store import BYTES, EmbeddingWriter, stored_keys
from train.models.load import parse_model
from train.models.weights import find_weights


@dataclass(frozen=True, kw_only=True)
class EmbedOptions:
    """How a teacher's embeddings are computed.

    Args:
        teacher: NAME, NAME=FILE, or a file that names its model.
        augment: The augmentation table of the views after the first.
        device: cpu or cuda; None: a GPU where there is one.
        engine: On a CPU: auto, openvino, onnxruntime or torch.
        precision: f32, bf16, or auto: bf16 where the machine has it.
        threads: Threads of a CPU; None: one a core.
        batch: Images between two writes, and at once on a GPU.
        readers: Threads that read and resize images.
    """

    teacher: str = "lite-medsam"
    augment: str = "views"
    device: str | None = None
    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    batch: int = 8
    readers: int = 2


def store_embeddings(
    samples: Samples,
    folder: Path,
    views: int,
    options: EmbedOptions,
    say: Callable[[str], Any] = lambda text: None,
) -> Iterator[tuple[int, int]]:
    """Store the embeddings of each image's views that the folder lacks; yield how many are stored, of how many.

    The first pair comes before anything is computed.

    Args:
        samples: The images, loaded with the column `image_hash`.
        folder: The store; created where it is absent.
        views: Views of each image.
        options: The teacher and how it runs.
        say: Called with remarks on how the teacher was loaded.

    Raises:
        ModelError, WeightsError: the teacher, its weights or the engine is missing.
        CatalogError: pixels are missing or damaged.
        DataError: the folder holds embeddings of another teacher or of other views.
        OutputError: the disk is full.
    """
    preset, file = parse_model(options.teacher)
    keys = [view_key(key, number) for number in range(views) for key in distinct_images(samples)]
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    with find_weights(str(file or preset.name)).open("rb") as content:
        digest = file_digest(content, "sha256").hexdigest()
    about = {"teacher": preset.name, "sha256": digest, "image_size": preset.image_size}
    about |= describe_views(options.augment) if views > 1 else {}
    done = stored_keys(folder, about)
    stored = sum(key in done for key in keys)
    _check_space(folder, (len(keys) - stored) * BYTES)
    yield stored, len(keys)
    if stored == len(keys):
        return
    teacher = _open_teacher(options)
    for remark in teacher.remarks:
        say(f"{options.teacher}: {remark}")
    writer = EmbeddingWriter(folder, about | {"precision": teacher.precision}, rank)
    for count in embed_samples(
        samples,
        teacher.encode,
        writer,
        size=preset.image_size,
        table=table_of(options.augment),
        views=views,
        batch=options.batch,
        readers=options.readers,
        rank=rank,
        world=world,
    ):
        stored += count
        yield stored, len(keys)


def _check_space(folder: Path, needed: int) -> None:
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise OutputError(
            f"{folder}: the embeddings need {format_size(needed)}, {format_size(free)} are free. Lower --views, leave "
            "out slices with --every N, or use --views 0, where the teacher runs at each step"
        )


def _open_teacher(options: EmbedOptions) -> Encoder:
    place = options.device or (f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if gpu_there() else "cpu")
    if place == "cpu":
        return cpu_encoder(options.teacher, options.engine, options.precision, options.threads)
    return gpu_encoder(options.teacher, place, options.precision)
