"""One case from its files to its slices, masks and rows: the function a run maps over all cases."""

import errno
import posixpath
import traceback
from collections import Counter
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from catalog.errors import MedcorpusError, OutputError
from catalog.hashes import bits_hash, image_hash
from catalog.names import image_name, mask_name, modality_token
from catalog.stores.base import CaseWriter
from catalog.stores.registry import find_store
from curate.errors import CaseError
from curate.labels.registry import ENCODINGS
from curate.ledger.case_result import CaseResult
from curate.ledger.fragments import dataset_folders, fragment_path, open_path, write_fragment
from curate.ledger.rows import DropRow, ImageRow, build_fragment
from curate.masks.components import draw_bits
from curate.pipeline.checks import case_warnings
from curate.pipeline.load import load_case
from curate.pipeline.slice import CaseSlice, slices_of
from curate.pipeline.task import Task, labels_by_class, tokens
from curate.recipe.resolved import Channel, Label


def curate_case(task: Task) -> CaseResult:
    """Write a case's files and its fragment, whole or not at all, and return what became of it.

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
        images, drops, result = _write(task, labels)
        table = build_fragment(images, drops, labels, task.label_ids, _label_sources(task), _constants(task))
        result = replace(
            result,
            images=len(images),
            masks=sum(len(image.masks) for image in images),
            drops=_counts(drops),
            seconds=perf_counter() - start,
        )
        write_fragment(fragment, table, result)
        begun.unlink()
    except OSError as error:
        raise _cannot_write(task.out, error) from error
    return result


def new_result(task: Task) -> CaseResult:
    """Return the result of a case of which nothing is known yet."""
    inputs = tuple(source.name for source in (task.case.image, *(source for _, source in task.case.labels)))
    return CaseResult(
        task.key,
        task.case.dataset,
        task.fingerprint,
        str(task.source),
        task.run,
        label_ids=task.label_ids,
        inputs=inputs,
    )


def _write(task: Task, labels: dict[int, Label]) -> tuple[list[ImageRow], list[DropRow], CaseResult]:
    """Write a case's slices and masks; return rows kept and dropped, and the result so far."""
    store = find_store(task.store).open_case(dataset_folders(task.out, task.case.dataset), str(task.key))
    images: list[ImageRow] = []
    drops: list[DropRow] = []
    result = new_result(task)
    try:
        loaded = load_case(task)
        for one in slices_of(task.group, loaded, task.keep_empty):
            drops += one.dropped
            for channel, pixels, bounds in zip(task.group.channels, one.pixels, one.bounds, strict=False):
                images.append(_store_slice(task, labels, store, channel, one, pixels, bounds))
        store.close()
    except CaseError as error:
        store.abort()
        return [], [DropRow(error.reason, detail=error.detail)], replace(result, error=error.detail)
    except (OSError, MedcorpusError):  # the corpus cannot be written
        store.abort()
        raise
    except Exception as error:  # whatever else is wrong with a case, the others go on
        store.abort()
        detail = _log_traceback(task, error)
        return [], [DropRow(Reason.UNEXPECTED, detail=detail)], replace(result, error=detail)
    except BaseException:
        store.abort()
        raise
    seen = _seen(images, drops, labels)
    decoded = loaded.decoded
    result = replace(
        result,
        labels=seen,
        resampled=decoded.resampled,
        kept_mm3=decoded.kept_mm3,
        lost_mm3=decoded.lost_mm3,
        warnings=case_warnings(task, loaded, seen),
    )
    return images, drops, result


def _log_traceback(task: Task, error: Exception) -> str:
    """Write an unexpected error's traceback to a log in the state folder; return the sentence for the user."""
    log = fragment_path(task.out, task.case.dataset, task.key).with_suffix(".log")
    log.write_text("".join(traceback.format_exception(error)), "utf-8", errors="backslashreplace")
    summary = str(error).strip().splitlines()
    first = f": {summary[0]}" if summary else ""
    return f"unexpected {type(error).__name__}{first} (traceback in {log.relative_to(task.out)})"


def _store_slice(
    task: Task,
    labels: dict[int, Label],
    store: CaseWriter,
    channel: Channel,
    one: CaseSlice,
    pixels: NDArray[np.uint8],
    bounds: tuple[float, float],
) -> ImageRow:
    height, width = pixels.shape[:2]
    token = modality_token(channel.modality, channel.sequence)
    name = image_name(token, task.case.dataset, task.case.case, one.plane.axis, one.plane.number)
    place = store.image(name, pixels)
    canvas = np.zeros((height, -(-width // 8)), np.uint8)
    masks = []
    for mask in one.masks:
        draw_bits(mask.runs, canvas)
        label_id = task.label_ids[labels[mask.label].name]
        mask_place = store.mask(mask_name(name, label_id, mask.instance), canvas, width, (mask.y0, mask.y1))
        masks.append((mask, mask_place, bits_hash(canvas, width)))
        canvas[mask.y0 : mask.y1] = 0
    return ImageRow(
        one.plane, place, height, width, channel.modality, channel.sequence, bounds, image_hash(pixels), masks
    )


def _label_sources(task: Task) -> dict[int, str]:
    """Return the file each label was read from, by class number; several instance files are named by a pattern."""
    names = {word: source.name for word, source in task.case.labels}
    if ENCODINGS[task.group.encoding].by_word:
        return {
            label.id: ", ".join(names[word] for word in label.values if word in names) for label in task.group.labels
        }
    paths = [source.name for _, source in task.case.labels]
    source = paths[0] if len(paths) == 1 else f"{posixpath.commonpath(paths)}/*" if paths else ""
    return dict.fromkeys(labels_by_class(task.group), source)


def _constants(task: Task) -> dict[str, Any]:
    case = task.case
    return {
        **task.columns,
        "dataset": case.dataset,
        "case": case.case,
        "patient": case.patient,
        "split": case.split,
        "source_image": case.image.name,
    }


def _counts(drops: list[DropRow]) -> dict[str, int]:
    return {reason.value: count for reason, count in Counter(drop.reason for drop in drops).items()}


def _seen(images: list[ImageRow], drops: list[DropRow], labels: dict[int, Label]) -> tuple[str, ...]:
    """Return the labels of which any component was met, kept or dropped."""
    kept = {mask.label for image in images for mask, _, _ in image.masks}
    dropped = {drop.mask.label for drop in drops if drop.mask is not None}
    return tuple(sorted(labels[number].name for number in kept | dropped))


def _cannot_write(out: Path, error: OSError) -> OutputError:
    if error.errno == errno.ENOSPC:
        return OutputError(f"the disk of {out} is full; free some space and run the same command again to resume")
    return OutputError(f"cannot write to {out}: {error}; correct that and run the same command again")
