"""Checks at the end of a case: results that are valid but probably not what the user wants."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.labels.registry import ENCODINGS
from curate.ledger.case_result import CaseWarning
from curate.pipeline.load import LoadedCase, LoadedChannel
from curate.pipeline.task import Task

LEAST_BETWEEN = 0.01
"""Share of voxels that a fixed window should leave between its two ends."""

_SAMPLE = 1 << 20


def case_warnings(task: Task, loaded: LoadedCase, seen: Sequence[str]) -> tuple[CaseWarning, ...]:
    """Return what a user should look at; `seen` are the labels of which any component was met."""
    warnings = [CaseWarning("image", note) for note in loaded.notes]
    if loaded.uneven is not None and task.group.stack == "volume":
        axis, reason = loaded.uneven
        warnings.append(CaseWarning("uneven", f"only slices along {axis} were cut: {reason}"))
    warnings += [CaseWarning("label", note) for note in loaded.decoded.notes]
    for channel in loaded.channels:
        warnings += _image_warnings(channel)
    if task.case.labels and not seen:
        warnings.append(CaseWarning("no_foreground", _no_foreground(task)))
    absent = _absent_words(task)
    if absent:
        warnings.append(CaseWarning("no_label_file", f"no label file for {', '.join(absent)}"))
    return tuple(warnings)


def _image_warnings(channel: LoadedChannel) -> Iterator[CaseWarning]:
    if channel.bounds is None:
        return
    sample = _sample(channel.voxels)
    low, high = channel.bounds
    if sample.min() == sample.max() and channel.voxels.min() == channel.voxels.max():
        yield CaseWarning(
            "flat_image",
            f"every pixel is {int(sample[0])}: no voxel is inside the window {low:g} to {high:g}; check `window`, or "
            "the image's offset (`rescale`)",
        )
    elif channel.channel.window.kind == "fixed":
        between = float(np.count_nonzero((sample > 0) & (sample < 255))) / sample.size
        if between < LEAST_BETWEEN:
            yield CaseWarning(
                "window",
                f"only {between:.1%} of the voxels are inside the window {low:g} to {high:g}; check `window`, or the "
                "image's offset (`rescale`)",
            )


def _sample(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return about _SAMPLE voxels, evenly spread over the planes."""
    step = max(1, round(voxels.size / _SAMPLE))
    return voxels[::step].reshape(-1) if voxels.shape[0] >= 4 * step else voxels.reshape(-1)[::step]


def _no_foreground(task: Task) -> str:
    files = ", ".join(source.name.rpartition("/")[2] for _, source in task.case.labels[:3])
    threshold = task.group.threshold
    if threshold is not None and ENCODINGS[task.group.encoding].single:
        return f"no pixel of {files} reaches the threshold {threshold:g}; check `threshold`"
    return f"no label has any foreground in {files}"


def _absent_words(task: Task) -> list[str]:
    """Return the words for which this case has no label file, of an encoding with one file a label."""
    if not ENCODINGS[task.group.encoding].by_word or task.group.any_label:
        return []
    have = {word for word, _ in task.case.labels}
    return sorted({str(value) for label in task.group.labels for value in label.values} - have)
