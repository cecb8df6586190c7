"""One case from its files to its slices, masks and rows: the function a run maps over all cases."""

import errno
import posixpath
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.errors import OutputError
from catalog.hashes import bits_hash, image_hash
from catalog.names import image_name, mask_name, modality_token
from catalog.stores.base import CaseWriter
from catalog.stores.registry import find_store
from curate.errors import CaseError
from curate.ledger.fragments import Marker, dataset_folders, fragment_path, open_path, write_fragment
from curate.ledger.rows import DropRow, ImageRow, build_fragment
from curate.masks.components import draw_bits
from curate.pipeline.load import load_case
from curate.pipeline.slice import CutSlice, cut_slices
from curate.pipeline.task import Report, Task, labels_by_class, tokens
from curate.recipe.resolved import Channel, Label


def curate_case(task: Task) -> Report:
    """Write a case's files and its fragment, whole or not at all, and report on it.

    A case that cannot be used leaves a fragment with its reason. Raises OutputError where the corpus cannot be written.
    """
    start = perf_counter()
    case = task.case
    fragment = fragment_path(task.out, case.dataset, task.key)
    try:
        fragment.parent.mkdir(parents=True, exist_ok=True)
        begun = open_path(task.out, case.dataset, task.key)
        begun.write_text("\n".join(tokens(task.group)))
        labels = labels_by_class(task.group)
        images, drops, resampled, failure = _write(task, labels)
        table = build_fragment(images, drops, labels, task.label_ids, _label_sources(task), _constants(task))
        report = Report(
            task.key,
            case.dataset,
            case.case,
            images=len(images),
            masks=sum(len(image.masks) for image in images),
            drops=_count(drops),
            seconds=perf_counter() - start,
            resampled=resampled,
            error=failure,
        )
        write_fragment(
            fragment,
            table,
            Marker(
                task.fingerprint, str(task.source), case.case, failure is not None,
                report.images, report.masks, report.seconds, resampled,
            ),
        )  # fmt: skip
        begun.unlink()
    except OSError as error:
        raise _cannot_write(task.out, error) from error
    return report


def _write(task: Task, labels: dict[int, Label]) -> tuple[list[ImageRow], list[DropRow], bool, str | None]:
    """Return rows kept and dropped, whether labels were resampled, and why the case failed."""
    store = find_store(task.store).open_case(dataset_folders(task.out, task.case.dataset), task.key)
    images: list[ImageRow] = []
    drops: list[DropRow] = []
    try:
        loaded = load_case(task)
        for cut in cut_slices(task.group, loaded, task.keep_empty):
            drops += cut.dropped
            for scan, pixels, bounds in zip(loaded.scans, cut.pixels, cut.bounds, strict=False):
                images.append(_store_slice(task, labels, store, scan.channel, cut, pixels, bounds))
        store.close()
    except CaseError as error:
        store.abort()
        return [], [DropRow(error.reason, detail=error.detail)], False, error.detail
    except BaseException:
        store.abort()
        raise
    return images, drops, loaded.resampled, None


def _store_slice(
    task: Task,
    labels: dict[int, Label],
    store: CaseWriter,
    channel: Channel,
    cut: CutSlice,
    pixels: NDArray[np.uint8],
    bounds: tuple[float, float],
) -> ImageRow:
    height, width = pixels.shape[:2]
    token = modality_token(channel.modality, channel.sequence)
    name = image_name(token, task.case.dataset, task.case.case, cut.plane.axis, cut.plane.number)
    place = store.image(name, pixels)
    canvas = np.zeros((height, -(-width // 8)), np.uint8)
    masks = []
    for mask in cut.masks:
        draw_bits(mask.runs, canvas)
        label_id = task.label_ids[labels[mask.label].name]
        mask_place = store.mask(mask_name(name, label_id, mask.instance), canvas, width)
        masks.append((mask, mask_place, bits_hash(canvas, width)))
        canvas[mask.y0 : mask.y1] = 0
    return ImageRow(
        cut.plane, place, height, width, channel.modality, channel.sequence, bounds, image_hash(pixels), masks
    )


def _label_sources(task: Task) -> dict[int, str]:
    """Return the file each label was read from, by class number; several instance files are named by a pattern."""
    paths = dict(task.case.labels)
    if task.group.encoding == "files":
        return {
            label.id: ", ".join(paths[word] for word in label.values if word in paths) for label in task.group.labels
        }
    names = [path for _, path in task.case.labels]
    source = names[0] if len(names) == 1 else f"{posixpath.commonpath(names)}/*" if names else ""
    return dict.fromkeys(labels_by_class(task.group), source)


def _constants(task: Task) -> dict[str, Any]:
    case = task.case
    return {
        **task.columns,
        "dataset": case.dataset,
        "case": case.case,
        "patient": case.patient,
        "source_image": case.image,
    }


def _count(drops: list[DropRow]) -> dict[str, int]:
    return {reason.value: count for reason, count in Counter(drop.reason for drop in drops).items()}


def _cannot_write(out: Path, error: OSError) -> OutputError:
    if error.errno == errno.ENOSPC:
        return OutputError(
            f"the disk of {out} is full; make room and give the same command again: it goes on from here"
        )
    return OutputError(f"cannot write to {out}: {error}; mend that and give the same command again")
