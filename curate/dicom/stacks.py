"""Series to stacks: images that make one volume, or that stand alone.

What a SeriesInstanceUID holds is not always one volume. It is split by directions, shape and spacing; by echo, b-value
and time; and by whatever else tells apart images that are at the same position.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np

from curate.dicom.frames import Frame
from curate.dicom.grid import SAME_PLACE, Grid, along_normal, grid_of
from curate.dicom.instance import Instance, Kind

_PARALLEL = 1e-3
"""Greatest difference of a direction cosine between images of one volume."""

_LEAST_ACQUISITION = 3
"""Fewest slices of an acquisition that stands for itself: a step of a step-and-shoot CT has one to a few."""


class Image(NamedTuple):
    """A frame of a file."""

    instance: Instance
    frame: Frame

    @property
    def order(self) -> tuple[int, str, int]:
        """What orders images that positions do not order."""
        number = self.instance.instance_number
        return (number if number is not None else 1 << 31, self.instance.path, self.frame.number)


@dataclass(frozen=True)
class Series:
    """The images of one series.

    `key` is what makes it one: patient and SeriesInstanceUID, or the folder where there is no UID.
    """

    key: tuple[str, str]
    instances: tuple[Instance, ...]

    @property
    def first(self) -> Instance:
        """The first file by path: what is the same in all files is taken from it."""
        return self.instances[0]


@dataclass(frozen=True)
class Stack:
    """Images of a series that belong together, in order.

    `grid` is that of a volume, None for a 2D image without a position and for frames, which are a film. `part` counts
    the stacks of a series from 1, of `parts`. `duplicates` is the number of images left out since another one is at
    their position.
    """

    series: Series
    images: tuple[Image, ...]
    grid: Grid | None = None
    part: int = 1
    parts: int = 1
    duplicates: int = 0

    @property
    def first(self) -> Instance:
        """The file of the first image."""
        return self.images[0].instance

    @property
    def is_film(self) -> bool:
        """Whether it is a film: frames of one file without positions."""
        return self.grid is None and len(self.images) > 1


def series_of(instances: Iterable[Instance]) -> list[Series]:
    """Return the series of a folder, in the order of their first file."""
    found: dict[tuple[str, str], list[Instance]] = defaultdict(list)
    for instance in instances:
        if instance.kind == Kind.IMAGE:
            folder = f"{PurePosixPath(instance.path).parent}/{instance.number}/{instance.description}"
            found[instance.patient_id, instance.series_uid or folder].append(instance)
    return [Series(key, tuple(members)) for key, members in found.items()]


def stacks_of(series: Series) -> list[Stack]:
    """Return the stacks of a series, ordered by their first image's number."""
    images, copies = _without_copies(series)
    placed = [one for one in images if _is_placed(one)]
    groups: list[tuple[list[Image], int]] = []
    for alike in _alike(placed):
        groups += _apart(alike)
    stacks = [Stack(series, *_ordered(group), duplicates=left_out) for group, left_out in groups]
    stacks += _unplaced(series, [one for one in images if not _is_placed(one)])
    stacks.sort(key=lambda stack: min(one.order for one in stack.images))
    return [
        Stack(s.series, s.images, s.grid, part, len(stacks), s.duplicates + (copies if part == 1 else 0))
        for part, s in enumerate(stacks, 1)
    ]


def _without_copies(series: Series) -> tuple[list[Image], int]:
    """Return the images without copies of one file (`x(1).dcm`), and the number of those."""
    images, seen, copies = [], set[str](), 0
    for instance in series.instances:
        if instance.sop_uid and instance.sop_uid in seen:
            copies += len(instance.frames)
            continue
        seen.add(instance.sop_uid)
        images += [Image(instance, frame) for frame in instance.frames]
    return images, copies


def _is_placed(image: Image) -> bool:
    frame = image.frame
    return frame.position is not None and frame.along_row is not None and frame.along_column is not None


def _unplaced(series: Series, images: list[Image]) -> Iterator[Stack]:
    """Yield a stack for each file: a 2D image, or the frames of a film."""
    by_file: dict[str, list[Image]] = defaultdict(list)
    for image in images:
        by_file[image.instance.path].append(image)
    for members in by_file.values():
        yield Stack(series, tuple(members))


def _alike(images: list[Image]) -> Iterator[list[Image]]:
    """Yield groups of images that have shape, spacing, directions and kind of pixels in common."""
    groups: list[tuple[Image, list[Image]]] = []
    for image in sorted(images, key=lambda one: one.order):
        for first, members in groups:
            if _same_form(first, image):
                members.append(image)
                break
        else:
            groups.append((image, [image]))
    for _, members in groups:
        yield members


