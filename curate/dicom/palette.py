"""Palettes: the colours of indexed pixels, as 8 bits of red, green and blue (DICOM PS3.3 C.7.6.3.1.5 and C.7.9.2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.dicom.data_set import DicomError, File

_MOST = 1 << 16


def colours_of(file: File) -> tuple[NDArray[np.uint8], int]:
    """Return the colours (n, 3) of a file's palette, and the pixel value of the first of them.

    Raises DicomError where the file has none, or a broken one.
    """
    planes, first = [], 0
    for colour in ("Red", "Green", "Blue"):
        descriptor = [int(v) for v in file.numbers(f"{colour}PaletteColorLookupTableDescriptor")]
        if len(descriptor) != 3:
            raise DicomError(f"its palette has no description of {colour.lower()}")
        count, first, bits = descriptor[0] or _MOST, descriptor[1], descriptor[2]
        if file.integer("PixelRepresentation") == 1 and first >= 1 << 15:
            first -= 1 << 16
        planes.append(_eight_bits(_entries(file, colour, count), bits, count))
    return np.stack(planes, axis=-1), first


def _entries(file: File, colour: str, count: int) -> NDArray[Any]:
    data = file.raw(f"{colour}PaletteColorLookupTableData")
    order = file.form.order
    if data:
        if len(data) >= 2 * count:
            return np.frombuffer(data, f"{order}u2", count)
        if len(data) >= count:  # two entries a word
            words = np.frombuffer(data[: len(data) // 2 * 2], f"{order}u2").astype("<u2")
            return words.view(np.uint8)[:count] if len(data) > count - 1 else words
        raise DicomError(f"its palette has {len(data)} bytes of {colour.lower()} for {count} entries")
    segments = file.raw(f"Segmented{colour}PaletteColorLookupTableData")
    if not segments:
        raise DicomError(f"its palette has no {colour.lower()}")
    return _expanded(np.frombuffer(segments[: len(segments) // 2 * 2], f"{order}u2"), count)


def _expanded(words: NDArray[Any], count: int) -> NDArray[Any]:
    """Return the entries of a segmented palette: runs given one by one (0), lines (1), and repetitions (2)."""
    out = np.zeros(count, np.float64)
    done = pos = 0
    try:
        while pos < len(words) and done < count:
            kind, length = int(words[pos]), int(words[pos + 1])
            if kind == 0:
                values = words[pos + 2 : pos + 2 + length].astype(np.float64)
                pos += 2 + length
            elif kind == 1:
                start = out[done - 1] if done else 0.0
                values = np.rint(np.linspace(start, float(words[pos + 2]), length + 1)[1:])
                pos += 3
            else:
                raise DicomError("its palette repeats segments, which is not supported")
            values = values[: count - done]
            out[done : done + len(values)] = values
            done += len(values)
    except IndexError:
        raise DicomError("its palette breaks off") from None
    if done < count:
        raise DicomError(f"its palette has {done} of {count} entries")
    return out.astype(np.uint16)


def _eight_bits(entries: NDArray[Any], bits: int, count: int) -> NDArray[np.uint8]:
    """Return entries as 8 bits; files that say 16 and fill only the lower byte are known by their values."""
    if bits > 8 and entries.max(initial=0) > 255:
        entries = entries >> 8
    return entries.astype(np.uint8)
