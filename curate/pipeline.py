"""One case from its files to its slices, masks and rows: the function a run maps over all cases."""

import errno
import posixpath
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.hashes import bits_hash, image_hash
from catalog.names import image_name, mask_name, modality_token
from catalog.reasons import Reason
from curate.cases import Case
from curate.components import draw_bits
from curate.errors import CaseError, OutputError
from curate.labels import LabelFile, Labels, read_labels
from curate.masks import DroppedMask, Layer, Mask, find_masks
from curate.readers import read
from curate.recipe.resolved import Channel, Group, Label
from curate.rows import DropRow, ImageRow, build_fragment
from curate.slices import Plane, plane_spacing, square_size, stack, too_narrow
from curate.state import Marker, fragment_path, open_path, piece_path, write_fragment
from curate.store import Store, open_store
from curate.unions import find_unions, union_labels
from curate.volume import Frame, Volume, frame_of, to_frame
from curate.window import apply_window, window_bounds


@dataclass(frozen=True)
class Task:
    """Everything one case needs: picklable, and complete without a look at the recipe or the corpus.

    `key` names the case among all of its data set; `columns` are the catalog's columns that are the same for every row
    of the data set; `limit` is the most bytes a decoded file may take.
    """

    case: Case
    key: str
    group: Group
    source: Path
    out: Path
    store: str
    label_ids: dict[str, int]
    columns: dict[str, Any]
    keep_empty: bool
    limit: int
    fingerprint: str


@dataclass(frozen=True)
class Report:
    """What became of a case; `drops` counts reasons, `error` is the sentence of a case that failed."""

    key: str
    dataset: str
    case: str
    images: int
    masks: int
    drops: dict[str, int]
    seconds: float
    resampled: bool
    error: str | None = None


@dataclass(frozen=True)
class Scan:
    """One channel in the frame slices are cut in; already 8-bit unless the window is drawn slice by slice."""

    voxels: NDArray[Any]
    channel: Channel
    bounds: tuple[float, float] | None
    slope: float
    intercept: float


@dataclass(frozen=True)
class CutSlice:
    """A slice with its masks; `pixels` and `bounds` one a channel, both empty where no image is kept."""

    plane: Plane
    pixels: tuple[NDArray[np.uint8], ...]
    bounds: tuple[tuple[float, float], ...]
    masks: list[Mask]
    dropped: list[DropRow]


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
        table = build_fragment(images, drops, labels, task.label_ids, label_sources(task), _constants(task))
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
    store = open_store(task.store, task.out, task.case.dataset, piece_path(task.out, task.case.dataset, task.key))
    images: list[ImageRow] = []
    drops: list[DropRow] = []
    try:
        scans, frame, truth, flat = load(task)
        for cut in cut_slices(task.group, scans, frame, truth.layers, flat, task.keep_empty):
            drops += cut.dropped
            for scan, pixels, bounds in zip(scans, cut.pixels, cut.bounds, strict=False):
                images.append(_store_slice(task, labels, store, scan.channel, cut, pixels, bounds))
        store.close()
    except CaseError as error:
        store.abort()
        return [], [DropRow(error.reason, detail=error.detail)], False, error.detail
    except BaseException:
        store.abort()
        raise
    return images, drops, truth.resampled, None


# ---- files to arrays ----


def load(task: Task) -> tuple[list[Scan], Frame, Labels, bool]:
    """Return a case's channels in their frame, the frame, its labels, and whether it is a 2D image."""
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
    return scans, frame, labels, flat


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
    spacing = (*(0.0,) * (3 - len(group.spacing)), *group.spacing)
    return Frame(spacing=(spacing[0], spacing[1], spacing[2]))


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


# ---- arrays to slices and masks ----


def cut_slices(
    group: Group, scans: list[Scan], frame: Frame, layers: tuple[Layer, ...], flat: bool, keep_empty: bool
) -> Iterator[CutSlice]:
    """Yield every slice of a case with its masks and what was dropped of it.

    A slice without any mask has no pixels, unless `keep_empty`: only what is kept is windowed, turned and encoded.
    """
    axes = ("z",) if flat or group.stack == "frames" else group.axes
    aspect = group.aspect if group.aspect is not None else not flat and group.stack == "volume"
    pairs = union_labels(group.labels) if group.union else {}
    for axis in axes:
        stacks = [stack(scan.voxels, axis) for scan in scans]
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
                views = [_view(scan, one[position]) for scan, one in zip(scans, stacks, strict=True)]
            except CaseError as error:  # a slice's own window can fail where the volume's does not
                if error.reason != Reason.CONSTANT:
                    raise
                yield _empty(plane, *drops, DropRow(error.reason, plane, detail=error.detail))
                continue
            pixels = tuple(_fit(view, size, smooth=True) for view, _ in views)
            yield CutSlice(plane, pixels, tuple(bounds for _, bounds in views), masks, drops)


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


def _view(scan: Scan, plane: NDArray[Any]) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Return a slice in 8 bits and its window."""
    if scan.bounds is not None:
        return plane, scan.bounds
    low, high = window_bounds(scan.channel.window, plane, scan.slope, scan.intercept)
    return apply_window(plane, low, high, scan.slope, scan.intercept), (low, high)


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


def _empty(plane: Plane, *drops: DropRow) -> CutSlice:
    return CutSlice(plane, (), (), [], list(drops))


# ---- slices and masks to files and rows ----


def _store_slice(
    task: Task,
    labels: dict[int, Label],
    store: Store,
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


def tokens(group: Group) -> list[str]:
    """Return the first part of the names of each channel's images."""
    return [modality_token(channel.modality, channel.sequence) for channel in group.channels]


def labels_by_class(group: Group) -> dict[int, Label]:
    """Return the labels and unions of a group by the class number their masks carry."""
    unions = union_labels(group.labels).values() if group.union else ()
    return {label.id: label for label in (*group.labels, *unions)}


def label_sources(task: Task) -> dict[int, str]:
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
