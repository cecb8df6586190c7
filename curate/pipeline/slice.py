"""Slices of a case with their masks, and what was dropped from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.apply_window import apply_window, window_bounds
from curate.imaging.slices import Plane, plane_spacing, square_size, stack, too_narrow
from curate.ledger.rows import DropRow
from curate.masks.select import DroppedMask, Layer, Mask, find_masks
from curate.masks.unions import find_unions, union_labels
from curate.pipeline.load import LoadedCase, LoadedChannel
from curate.recipe.resolved import Group, Label


@dataclass(frozen=True)
class CaseSlice:
    """A slice with its masks; `pixels` and `bounds` have one entry a channel, none where no image is kept."""

    plane: Plane
    pixels: tuple[NDArray[np.uint8], ...]
    bounds: tuple[tuple[float, float], ...]
    masks: list[Mask]
    dropped: list[DropRow]


def slices_of(group: Group, case: LoadedCase, keep_empty: bool) -> Iterator[CaseSlice]:
    """Yield every slice of a case with its masks and what was dropped from it.

    A slice without any mask has no pixels, unless `keep_empty`: only what is kept is windowed, turned and encoded.
    """
    frame, layers, flat = case.frame, case.layers, case.flat
    axes = (flat,) if flat else ("z",) if group.stack == "frames" else group.axes
    aspect = group.aspect if group.aspect is not None else not flat and group.stack == "volume"
    pairs = union_labels(group.labels) if group.union else {}
    for axis in axes:
        stacks = [stack(one.voxels, axis) for one in case.channels]
        arrays = {id(layer.voxels): stack(layer.voxels, axis) for layer in layers}
        spacing = plane_spacing(frame.spacing, axis)
        if flat:
            spacing = (spacing[0], spacing[1], None)
        count = len(stacks[0])
        for position in range(count):
            number = frame.slice_number(position, count)
            plane = Plane(None, None, spacing) if flat else Plane(axis, number, spacing)
            size: tuple[int, int] = stacks[0].shape[1:3]
            if group.isotropic:
                size = square_size(*size, spacing)
                plane = _squared(plane)
            if aspect and too_narrow(*size):
                short, long = sorted(size)
                yield _empty(plane, DropRow(Reason.ASPECT, plane, value=short, threshold=long / 2))
                continue
            planes = [(_fit(arrays[id(layer.voxels)][position], size), layer) for layer in layers]
            masks, dropped = _find(planes, pairs, group.min_area)
            drops = [DropRow(one.reason, plane, one, one.value, one.threshold) for one in dropped]
            if not masks and not keep_empty:
                yield _empty(plane, *drops, DropRow(Reason.NO_MASK, plane))
                continue
            try:
                views = [_view(one, voxels[position]) for one, voxels in zip(case.channels, stacks, strict=True)]
            except CaseError as error:  # a slice's own window can fail where the volume's does not
                if error.reason != Reason.CONSTANT:
                    raise
                yield _empty(plane, *drops, DropRow(error.reason, plane, detail=error.detail))
                continue
            pixels = tuple(_fit(view, size, smooth=True) for view, _ in views)
            yield CaseSlice(plane, pixels, tuple(bounds for _, bounds in views), masks, drops)


def _find(
    planes: list[tuple[NDArray[Any], Layer]], pairs: dict[tuple[int, int], Label], min_area: float
) -> tuple[list[Mask], list[DroppedMask]]:
    """Return the masks of all layers of a slice, ordered by label and instance."""
    masks: list[Mask] = []
    dropped: list[DroppedMask] = []
    for plane, layer in planes:
        kept, lost = find_masks(plane, layer.classes, layer.by_value, min_area)
        masks += kept
        dropped += lost
    if len(planes) > 1:
        masks = _renumbered(masks)
    if pairs:
        kept, lost = find_unions([(plane, layer.classes) for plane, layer in planes], pairs, min_area)
        masks += kept
        dropped += lost
    return masks, dropped


def _renumbered(masks: list[Mask]) -> list[Mask]:
    """Number the instances of each label over all layers, top to bottom and left to right."""
    masks = sorted(masks, key=lambda mask: (mask.label, mask.y0, mask.x0, mask.y1, mask.x1))
    counts: dict[int, int] = {}
    numbered = []
    for mask in masks:
        instance = counts.get(mask.label, 0)
        counts[mask.label] = instance + 1
        numbered.append(mask._replace(instance=instance))
    return numbered


def _view(channel: LoadedChannel, plane: NDArray[Any]) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Return a slice in 8 bits and its window."""
    if channel.bounds is not None:
        return plane, channel.bounds
    low, high = window_bounds(channel.channel.window, plane, channel.slope, channel.intercept)
    return apply_window(plane, low, high, channel.slope, channel.intercept), (low, high)


def _fit(plane: NDArray[Any], size: tuple[int, int], smooth: bool = False) -> NDArray[Any]:
    """Return a contiguous plane of `size` (h, w): area interpolation for images, nearest for labels."""
    if plane.shape[:2] != size:
        import cv2

        return cv2.resize(plane, size[::-1], interpolation=cv2.INTER_AREA if smooth else cv2.INTER_NEAREST)
    return np.ascontiguousarray(plane)


def _squared(plane: Plane) -> Plane:
    row, column, between = plane.spacing
    if row is None or column is None:
        return plane
    return Plane(plane.axis, plane.number, (min(row, column), min(row, column), between))


def _empty(plane: Plane, *drops: DropRow) -> CaseSlice:
    return CaseSlice(plane, (), (), [], list(drops))
