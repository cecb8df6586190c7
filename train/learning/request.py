"""Turn the options of a training command into a plan: models, first weights, samples, targets."""

from dataclasses import dataclass, replace
from hashlib import file_digest
from pathlib import Path
from typing import Any

import torch

from catalog.errors import DataError
from catalog.samples import Samples
from catalog.selection import Selection
from predict.errors import ModelError
from predict.presets import preset
from train.data.augment import CROP
from train.data.augmentations import TABLES, describe_views
from train.data.views import HASH, view_key
from train.embeddings.embed import distinct_images
from train.embeddings.store import EmbeddingCache
from train.errors import RequestError
from train.learning.checkpoint import CHECKPOINT
from train.learning.distributed import Process
from train.learning.loop import Plan
from train.learning.protocol import Protocol, plain
from train.learning.provenance import describe_code, describe_samples
from train.learning.run_folder import RunFolder, open_run
from train.learning.targets import LiveTarget, StoredTarget, Target
from train.models.imagenet import load_imagenet
from train.models.load import load_model, parse_model
from train.models.segmenter import Segmenter
from train.models.weights import find_weights, load_weights

COLUMNS = (HASH, "mask_hash")


@dataclass(frozen=True)
class Request:
    """The options of a training command.

    Args:
        command: The command's name.
        model: A preset's name.
        protocol: The numbers of the run.
        selection: The masks.
        out: The run's folder; None: a new one in `runs`.
        start: The model's first weights; None: random, by the seed.
        backbone: Its backbone starts from ImageNet's weights.
        teacher: NAME, NAME=FILE or FILE.
        embeddings: The folder of the teacher's stored embeddings.
        split: The split to train on, None for all.
        val: The split to validate on, None for none.
        seed: Of first weights, order and augmentation.
        workers: Processes that read images.
        checkpoint_steps: Steps between checkpoints.
        resume: There must be a run to resume; it may be given more epochs.
    """

    command: str
    model: str
    protocol: Protocol
    selection: Selection
    out: Path | None
    start: str | None = None
    backbone: bool = False
    teacher: str | None = None
    embeddings: Path | None = None
    split: str | None = "train"
    val: str | None = "val"
    seed: int = 0
    workers: int = 0
    checkpoint_steps: int = 200
    resume: bool = False


def make_plan(request: Request, process: Process) -> Plan:
    """Load models and samples, and open the run's folder.

    Raises:
        ModelError, WeightsError: a model or its weights cannot be had, or do not fit.
        DataError, CatalogError: there is nothing to train on.
        RequestError: student, teacher and stored embeddings do not fit, or the folder holds another run.
    """
    protocol = request.protocol
    columns = (*COLUMNS, *protocol.balance)
    train = request.selection.load(request.split, columns)
    val = request.selection.load(request.val, columns) if request.val is not None else None
    torch.manual_seed(request.seed)
    model = Segmenter(preset(request.model))
    if request.backbone:
        load_imagenet(model)
    if request.start is not None:
        load_weights(model, request.start)
    for part in protocol.trained:
        model.part(part)
    teacher = load_model(request.teacher)[0] if request.teacher is not None else None
    for part in protocol.copied:
        if teacher is None:
            raise RequestError(f"no teacher is given to copy {part} from: give --teacher, or --copied ''")
        _copy_part(model, teacher, part)
    target = _target(request, model, teacher, process, train, val)
    if request.out is None and process.world > 1:
        raise RequestError("several processes need one folder: give --out")
    folder = RunFolder(request.out or Path())
    description = _describe(request, train, val)
    if process.first:
        folder = open_run(request.out, request.model.replace(":", "-"), description, resume=request.resume)
    process.wait()
    if not process.first:
        folder = replace(folder, resumed=(folder.path / CHECKPOINT).is_file())
    ready = request.start is not None or "mask_decoder" in (part.partition("=")[0] for part in protocol.copied)
    return Plan(
        model,
        protocol,
        train,
        val,
        target,
        folder.path,
        seed=request.seed,
        workers=request.workers,
        checkpoint_steps=request.checkpoint_steps,
        decoder_ready=ready,
        resumed=folder.resumed,
        note=folder.note,
    )


