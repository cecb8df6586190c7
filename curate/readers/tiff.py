"""TIFF: tifffile decides pages, axes, samples and photometric meaning, and decodes level 0 of the first image."""

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from curate.imaging.orientation import TAG, UPRIGHT, upright
from curate.imaging.volume import Volume
from curate.readers.base import Channels, Header, choose
from curate.readers.tiff_chain import check_chain
from curate.readers.tiff_codecs import provide_codecs
from curate.readers.tiff_metadata import Spacing, check_ome, spacing_of

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
"""Photometric interpretations that are read (TIFF 6.0)."""

_TRANSPARENCY = 4
_YCBCR_2000 = (33003, 33004)  # of Aperio, whose tiles do not say that they are YCbCr
_ALPHA = (1, 2)  # of the tag ExtraSamples; 0 is a sample of unknown meaning, such as a fifth band
_SLIDES = ("svs", "ndpi", "scn", "bif", "philips", "qpi", "avs")
"""Formats of slide scanners, whose further images are an overview, a label and a thumbnail."""

_LOG = logging.getLogger("tifffile")
_LOG.addHandler(logging.NullHandler())  # what it logs is raised, or of no interest; nothing goes to the terminal


@dataclass(frozen=True)
class _Layout:
    """How the array of a series is to be read.

    `order` brings its axes into volumes, pages, rows, columns, samples (several stored axes may become one); `shape`
    are their lengths. `colours` is the number of samples that are one colour: 3 (RGB), 4 (CMYK), 0 for none; `alpha`
    are the samples that are dropped.
    """

    order: tuple[int, ...]
    shape: tuple[int, int, int, int, int]
    colours: int
    alpha: tuple[int, ...]

    @property
    def channels(self) -> int:
        """What a channel counts: volumes, or samples where these are no colour."""
        volumes, *_, samples = self.shape
        return volumes if self.colours else volumes * (samples - len(self.alpha))


def read_header(path: Path) -> Header:
    """Return shape (pages, height, width[, colours or channels]) and sample size in bytes of what is decoded."""
    with _opened(path) as (_, series):
        layout = _layout(series)
        volumes, pages, height, width, samples = layout.shape
        size = (height, width) if _orientation(series) < 5 else (width, height)
        last = [3] if layout.colours else []
        last += [volumes] if layout.colours and volumes > 1 else []
        last += [volumes * samples] if not layout.colours and volumes * samples > 1 else []
        return Header((pages, *size, *last), _dtype(series).itemsize)


def read(path: Path, channels: Channels = (None,)) -> list[Volume]:
    """Return for each channel voxels (pages, height, width[, 3]): grey, indices with their palette, or RGB."""
    with _opened(path) as (tif, series):
        layout = _layout(series)
        what = f"a TIFF with the axes {series.axes} ({' x '.join(map(str, series.shape))})"
        chosen = [_choose(path.name, layout, channel, what) for channel in channels]
        voxels = series.asarray(maxworkers=1).reshape(series.get_shape(squeeze=False))
        voxels = voxels.transpose(layout.order).reshape(layout.shape)
        voxels = _meaning(voxels, series)
        palette = _palette(series.keyframe)
        orientation = _orientation(series)
        spacing = _turned(spacing_of(tif), orientation)
    return [
        Volume(
            upright(_picked(voxels[volume], sample), orientation),
            flat=layout.shape[1] == 1,
            palette=palette,
            orientation=orientation,
            spacing=spacing,
        )
        for volume, sample in chosen
    ]


class _Damage(logging.Handler):
    """Collects the errors that tifffile logs in this thread, such as a chain of pages that is cut short."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        self._of = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message, without tifffile's name of the object; without OME metadata a file is a plain TIFF."""
        text = record.getMessage()
        if record.thread == self._of and "OME series" not in text:
            self.found.append(re.sub(r"^<[^>]*> ", "", text))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[tifffile.TiffFile, tifffile.TiffPageSeries]]:
    """Open a TIFF and yield it with its first image; damage that tifffile only logs is raised.

    Nothing but the file itself is read: formats that keep planes in other files are not followed there.
    """
    provide_codecs()
    check_chain(path)
    with (
        _damage_raised(),
        tifffile.TiffFile(path, _multifile=False, is_mmstack=False, is_ndtiff=False) as tif,
    ):
        yield tif, _first_image(tif)


