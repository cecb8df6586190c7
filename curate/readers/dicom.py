"""DICOM: a series in many files, or one file of one or many frames, read into a volume."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.dicom.data_set import DicomError, File, read_file
from curate.dicom.frames import FunctionalGroups
from curate.dicom.guard import reasons
from curate.dicom.instance import Instance, Kind, read_instance
from curate.dicom.intensities import Rescale, padding_of, rescale_of, voi_of
from curate.dicom.mosaic import cut, layout_of
from curate.dicom.pixels import PixelForm, form_of, read_frames
from curate.dicom.series_input import SeriesInput, series_input
from curate.dicom.stacks import series_of, stacks_of
from curate.dicom.suv import suv_factor
from curate.errors import CaseError
from curate.imaging.voi import Voi
from curate.imaging.volume import UnevenSlices, Volume, checked_affine
from curate.inputs import Input
from curate.readers.base import Channels, Header

_MOST_INFLATED = 1 << 32


class DicomReader:
    """Reads the images of a series, or of one file."""

    def header(self, source: Input) -> Header:
        """Return shape (i, j, k) and bytes a sample, from headers alone."""
        if not isinstance(source, SeriesInput):
            instance, root = _instance(source)
            if instance.kind == Kind.SEG:
                return Header((instance.columns, instance.rows, max(1, instance.frame_count)), 1)
            if instance.kind == Kind.RTSTRUCT:
                return Header((0,), 1)
            source = _one_file(source, instance, root)
        depth, height, width, *colours = source.shape
        return Header((width, height, depth, *colours), source.itemsize)

    def read(self, source: Input, channels: Channels) -> list[Volume]:
        """Return the volume once a channel: a DICOM series has one."""
        if any(channels):
            raise CaseError(
                Reason.GEOMETRY,
                f"{_short(source)} is one volume of a DICOM series: it has no channel {max(filter(None, channels))}; "
                "each echo, time and b-value is a case of its own",
            )
        stack = source if isinstance(source, SeriesInput) else _one_file(source, *_instance(source))
        return [read_stack(stack)] * len(channels)

    def companions(self, source: Input) -> tuple[str, ...]:
        """Return nothing: a series names all of its files."""
        return ()


def read_stack(source: SeriesInput) -> Volume:
    """Return the volume of a series: stored integers with a slope where all slices share one, else float32.

    Raises CaseError where a file is missing, damaged, of another shape, or in a syntax nothing decodes.
    """
    slices = _Slices(source)
    for number, (path, places, frames) in enumerate(_by_file(source), 1):
        several = len(source.files) > 1
        with reasons(f"{_short(source)}, file {number} of {len(source.files)}" if several else _short(source)):
            file = read_file(source.root / path, whole=True, limit=_MOST_INFLATED)
            slices.add(file, places, frames)
    with reasons(_short(source)):
        return slices.volume()


def _by_file(source: SeriesInput) -> Iterator[tuple[str, list[int], list[int]]]:
    """Yield each file, the slices it holds, and the frame of each; a file is read once."""
    found: dict[int, tuple[list[int], list[int]]] = {}
    for place, (file, frame) in enumerate(source.images):
        places, frames = found.setdefault(file, ([], []))
        places.append(place)
        frames.append(frame)
    for file, (places, frames) in found.items():
        yield source.files[file], places, frames


class _Slices:
    """The slices of a series as its files are read one after another."""

    def __init__(self, source: SeriesInput) -> None:
        self.source = source
        self.voxels: NDArray[Any] | None = None
        self.rescales: list[Rescale] = [Rescale()] * len(source.images)
        self.windows: list[Voi | None] = [None] * len(source.images)
        self.padding: dict[int, NDArray[np.bool_]] = {}
        self.inverted: PixelForm | None = None
        self.tracers: list[File] = []

    def add(self, file: File, places: Sequence[int], frames: Sequence[int]) -> None:
        """Take the slices at `places` from frames of a file."""
        form = form_of(file)
        groups = FunctionalGroups(file)
        padding = padding_of(file, form)
        if form.photometric == "MONOCHROME1":
            self.inverted = form
        for place, frame, pixels in zip(places, frames, self._pixels(file, form, frames), strict=True):
            stored = self._room(pixels)
            number = frame if not self.source.tiles else 0
            self.rescales[place] = rescale_of(file, groups, number)
            self.windows[place] = voi_of(file, groups, number)
            if padding is not None:
                outside = padding.of(pixels)
                if outside.any():
                    self.padding[place] = outside
            stored[place] = pixels
        if self.source.suv:
            self.tracers.append(_without_pixels(file))

    def _pixels(self, file: File, form: PixelForm, frames: Sequence[int]) -> Iterator[NDArray[Any]]:
        if not self.source.tiles:
            yield from read_frames(file, frames)
            return
        (mosaic,) = read_frames(file, [0])
        tiles = cut(mosaic, layout_of(form.rows, form.columns, self.source.tiles))
        for frame in frames:
            yield tiles[frame]

    def _room(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return the array for all slices, of a type that holds these as well."""
        if pixels.shape != self.source.shape[1:]:
            shown = " x ".join(map(str, pixels.shape))
            raise DicomError(f"its image has {shown} pixels, others of the series {self.source.shape[1:3]}")
        if self.voxels is None:
            self.voxels = np.zeros(self.source.shape, pixels.dtype)
        elif pixels.dtype != self.voxels.dtype:
            self.voxels = self.voxels.astype(np.result_type(self.voxels.dtype, pixels.dtype))
        return self.voxels

    def volume(self) -> Volume:
        """Return the slices as a volume."""
        assert self.voxels is not None
        voxels, slope, intercept = self._rescaled(self.voxels)
        self._fill_padding(voxels, slope, intercept)
        voi = _common(self.windows)
        if self.inverted is not None:
            total = self._mirror(voxels, slope, intercept)
            voi = None if voi is None else voi.mirrored(total)
        if self.source.suv:
            factor = suv_factor(self.tracers)
            slope, intercept = slope * factor, intercept * factor
            voi = None if voi is None else Voi(voi.low * factor, voi.high * factor, voi.table)
        source = self.source
        return Volume(
            voxels,
            None if source.affine is None else checked_affine(np.array(source.affine)),
            slope,
            intercept,
            flat=source.affine is None and not source.film,
            uneven=_uneven(source),
            voi=voi,
            notes=source.notes,
        )

    def _rescaled(self, voxels: NDArray[Any]) -> tuple[NDArray[Any], float, float]:
        """Return voxels, slope and intercept: as stored where all slices share them."""
        first = self.rescales[0]
        if all(first.same_as(other) for other in self.rescales[1:]):
            if first.table is None:
                return voxels, first.slope, first.intercept
            return first.table.of(voxels), 1.0, 0.0
        out = np.empty(voxels.shape, np.float32)
        for place, one in enumerate(self.rescales):
            stored = voxels[place] if one.table is None else one.table.of(voxels[place])
            out[place] = stored.astype(np.float64) * one.slope + one.intercept
        return out, 1.0, 0.0

    def _fill_padding(self, voxels: NDArray[Any], slope: float, intercept: float) -> None:
        """Give pixels outside the image the lowest intensity of the others, 0 at most: they are background."""
        if not self.padding or voxels.ndim > 3:
            return
        extremes = []
        for place, plane in enumerate(voxels):
            inside = plane[~self.padding[place]] if place in self.padding else plane
            if inside.size:
                extremes += [inside.min(), inside.max()]
        if not extremes:
            return
        # the lowest intensity is the darkest, and of MONOCHROME1 the highest
        bright = self.inverted is not None
        pick = max if (slope < 0) != bright else min
        background = pick(extremes)
        nothing = np.rint(-intercept / slope)
        if not bright and background * slope + intercept > 0 and _holds(voxels.dtype, nothing):
            background = nothing
        for place, outside in self.padding.items():
            voxels[place][outside] = background

    def _mirror(self, voxels: NDArray[Any], slope: float, intercept: float) -> float:
        """Turn dark into bright in place, within the range of the stored bits; return the sum of each pair.

        The sum of an intensity and of the one it becomes is the same everywhere, so that windows can be mirrored too.
        """
        assert self.inverted is not None
        if voxels.dtype.kind == "f" or self.rescales[0].table is not None:
            total = float(voxels.min()) + float(voxels.max())
            if voxels.dtype.kind != "f":
                np.subtract(voxels.dtype.type(total), voxels, out=voxels)
                return total
        else:
            total = float(sum(self.inverted.span))
        if voxels.dtype.kind == "i":
            np.invert(voxels, out=voxels)  # the span of signed values is symmetric about -0.5
        else:
            np.subtract(voxels.dtype.type(total), voxels, out=voxels)
        return total * slope + 2 * intercept


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return bool(limits.min <= value <= limits.max)