def _same_form(a: Image, b: Image) -> bool:
    one, other = a.instance, b.instance
    if (one.rows, one.columns, one.samples, one.photometric, one.tiles, one.frames_of_reference, one.modality) != (
        other.rows, other.columns, other.samples, other.photometric, other.tiles, other.frames_of_reference,
        other.modality,
    ):  # fmt: skip
        return False
    if one.tiles and one.path != other.path:
        return False  # each mosaic is a volume of its own
    spacings = zip(a.frame.spacing or (0.0, 0.0), b.frame.spacing or (0.0, 0.0), strict=True)
    if any(abs(p - q) > 1e-3 * max(p, q) for p, q in spacings):
        return False
    directions = zip(_directions(a.frame), _directions(b.frame), strict=True)
    return all(abs(p - q) <= _PARALLEL for p, q in directions)


def _directions(frame: Frame) -> tuple[float, ...]:
    assert frame.along_row is not None
    assert frame.along_column is not None
    return (*frame.along_row, *frame.along_column)


_ALWAYS: tuple[Callable[[Image], Hashable], ...] = (
    lambda one: one.frame.echo,
    lambda one: one.frame.b_value,
    lambda one: one.frame.time,
)
"""What tells volumes apart wherever it differs."""

_WHERE_NEEDED: tuple[Callable[[Image], Hashable], ...] = (
    lambda one: one.frame.kind,
    lambda one: one.frame.trigger,
    lambda one: one.frame.acquisition,
    lambda one: one.frame.moment,
    lambda one: one.instance.path if len(one.instance.frames) > 1 else "",
)
"""What tells images at one position apart; where positions differ, it may differ from slice to slice of one volume."""


def _apart(images: list[Image]) -> list[tuple[list[Image], int]]:
    """Return groups of which no two images are at one position, each with the number of images left out."""
    groups = [images]
    for key in _ALWAYS:
        groups = [part for group in groups for part in _split_always(group, key)]
    for key in _WHERE_NEEDED:
        groups = [part for group in groups for part in _split_where_needed(group, key)]
    groups = [part for group in groups for part in _acquisitions(group)]
    return [part for group in groups for part in _occurrences(group)]


def _by(images: list[Image], key: Callable[[Image], Hashable]) -> list[list[Image]]:
    parts: dict[Hashable, list[Image]] = defaultdict(list)
    for image in images:
        parts[key(image)].append(image)
    return list(parts.values())


def _split_always(images: list[Image], key: Callable[[Image], Hashable]) -> list[list[Image]]:
    parts = _by(images, key)
    if all(len(part) == 1 for part in parts) and not _collisions(images):
        return [images]  # every slice has a value of its own: it counts slices
    return parts


def _split_where_needed(images: list[Image], key: Callable[[Image], Hashable]) -> list[list[Image]]:
    before = _collisions(images)
    if not before:
        return [images]
    parts = _by(images, key)
    return parts if sum(map(_collisions, parts)) < before else [images]


def _acquisitions(images: list[Image]) -> list[list[Image]]:
    """Split by acquisition where each one is an even volume and together they are none."""
    parts = _by(images, lambda one: one.frame.acquisition)
    if len(parts) < 2 or min(map(len, parts)) < _LEAST_ACQUISITION or _is_even(images):
        return [images]
    return parts if all(map(_is_even, parts)) else [images]


def _is_even(images: list[Image]) -> bool:
    return not _collisions(images) and not grid_of([one.frame for one in images]).trouble


def _places(images: Sequence[Image]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return the number of the position of each image, counted along the normal."""
    places = along_normal([one.frame for one in images])
    order = np.argsort(places, kind="stable")
    numbers = np.empty(len(images), np.int64)
    numbers[order] = np.concatenate([[0], np.cumsum(np.diff(places[order]) > SAME_PLACE)])
    return numbers


def _collisions(images: list[Image]) -> int:
    """Return the number of images that are at the position of another one."""
    return len(images) - len(np.unique(_places(images)))


def _occurrences(images: list[Image]) -> list[tuple[list[Image], int]]:
    """Split what nothing else tells apart: the n-th image at each position makes the n-th volume.

    Where positions have different numbers of images, the first at each is taken and the rest is left out.
    """
    if not _collisions(images):
        return [(images, 0)]
    by_place: dict[int, list[Image]] = defaultdict(list)
    for image, place in zip(images, _places(images).tolist(), strict=True):
        by_place[place].append(image)
    columns = [sorted(members, key=lambda one: one.order) for members in by_place.values()]
    counts = {len(column) for column in columns}
    if len(counts) == 1 and len(columns) > 1:
        return [([column[n] for column in columns], 0) for n in range(counts.pop())]
    return [([column[0] for column in columns], len(images) - len(columns))]


def _ordered(images: list[Image]) -> tuple[tuple[Image, ...], Grid]:
    grid = grid_of([one.frame for one in images], images[0].instance.thickness)
    return tuple(images[n] for n in grid.order), grid