def _copy_part(model: Segmenter, teacher: Segmenter, text: str) -> None:
    part, _, source = text.partition("=")
    source = source or part
    try:
        model.part(part).load_state_dict(teacher.part(source).state_dict())
    except (ModelError, RuntimeError) as error:
        why = error if isinstance(error, ModelError) else "their weights differ in name or shape"
        raise ModelError(
            f"{part} of {model.preset.name} cannot start as {source} of {teacher.preset.name}: {why}. Take it out of "
            "--copied, or take another teacher"
        ) from error


def _target(
    request: Request,
    model: Segmenter,
    teacher: Segmenter | None,
    process: Process,
    train: Samples,
    val: Samples | None,
) -> Target | None:
    protocol = request.protocol
    if not protocol.taught:
        return None
    decodes = protocol.uses("teacher")
    if teacher is None and (decodes or request.embeddings is None):
        given = "--teacher" if decodes else "--teacher or --embeddings"
        raise RequestError(f"the protocol weighs {'teacher' if decodes else 'embedding'}: give {given}")
    if request.embeddings is None:
        assert teacher is not None
        return LiveTarget(teacher, model.preset.image_size, process.device, decodes=decodes)
    cache = EmbeddingCache(request.embeddings)
    if request.teacher is not None:
        _check_teacher(request.embeddings, cache.about, _teacher(request.teacher))
    _check_views(request.embeddings, cache.about, protocol)
    keys = {view_key(key, number) for key in distinct_images(train) for number in range(max(1, protocol.views))}
    keys |= set(distinct_images(val)) if val is not None else set()
    if missing := sum(key not in cache for key in keys):
        views = f" with --views {protocol.views}" if protocol.views > 1 else ""
        raise DataError(
            f"{request.embeddings} lacks {missing} of {len(keys)} embeddings: run `train embed`{views} on this corpus, "
            "with the same splits"
        )
    return StoredTarget(cache, flipped=protocol.follow == "flipped", teacher=teacher if decodes else None)


def _check_views(folder: Path, about: dict[str, Any], protocol: Protocol) -> None:
    """Refuse stored embeddings that show other parts of the images than the student sees."""
    if not protocol.views:
        if any(entry.name == CROP for entry in TABLES[protocol.augment]):
            raise RequestError(
                f"the augmentation table {protocol.augment!r} crops images, but stored embeddings are those of whole "
                "images: store views of it with `train embed --views N` and give --views N, choose another --augment, "
                "or leave out --embeddings"
            )
    elif protocol.views > 1 and not describe_views(protocol.augment).items() <= about.items():
        raise RequestError(
            f"{folder} holds views by the augmentation table {about.get('augment', 'none')!r}, not by this "
            f"{protocol.augment!r}: give that --augment, or store views of this one with `train embed --augment`"
        )


def _check_teacher(folder: Path, about: dict[str, Any], teacher: dict[str, str]) -> None:
    told = about.get("teacher")
    if told != teacher["model"]:
        raise RequestError(f"{folder} holds embeddings of {told}, not of {teacher['model']}: give that --teacher, or "
                           "other --embeddings")  # fmt: skip
    if about.get("sha256") != teacher["sha256"]:
        raise RequestError(f"{folder} holds embeddings of a {told} with other weights than {teacher['weights']}: give "
                           "that file as --teacher, or other --embeddings")  # fmt: skip


def _describe(request: Request, train: Samples, val: Samples | None) -> dict[str, Any]:
    selection = request.selection
    return {
        "command": request.command,
        "model": request.model,
        "start": _weights(request.start) if request.start else None,
        "backbone": request.backbone,
        "teacher": _teacher(request.teacher) if request.teacher else None,
        "embeddings": str(request.embeddings) if request.embeddings else None,
        "protocol": plain(request.protocol),
        "seed": request.seed,
        "selection": {
            "manifest": str(selection.manifest),
            "only": list(selection.only),
            "without": list(selection.without),
            "every": selection.every,
            "shares": dict(selection.shares),
            "split_seed": selection.split_seed,
            "held_out": {split: list(entries) for split, entries in selection.held_out.items()},
        },
        "data": {"train": describe_samples(train), "val": describe_samples(val) if val is not None else None},
        "code": describe_code(),
    }


def _teacher(text: str) -> dict[str, str]:
    chosen, file = parse_model(text)
    return {"model": chosen.name, **_weights(str(file or chosen.name))}


def _weights(source: str) -> dict[str, str]:
    with find_weights(source).open("rb") as file:
        return {"weights": source, "sha256": file_digest(file, "sha256").hexdigest()}