@contextmanager
def _damage_raised() -> Iterator[None]:
    handler = _Damage()
    _LOG.addHandler(handler)
    try:
        yield
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        raise ValueError(f"{error}: pip install 'medcorpus[codecs]'") from None
    finally:
        _LOG.removeHandler(handler)
    if handler.found:
        raise ValueError(handler.found[0])


def _first_image(tif: tifffile.TiffFile) -> tifffile.TiffPageSeries:
    """Return the image of a file; previews, overviews and masks beside it do not count.

    Raises ValueError where there are several, or where planes are in other files or missing.
    """
    if tif.is_ome:
        check_ome(tif.ome_metadata or "")
    images = [series for index, series in enumerate(tif.series) if index == 0 or not _is_extra(series)]
    if not images:
        raise ValueError("it holds no image")
    if len(images) > 1:
        sizes = ", ".join(" x ".join(map(str, series.shape)) for series in images[:5])
        raise ValueError(f"it holds {len(images)} images of different size or type ({sizes}); save each as a file")
    (image,) = images
    _refuse_missing(image, tif.filehandle.size)
    return image


def _refuse_missing(image: tifffile.TiffPageSeries, size: int) -> None:
    """Raise where a part is missing or ends after the end of the file; tifffile takes 0 for its pixels."""
    for page in image:
        if page is None or not page.dataoffsets or 0 in page.databytecounts:
            raise ValueError("some of its planes, strips or tiles are missing")
        if max(map(add, page.dataoffsets, page.databytecounts)) > size:
            raise EOFError("the file ends before its pixels")
    if image.is_truncated and (image.dataoffset or 0) + prod(image.shape) * image.dtype.itemsize > size:
        raise EOFError("the file ends before its pixels")


def _is_extra(series: tifffile.TiffPageSeries) -> bool:
    page = series.keyframe
    return page.is_reduced or page.is_mask or page.photometric == _TRANSPARENCY or series.kind in _SLIDES


def _layout(series: tifffile.TiffPageSeries) -> _Layout:
    axes, lengths = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    if "Y" not in axes or "X" not in axes:
        raise ValueError(f"its axes {axes} have no rows and columns")
    plane = [axes.rindex("Y"), axes.rindex("X"), *([axes.index("S")] if "S" in axes else [])]
    others = [axis for axis in range(len(axes)) if axis not in plane]
    slices = [axis for axis in others if axes[axis] == "Z" and lengths[axis] > 1]
    pages = slices or [axis for axis in others if axes[axis] != "C"]
    volumes = [axis for axis in others if axis not in pages]
    samples = lengths[plane[2]] if len(plane) > 2 else 1
    page = series.keyframe
    colours = {RGB: 3, YCBCR: 3, CMYK: 4}.get(page.photometric, 0)
    extra = enumerate(page.extrasamples, samples - len(page.extrasamples))
    return _Layout(
        (*volumes, *pages, *plane),
        (
            prod(lengths[axis] for axis in volumes),
            prod(lengths[axis] for axis in pages),
            lengths[plane[0]],
            lengths[plane[1]],
            samples,
        ),
        colours if samples >= colours else 0,
        tuple(sample for sample, kind in extra if kind in _ALPHA and samples > 1),
    )


def _choose(name: str, layout: _Layout, channel: int | None, what: str) -> tuple[int, int | None]:
    """Return the volume and the sample that a channel stands for; None for all samples of a colour."""
    volumes, *_, samples = layout.shape
    if layout.colours and volumes == 1 and channel is not None:
        return 0, choose(name, samples if layout.colours == 3 else 3, channel, what)
    if layout.colours:
        return choose(name, volumes, channel, what), None
    kept = [sample for sample in range(samples) if sample not in layout.alpha]
    volume, sample = divmod(choose(name, volumes * len(kept), channel, what), len(kept))
    return volume, kept[sample]


