"""A case's files in memory: channels windowed, labels on their grid, both turned into the frame slices are cut in."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Frame, Volume, frame_of, to_frame
from curate.imaging.window import apply_window, window_bounds
from curate.labels.layers import LabelFile, Labels, read_labels
from curate.masks.select import Layer
from curate.pipeline.task import Task
from curate.readers import read
from curate.recipe.resolved import Channel, Group


@dataclass(frozen=True)
class Scan:
    """One channel in the frame slices are cut in; already 8-bit unless the window is drawn slice by slice."""

    voxels: NDArray[Any]
    channel: Channel
    bounds: tuple[float, float] | None
    slope: float
    intercept: float


@dataclass(frozen=True)
class LoadedCase:
    """A case in memory: its channels and label layers (z, y, x) in one frame.

    `flat` marks a 2D image; `resampled` labels that lay on another grid.
    """

    scans: tuple[Scan, ...]
    layers: tuple[Layer, ...]
    frame: Frame
    flat: bool
    resampled: bool


def load_case(task: Task) -> LoadedCase:
    """Return a case's channels and labels in the frame its slices are cut in.

    Raises CaseError where a file is missing or cannot be used.
    """
    group, case = task.group, task.case
    if group.label is not None and not case.labels:
        raise CaseError(Reason.NO_LABEL, f"no label file for {case.image}; looked for {group.label}")
    scans: list[Scan] = []
    for channel in group.channels:
        volume = _intensities(read(task.source / case.image, channel.index, task.limit))
        frame = _frame(volume, group)
        if not scans:
            labels = _labels(task, volume, frame)
        scans.append(_windowed(volume, frame, channel))
        flat = volume.flat
    return LoadedCase(tuple(scans), labels.layers, frame, flat, labels.resampled)


def _intensities(volume: Volume) -> Volume:
    """Return palette indices as colours, and a grey image saved as RGB with one channel; anything else as it is."""
    voxels = volume.voxels if volume.palette is None else volume.palette[volume.voxels]
    if voxels.ndim == 4 and (voxels[..., 0] == voxels[..., 1]).all() and (voxels[..., 0] == voxels[..., 2]).all():
        voxels = np.ascontiguousarray(voxels[..., 0])
    if voxels is volume.voxels:
        return volume
    return Volume(voxels, volume.affine, volume.slope, volume.intercept, volume.flat)


def _frame(volume: Volume, group: Group) -> Frame:
    frame = frame_of(volume.affine, group.orient)
    if group.spacing is None or volume.affine is not None:
        return frame
    *between, row, column = group.spacing
    return Frame(spacing=(between[0] if between else None, row, column))


def _windowed(volume: Volume, frame: Frame, channel: Channel) -> Scan:
    if channel.window.kind == "minmax_slice":
        return Scan(to_frame(volume.voxels, frame), channel, None, volume.slope, volume.intercept)
    low, high = window_bounds(channel.window, volume.voxels, volume.slope, volume.intercept)
    pixels = apply_window(volume.voxels, low, high, volume.slope, volume.intercept)
    return Scan(to_frame(pixels, frame), channel, (low, high), 1.0, 0.0)


def _labels(task: Task, image: Volume, frame: Frame) -> Labels:
    files = [
        LabelFile(word, path, lambda path=path: read(task.source / path, None, task.limit))  # type: ignore[misc]
        for word, path in task.case.labels
    ]
    labels = read_labels(task.group, files, image)
    turned: dict[int, NDArray[Any]] = {}  # nested regions share one array: turn it once
    layers = []
    for layer in labels.layers:
        if id(layer.voxels) not in turned:
            turned[id(layer.voxels)] = to_frame(layer.voxels, frame)
        layers.append(Layer(turned[id(layer.voxels)], layer.classes, layer.by_value))
    return Labels(tuple(layers), labels.resampled)
