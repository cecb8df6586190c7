"""What a TIFF says of the size of its pixels: ImageJ's and OME's metadata, in mm.

The resolution tags alone are left aside: they give the size on paper, mostly 72 or 96 dpi.
"""

from collections.abc import Mapping
from math import isfinite, prod
from typing import Any
from xml.etree import ElementTree

Spacing = tuple[float | None, float, float]
"""Edge lengths of a voxel along pages, rows and columns in mm; None where the distance of the pages is not known."""

_MM = {
    "nm": 1e-6, "um": 1e-3, "\xb5m": 1e-3, "\u03bcm": 1e-3, "\\u00b5m": 1e-3, "micron": 1e-3, "microns": 1e-3,
    "micrometer": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4, "in": 25.4,
}  # fmt: skip


_COUNTS = ("Size", "IFD", "First", "PlaneCount", "NumPlanes")
_ALONG = (("Start", "0"), ("End", "0"), ("Step", "1"))
_MOST = 1 << 20
"""Attributes of OME-XML that count something, the ranges it splits an axis into, and the most that a file may have."""


def spacing_of(tif: Any) -> Spacing | None:
    """Return the size of a voxel of the first image of a tifffile.TiffFile; None where nothing gives it."""
    if tif.is_ome:
        return ome_spacing(tif.ome_metadata or "")
    if tif.is_imagej:
        tags = tif.pages.first.tags
        return _imagej_spacing(tif.imagej_metadata or {}, tags.valueof(282), tags.valueof(283))
    return None


def check_ome(xml: str) -> None:
    """Raise ValueError where an OME-XML text spreads the planes over several files, or claims more than any file has.

    tifffile would follow the names, and make room for what is claimed.
    """
    try:
        elements = list(ElementTree.fromstring(xml).iter())
    except ElementTree.ParseError:
        return  # without metadata it is a plain TIFF
    files = sorted({element.get("FileName", "") for element in elements if element.tag.endswith("UUID")} - {""})
    if len(files) > 1:
        raise ValueError(f"its planes are in {len(files)} files ({', '.join(files[:3])}, ...); save them as one file")
    for element in elements:
        if element.tag.endswith(("Pixels", "TiffData")):
            counts = [int(value) for key, value in element.items() if key.startswith(_COUNTS) and value.isdigit()]
            planes = prod(int(element.get(f"Size{axis}", 1)) for axis in "CZT")
        elif element.tag.rpartition("}")[2].startswith("Along"):
            start, end, step = (float(element.get(key, default)) for key, default in _ALONG)
            counts, planes = [], int((end - start) / step)
        else:
            continue
        if max([*counts, planes]) > _MOST:
            raise ValueError(f"its OME metadata claims more than {_MOST} planes; they are damaged")


def ome_spacing(xml: str) -> Spacing | None:
    """Return the physical size of the first image of an OME-XML text, None where it is not given or not known."""
    try:
        pixels = next(element for element in ElementTree.fromstring(xml).iter() if element.tag.endswith("Pixels"))
    except (ElementTree.ParseError, StopIteration):
        return None
    x, y, z = (
        _length(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "um")) for axis in "XYZ"
    )
    return None if x is None or y is None else (z, y, x)


def _imagej_spacing(metadata: Mapping[str, Any], columns: Any, rows: Any) -> Spacing | None:
    """Return ImageJ's calibration: pixels a unit in the resolution tags, the distance of slices in the metadata."""
    unit = str(metadata.get("unit", ""))
    x, y = (_length(_inverse(resolution), unit) for resolution in (columns, rows))
    return None if x is None or y is None else (_length(metadata.get("spacing"), unit), y, x)


def _inverse(resolution: Any) -> float | None:
    """Return the length of a pixel of a resolution stored as a fraction."""
    if not isinstance(resolution, tuple) or len(resolution) != 2 or not all(resolution):
        return None
    return resolution[1] / resolution[0]


def _length(value: Any, unit: str) -> float | None:
    """Return a length in mm; None for an unknown unit (pixels) or no positive number."""
    factor = _MM.get(unit.strip().lower())
    try:
        length = abs(float(value))
    except (TypeError, ValueError):
        return None
    return length * factor if factor is not None and length > 0 and isfinite(length) else None