def _picked(voxels: NDArray[Any], sample: int | None) -> NDArray[Any]:
    return voxels[..., :3] if sample is None else voxels[..., sample]


def _dtype(series: tifffile.TiffPageSeries) -> "np.dtype[Any]":
    """Return the type of a decoded sample; raises ValueError for one that is no intensity."""
    stored = np.dtype(series.dtype)
    if stored.kind not in "iufb" or stored.itemsize > 8:
        raise ValueError(f"its samples are of type {stored}; integers and real numbers can be used")
    return np.dtype({"bool": np.uint8, "float16": np.float32}.get(stored.name, stored))


def _meaning(voxels: NDArray[Any], series: tifffile.TiffPageSeries) -> NDArray[Any]:
    """Return samples as intensities: black is low, 1, 2 and 4 bits span 8 bits, colours are RGB."""
    page = series.keyframe
    photometric, bits = page.photometric, page.bitspersample
    if photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR):
        raise ValueError(f"its pixels ({_name(photometric)}) are not supported; convert it to grey or RGB")
    if page.compression in _YCBCR_2000:
        raise ValueError(f"its compression ({_name(page.compression)}) is not supported; convert it to RGB")
    voxels = voxels.astype(_dtype(series), copy=False)
    if photometric == WHITE_IS_ZERO:
        if voxels.dtype.kind == "f":
            raise ValueError("white is 0 in it, which has no agreed meaning for real numbers; save it with black as 0")
        voxels = ~voxels if voxels.dtype.kind == "i" else voxels.dtype.type((1 << bits) - 1) - voxels
    if photometric != PALETTE and bits in (1, 2, 4):
        voxels = voxels * np.uint8(255 // ((1 << bits) - 1))
    if photometric == CMYK:
        return _to_rgb(voxels, "CMYK", 4)
    if photometric == YCBCR and page.compression not in tifffile.TIFF.IMAGE_COMPRESSIONS:  # whose decoders convert it
        return _to_rgb(voxels, "YCbCr", 3)
    return voxels


def _to_rgb(voxels: NDArray[Any], mode: str, bands: int) -> NDArray[np.uint8]:
    from PIL import Image

    if voxels.dtype != np.uint8 or voxels.shape[-1] < bands:
        raise ValueError(f"{mode} of these samples ({voxels.dtype}, {voxels.shape[-1]}) is not supported; convert it")
    *above, width, _ = voxels.shape
    image = Image.frombytes(mode, (width, prod(above)), np.ascontiguousarray(voxels[..., :bands]).tobytes())
    return np.asarray(image.convert("RGB")).reshape(*above, width, 3)


def _palette(page: tifffile.TiffPage) -> NDArray[np.uint8] | None:
    """Return the colours of an indexed image (n, 3), at least 256, black where the file has fewer."""
    if page.photometric != PALETTE:
        return None
    if page.colormap is None:
        raise ValueError("its palette is missing")
    colours = np.asarray(page.colormap).T
    palette = np.zeros((max(256, len(colours)), 3), np.uint8)
    # 16 bits by the standard; some writers store 8, which libtiff notices in the same way
    palette[: len(colours)] = colours if colours.max(initial=0) < 256 else colours >> 8
    return palette


def _orientation(series: tifffile.TiffPageSeries) -> int:
    value = series.keyframe.tags.valueof(TAG, UPRIGHT)
    return value if value in range(1, 9) else UPRIGHT


def _turned(spacing: Spacing | None, orientation: int) -> Spacing | None:
    if spacing is None or orientation < 5:
        return spacing
    between, rows, columns = spacing
    return between, columns, rows


def _name(value: Any) -> str:
    return str(getattr(value, "name", value))