def _common(windows: Sequence[Voi | None]) -> Voi | None:
    """Return the window of all slices: the one they share, or the median of lines that differ."""
    found = [voi for voi in windows if voi is not None]
    if not found:
        return None
    tables = [voi for voi in found if voi.table is not None]
    if tables:
        return tables[len(tables) // 2]
    return Voi(float(np.median([voi.low for voi in found])), float(np.median([voi.high for voi in found])))


def _uneven(source: SeriesInput) -> UnevenSlices | None:
    if source.trouble:
        return UnevenSlices(source.trouble, np.array(source.origins))
    if source.film:
        return UnevenSlices("its frames are a film: they follow each other in time")
    return None


def _without_pixels(file: File) -> File:
    """Return the header of a file alone, so that a series' pixels are not all kept."""
    assert file.pixels is not None
    data = file.data[: file.pixels.start]
    return File(data, file.elements, file.form, file.syntax, file.media, file.pixels)


def _instance(source: Input) -> tuple[Instance, Path]:
    """Return what the header of a single file says."""
    with reasons(_short(source)), source.local() as path:
        root = path.parent
        instance = read_instance(root, path.name, path.stat().st_size, 0)
        if instance.kind in (Kind.FOREIGN, Kind.DAMAGED):
            raise DicomError(instance.note or "it is not DICOM")
    return instance, root


def _one_file(source: Input, instance: Instance, root: Path) -> SeriesInput:
    """Return a single file as a series."""
    if instance.kind != Kind.IMAGE:
        what = {Kind.SEG: "a segmentation: use the encoding dicom_seg", Kind.RTSTRUCT: "contours: use rtstruct"}
        raise CaseError(Reason.UNREADABLE, f"{_short(source)} is {what.get(instance.kind, 'DICOM without an image')}")
    (series,) = series_of([instance])
    stacks = stacks_of(series)
    if len(stacks) != 1:
        raise CaseError(
            Reason.GEOMETRY,
            f"{_short(source)} holds {len(stacks)} volumes (echoes, times, directions); choose them with `series`",
        )
    return series_input(root, stacks[0], source.name)


def _short(source: Input) -> str:
    return source.name.rpartition("/")[2]
