"""A case in memory: channels windowed, labels on their grid, both turned into the frame slices are made in."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.apply_window import apply_window, window_bounds
from curate.imaging.volume import Frame, Volume, frame_of, to_frame
from curate.labels.base import Decoded, LabelFile
from curate.labels.registry import ENCODINGS
from curate.masks.select import Layer
from curate.pipeline.task import Task
from curate.readers import read_channels
from curate.recipe.resolved import Channel, Group


@dataclass(frozen=True)
class LoadedChannel:
    """One channel in the frame slices are made in; 8-bit already unless the window is taken slice by slice."""

    voxels: NDArray[Any]
    channel: Channel
    bounds: tuple[float, float] | None
    slope: float
    intercept: float


@dataclass(frozen=True)
class LoadedCase:
    """A case in memory: its channels and label layers (z, y, x) in one frame.

    `flat` is the axis of a single 2D image, None for a volume; `decoded` is what was learned while the labels were
    read.
    """

    channels: tuple[LoadedChannel, ...]
    layers: tuple[Layer, ...]
    frame: Frame
    flat: str | None
    decoded: Decoded


def load_case(task: Task) -> LoadedCase:
    """Return a case's channels and labels in the frame its slices are made in; the image is decoded once.

    Raises CaseError where a file is missing or cannot be used.
    """
    group, case = task.group, task.case
    if group.label is not None and not case.labels:
        raise CaseError(Reason.NO_LABEL, f"no label file for {case.image.name}; the recipe looks for {group.label}")
    volumes = read_channels(case.image, [channel.index for channel in group.channels], task.limit)
    volumes = [_intensities(volume, group, case.image.name) for volume in volumes]
    frame = _frame(volumes[0], group)
    decoded = _labels(task, volumes[0])
    layers = _turned(decoded.layers, frame)
    channels = []
    for channel in group.channels:
        volume = volumes.pop(0)  # the stored voxels of a channel go as soon as it is windowed
        flat = _flat_axis(volume, frame)
        channels.append(_windowed(volume, frame, channel))
    return LoadedCase(tuple(channels), layers, frame, flat, decoded)


def _intensities(volume: Volume, group: Group, name: str) -> Volume:
    """Return source intensities as the recipe wants them.

    Palette indices become colours, a grey image saved as RGB one channel; NaN becomes background and stored values are
    rescaled where the recipe says so.
    """
    voxels = volume.voxels if volume.palette is None else volume.palette[volume.voxels]
    if voxels.ndim == 4 and (voxels[..., 0] == voxels[..., 1]).all() and (voxels[..., 0] == voxels[..., 2]).all():
        voxels = np.ascontiguousarray(voxels[..., 0])
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        voxels = _without_nan(voxels, group, name)
    slope, intercept = volume.slope, volume.intercept
    if group.rescale is not None:
        factor, offset = group.rescale
        slope, intercept = slope * factor, intercept * factor + offset
    return replace(volume, voxels=voxels, slope=slope, intercept=intercept, palette=None)


def _without_nan(voxels: NDArray[Any], group: Group, name: str) -> NDArray[Any]:
    finite = np.isfinite(voxels)
    if group.nan == "background" and finite.any():
        return np.where(finite, voxels, voxels[finite].min())
    bad = int(voxels.size - np.count_nonzero(finite))
    raise CaseError(
        Reason.NOT_FINITE,
        f"{name.rpartition('/')[2]}: {bad} of {voxels.size} voxels are NaN or infinite; set `nan: background` in the "
        "recipe to take them for the lowest value, or exclude the case",
    )


def _frame(volume: Volume, group: Group) -> Frame:
    frame = frame_of(volume.affine, group.orient)
    if volume.affine is not None:
        return frame
    if group.spacing is None:
        return Frame(spacing=volume.spacing)
    *between, row, column = group.spacing
    return Frame(spacing=(between[0] if between else None, row, column))


def _flat_axis(volume: Volume, frame: Frame) -> str | None:
    """Return the axis across a single slice: z of a 2D image, that of the one voxel of a volume; None for volumes."""
    if volume.flat:
        return "z"
    shape = [volume.shape[axis] for axis in frame.order]
    return "zyx"[shape.index(1)] if 1 in shape else None


def _windowed(volume: Volume, frame: Frame, channel: Channel) -> LoadedChannel:
    if channel.window.kind == "minmax_slice":
        return LoadedChannel(to_frame(volume.voxels, frame), channel, None, volume.slope, volume.intercept)
    low, high = window_bounds(channel.window, volume.voxels, volume.slope, volume.intercept)
    pixels = apply_window(volume.voxels, low, high, volume.slope, volume.intercept)
    return LoadedChannel(to_frame(pixels, frame), channel, (low, high), 1.0, 0.0)


def _labels(task: Task, image: Volume) -> Decoded:
    if task.group.label is None:
        return Decoded(())
    files = [LabelFile(word, source, task.limit) for word, source in task.case.labels]
    return ENCODINGS[task.group.encoding].decode(task.group, files, image)


def _turned(layers: tuple[Layer, ...], frame: Frame) -> tuple[Layer, ...]:
    turned: dict[int, NDArray[Any]] = {}  # nested regions share one array: turn it once
    for layer in layers:
        if id(layer.voxels) not in turned:
            turned[id(layer.voxels)] = to_frame(layer.voxels, frame)
    return tuple(replace(layer, voxels=turned[id(layer.voxels)]) for layer in layers)
