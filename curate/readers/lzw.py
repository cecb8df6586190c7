"""LZW as TIFF has it: codes of 9 to 12 bits, most significant bit first, one code early (TIFF 6.0, section 13)."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_CLEAR, _END, _FIRST, _CODES = 256, 257, 258, 4096


@njit(cache=True, nogil=True)
def decode_lzw(data: NDArray[Any], out: NDArray[Any]) -> int:
    """Decode into `out` (uint8) and return the number of bytes written, -1 for codes that cannot occur.

    A code stands for bytes that were written before: only where they begin and how many they are is remembered.
    """
    starts, lengths = np.zeros(_CODES, np.int64), np.zeros(_CODES, np.int64)
    size, done = len(out), 0
    buffer, bits, width, free = 0, 0, 9, _FIRST
    start, length = 0, 0  # of the code before
    for byte in data:
        buffer, bits = (buffer << 8) | np.int64(byte), bits + 8  # type: ignore[assignment]
        if bits < width:
            continue
        bits -= width
        code = buffer >> bits
        buffer &= (1 << bits) - 1
        if code == _CLEAR:
            width, free, length = 9, _FIRST, 0
            continue
        if code == _END or done == size:
            break
        begin, count = done, 1
        if code < _CLEAR:
            out[done] = code
        elif length == 0 or code > free:
            return -1
        else:
            begin = start if code == free else starts[code]
            count = min(length + 1 if code == free else lengths[code], size - done)
            for place in range(done, done + count):
                out[place] = out[begin]
                begin += 1
        if length and free < _CODES:
            starts[free], lengths[free] = start, length + 1
            free += 1
            if free == (1 << width) - 1 and width < 12:
                width += 1
        start, length = done, count
        done += count
    return done
