"""Stored values to intensities: the modality LUT of each image, its padding, and the window it brings.

DICOM PS3.3 C.7.6.16.2.9 (per frame), C.11.1 (modality LUT) and C.11.2 (VOI LUT).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.dicom.data_set import DataSet, DicomError, File
from curate.dicom.frames import FunctionalGroups
from curate.dicom.pixels import PixelForm
from curate.imaging.voi import Voi

_SIGMOID_STEPS = 4096


@dataclass(frozen=True)
class Table:
    """A look-up table: the value of each stored one, from `first` on, in `bits` bits."""

    first: int
    bits: int
    values: NDArray[Any]

    def of(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return the values of stored ones; those outside take the nearest."""
        return self.values[np.clip(stored.astype(np.int64) - self.first, 0, len(self.values) - 1)]

    def same_as(self, other: "Table | None") -> bool:
        """Tell whether two tables hold the same."""
        return other is not None and self.first == other.first and np.array_equal(self.values, other.values)


@dataclass(frozen=True)
class Rescale:
    """Intensity = stored value x slope + intercept; of the table's values, where there is one."""

    slope: float = 1.0
    intercept: float = 0.0
    table: Table | None = None

    def same_as(self, other: "Rescale") -> bool:
        """Tell whether two images are rescaled alike."""
        if (self.slope, self.intercept) != (other.slope, other.intercept):
            return False
        return other.table is None if self.table is None else self.table.same_as(other.table)


@dataclass(frozen=True)
class Padding:
    """Stored values, from `low` to `high`, of pixels that are no part of the image."""

    low: int
    high: int

    def of(self, stored: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which pixels are padding."""
        return stored == self.low if self.low == self.high else (stored >= self.low) & (stored <= self.high)


def rescale_of(file: File, groups: FunctionalGroups, number: int) -> Rescale:
    """Return how the stored values of a frame become intensities; raises DicomError for a slope of 0."""
    of_frame = groups.of(number, "PixelValueTransformationSequence")
    holder: DataSet = of_frame if "RescaleSlope" in of_frame else file
    table = file.item("ModalityLUTSequence")
    if table is not None and holder is file and "RescaleSlope" not in file:
        return Rescale(table=_table(table, file, "modality"))
    slope, intercept = holder.number("RescaleSlope"), holder.number("RescaleIntercept")
    slope = 1.0 if slope is None else slope
    intercept = 0.0 if intercept is None else intercept
    if slope == 0 or not (np.isfinite(slope) and np.isfinite(intercept)):
        raise DicomError(f"its RescaleSlope is {slope:g} and its RescaleIntercept {intercept:g}")
    return Rescale(float(slope), float(intercept))


def padding_of(file: File, form: PixelForm) -> Padding | None:
    """Return the stored values of pixels outside the image, None where the file names none."""
    values = [_signed(file, keyword, form) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if values[0] is None or form.colour or form.dtype.kind == "f":
        return None
    first, last = values[0], values[0] if values[1] is None else values[1]
    return Padding(min(first, last), max(first, last))


def _signed(file: File, keyword: str, form: PixelForm) -> int | None:
    """Return a value in the representation of the pixels: an implicit syntax does not say it."""
    value = file.number(keyword)
    if value is None:
        return None
    number, modulus = int(value), 1 << max(16, form.allocated)
    if form.signed:
        return number - (1 << 16) if number >= 1 << 15 else number
    return number % modulus if number < 0 else number


def voi_of(file: File, groups: FunctionalGroups, number: int) -> Voi | None:
    """Return the window of a frame, in intensities; the first where a file has several, None where it has none.

    A table wins over a line, as the more specific of the two.
    """
    table = file.item("VOILUTSequence")
    if table is not None and "LUTData" in table:
        found = _table(table, file, "VOI")
        values = found.values.astype(np.float64)
        span = (1 << found.bits) - 1 if values.max(initial=0) > 255 or found.bits <= 8 else 255
        eight = np.clip(np.floor(values / span * 255 + 0.5), 0, 255).astype(np.uint8)
        return Voi(float(found.first), float(found.first + len(eight) - 1), eight) if len(eight) > 1 else None
    of_frame = groups.of(number, "FrameVOILUTSequence")
    holder: DataSet = of_frame if "WindowCenter" in of_frame else file
    centre, width = holder.number("WindowCenter"), holder.number("WindowWidth")
    if centre is None or width is None or not (np.isfinite(centre) and np.isfinite(width)):
        return None
    function = holder.text("VOILUTFunction").upper() or "LINEAR"
    if function == "SIGMOID" and width > 0:
        return _sigmoid(float(centre), float(width))
    if function == "LINEAR_EXACT" and width > 0:
        return Voi(centre - width / 2, centre + width / 2)
    if width <= 1:
        return None
    return Voi(centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2)


def _sigmoid(centre: float, width: float) -> Voi:
    """Return the window of C.11.2.1.3.1 as a table over four widths, beyond which less than one grey level changes."""
    low, high = centre - 2 * width, centre + 2 * width
    x = np.linspace(low, high, _SIGMOID_STEPS)
    values = 255.0 / (1.0 + np.exp(-4.0 * (x - centre) / width))
    return Voi(low, high, np.floor(values + 0.5).astype(np.uint8))


def _table(holder: DataSet, file: File, what: str) -> Table:
    descriptor = [int(v) for v in holder.numbers("LUTDescriptor")]
    if len(descriptor) != 3:
        raise DicomError(f"its {what} LUT has no descriptor")
    count, first, bits = descriptor[0] or 1 << 16, descriptor[1], descriptor[2] or 16
    if file.integer("PixelRepresentation") == 1 and first >= 1 << 15:
        first -= 1 << 16
    data = holder.raw("LUTData")
    order = file.form.order
    if len(data) >= 2 * count:
        values: NDArray[Any] = np.frombuffer(data, f"{order}u2", count).astype(np.uint16)
    elif len(data) >= count and bits <= 8:
        values = np.frombuffer(data[: len(data) // 2 * 2], f"{order}u2").astype("<u2").view(np.uint8)[:count]
    else:
        raise DicomError(f"its {what} LUT has {len(data)} bytes for {count} entries")
    return Table(first, bits, values)
