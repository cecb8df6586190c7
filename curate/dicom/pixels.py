"""The stored pixels of a file, frame by frame: signed or unsigned, grey or RGB, whatever the syntax.

Frames that are not compressed are views of the file's bytes; compressed ones go to `compressed`. Bits outside those
stored (overlays of old files) are cleared. Palettes and YBR come out as RGB.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.dicom.data_set import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, DicomError, File

FLOAT, DOUBLE = 0x7FE00008, 0x7FE00009
NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})
"""Syntaxes without compression of pixels."""


@dataclass(frozen=True)
class PixelForm:
    """How a file's pixels are stored; `keyword` is the tag they are under."""

    frames: int
    rows: int
    columns: int
    samples: int
    photometric: str
    planar: int
    allocated: int
    stored: int
    high_bit: int
    signed: bool
    keyword: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a decoded sample, in the byte order of this machine."""
        if self.keyword in (FLOAT, DOUBLE):
            return np.dtype("f4" if self.keyword == FLOAT else "f8")
        return np.dtype(f"{'i' if self.signed else 'u'}{max(8, self.allocated) // 8}")

    @property
    def colour(self) -> bool:
        """Whether decoded frames have red, green and blue."""
        return self.samples == 3 or self.photometric == "PALETTE COLOR"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a stored frame."""
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    @property
    def span(self) -> tuple[int, int]:
        """Lowest and highest value that the stored bits can hold."""
        bits = self.stored
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if self.signed else (0, (1 << bits) - 1)


def form_of(file: File) -> PixelForm:
    """Return how the pixels of a file are stored; raises DicomError where it does not say, or says what cannot be."""
    if file.pixels is None:
        raise DicomError("it has no pixels")
    keyword = file.pixels.tag
    rows, columns = file.integer("Rows"), file.integer("Columns")
    samples = file.integer("SamplesPerPixel", 1)
    allocated = {FLOAT: 32, DOUBLE: 64}.get(keyword) or file.integer("BitsAllocated")
    stored = file.integer("BitsStored", allocated) or allocated
    if rows < 1 or columns < 1:
        raise DicomError("it has no rows or no columns")
    if samples not in (1, 3) or allocated not in (1, 8, 16, 32, 64) or not 1 <= stored <= allocated:
        raise DicomError(f"{samples} samples of {stored} in {allocated} bits a pixel cannot be read")
    frames = file.integer("NumberOfFrames", 1)
    if not 1 <= frames <= 1 << 24:
        raise DicomError(f"it claims {frames} frames")
    return PixelForm(
        frames=frames,
        rows=rows,
        columns=columns,
        samples=samples,
        photometric=file.text("PhotometricInterpretation").upper() or ("MONOCHROME2" if samples == 1 else "RGB"),
        planar=file.integer("PlanarConfiguration"),
        allocated=allocated,
        stored=stored,
        high_bit=file.integer("HighBit", stored - 1),
        signed=file.integer("PixelRepresentation") == 1,
        keyword=keyword,
    )


def read_frames(file: File, wanted: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Yield the wanted frames (rows, columns) or (rows, columns, 3) of a file that was read whole.

    Raises DicomError where they break off, cannot be decoded, or are in a syntax that nothing here decodes.
    """
    form = form_of(file)
    if wanted and not 0 <= min(wanted) <= max(wanted) < form.frames:
        raise DicomError(f"it has {form.frames} frames, not {max(wanted) + 1}")
    if file.syntax in NATIVE:
        frames = _native(file, form, wanted)
    else:
        from curate.dicom.compressed import decode_frames

        frames = decode_frames(file, form, wanted)
    if form.photometric == "PALETTE COLOR":
        from curate.dicom.palette import colours_of

        table, first = colours_of(file)
        for frame in frames:
            yield table[np.clip(frame.astype(np.int64) - first, 0, len(table) - 1)]
    else:
        yield from frames


def _native(file: File, form: PixelForm, wanted: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Yield frames that are not compressed."""
    assert file.pixels is not None
    if form.allocated == 1:
        yield from _packed_bits(file, form, wanted)
        return
    big = file.form.order == ">"
    subsampled = form.photometric == "YBR_FULL_422"
    count = form.rows * form.columns * (2 if subsampled else form.samples)
    stored = form.dtype.newbyteorder(">" if big else "<")
    have = len(file.data) - file.pixels.start
    nbytes = count * stored.itemsize
    swapped_bytes = big and form.allocated == 8 and file.pixels.vr in (b"OW", b"")
    for number in wanted:
        if (number + 1) * nbytes > have:
            raise DicomError(f"its pixels break off: {have} bytes of {form.frames * nbytes}")
        start = file.pixels.start + number * nbytes
        if swapped_bytes:  # words of two pixels
            even = start - number * nbytes % 2
            words = np.frombuffer(file.data, ">u2", -(-(nbytes + start - even) // 2), even).astype("<u2")
            flat = words.view(form.dtype)[start - even :][:count]
        else:
            flat = np.frombuffer(file.data, stored, count, start).astype(form.dtype, copy=False)
        yield native_frame(flat, form)


def native_frame(flat: NDArray[Any], form: PixelForm) -> NDArray[Any]:
    """Return a frame from its samples as they follow each other: colours last and in RGB, unused bits cleared."""
    if form.photometric == "YBR_FULL_422":
        return _rgb(_without_subsampling(flat.reshape(form.rows, form.columns // 2, 4)))
    if form.samples == 1:
        return clear_unused_bits(flat.reshape(form.rows, form.columns), form)
    if form.planar:
        frame = np.ascontiguousarray(np.moveaxis(flat.reshape(form.samples, form.rows, form.columns), 0, -1))
    else:
        frame = flat.reshape(form.shape)
    return _rgb(frame) if form.photometric == "YBR_FULL" else frame


def clear_unused_bits(frame: NDArray[Any], form: PixelForm) -> NDArray[Any]:
    """Return pixels of `stored` bits below the high bit, with their sign; other bits hold overlays or nothing."""
    unused = form.allocated - form.stored
    if not unused or frame.dtype.kind == "f":
        return frame
    shift = form.allocated - 1 - form.high_bit
    if not 0 <= shift <= unused:
        shift = unused
    bits = frame << shift if shift else frame
    return bits >> unused  # of signed values, the sign comes along


def _packed_bits(file: File, form: PixelForm, wanted: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Yield frames of one bit a pixel, which follow each other without a gap, least significant bit first."""
    assert file.pixels is not None
    count = form.rows * form.columns
    have = (len(file.data) - file.pixels.start) * 8
    big_words = file.form.order == ">" and file.pixels.vr in (b"OW", b"")
    for number in wanted:
        first = number * count
        if first + count > have:
            raise DicomError(f"its pixels break off: {have} bits of {form.frames * count}")
        start, stop = first // 16 * 2, -(-(first + count) // 16) * 2
        data = np.frombuffer(file.data[file.pixels.start + start : file.pixels.start + stop], np.uint8)
        if big_words and data.size % 2 == 0:
            data = data.reshape(-1, 2)[:, ::-1].reshape(-1)
        bits = np.unpackbits(data, bitorder="little")
        yield bits[first - start * 8 :][:count].reshape(form.rows, form.columns)


def _without_subsampling(pairs: NDArray[Any]) -> NDArray[Any]:
    """Return (rows, columns, 3) of pixels that share blue and red in pairs: Y, Y, Cb, Cr."""
    rows, half, _ = pairs.shape
    out = np.empty((rows, half * 2, 3), pairs.dtype)
    out[:, ::2, 0], out[:, 1::2, 0] = pairs[..., 0], pairs[..., 1]
    out[:, ::2, 1:] = out[:, 1::2, 1:] = pairs[..., 2:]
    return out


def _rgb(frame: NDArray[Any]) -> NDArray[Any]:
    """Return RGB of YBR_FULL, 8 bits (DICOM PS3.3 C.7.6.3.1.2)."""
    if frame.dtype != np.uint8:
        raise DicomError("YBR of more than 8 bits cannot be read")
    y, blue, red = (frame[..., n].astype(np.float64) for n in range(3))
    blue -= 128
    red -= 128
    planes = (y + 1.402 * red, y - (0.114 * 1.772 * blue + 0.299 * 1.402 * red) / 0.587, y + 1.772 * blue)
    return np.stack([np.clip(np.floor(plane + 0.5), 0, 255) for plane in planes], axis=-1).astype(np.uint8)
