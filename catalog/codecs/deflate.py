"""The zlib stream of a packed mask, written run by run: what general deflate takes 7 microseconds for takes 2.

A mask's rows are mostly runs of equal bytes, and a run is a literal and a few matches at distance 1. One block with the
fixed Huffman codes holds them all. Formats: RFC 1950 (zlib), RFC 1951 (deflate), sections 3.2.5 and 3.2.6.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

LONGEST = 258
_ADLER = 65521


def _reversed_bits(code: int, bits: int) -> int:
    """Huffman codes go out with their highest bit first, everything else with the lowest."""
    return int(f"{code:0{bits}b}"[::-1], 2)


def _fixed_code(symbol: int) -> tuple[int, int]:
    """Return the fixed code of a literal or length symbol, ready to be written, and its bits."""
    if symbol < 144:
        return _reversed_bits(0x30 + symbol, 8), 8
    if symbol < 256:
        return _reversed_bits(0x190 + symbol - 144, 9), 9
    if symbol < 280:
        return _reversed_bits(symbol - 256, 7), 7
    return _reversed_bits(0xC0 + symbol - 280, 8), 8


def _match_code(length: int) -> tuple[int, int]:
    """Return what is written for a match of `length` at distance 1: length code, its extra bits, five zero bits."""
    if length == LONGEST:
        code, bits = _fixed_code(285)
        return code, bits + 5
    extra = max(0, (length - 3).bit_length() - 3)
    code, bits = _fixed_code(257 + 4 * extra + ((length - 3) >> extra))
    return code | (((length - 3) & ((1 << extra) - 1)) << bits), bits + extra + 5


_LITERALS = np.array([_fixed_code(symbol) for symbol in range(256)], np.uint64)
_MATCHES = np.array([(0, 0)] * 3 + [_match_code(length) for length in range(3, LONGEST + 1)], np.uint64)


def room_for(height: int, row_bytes: int) -> int:
    """Return the most bytes `deflate_rows` may write for rows of this size: nine bits a byte, and the frame."""
    return height * (1 + row_bytes) * 9 // 8 + 32


@njit(cache=True, nogil=True)
def deflate_rows(rows: NDArray[np.uint8], out: NDArray[np.uint8]) -> int:
    """Write the zlib stream of `rows` (h, n), each preceded by PNG's filter byte 0, into `out`; return its length.

    `out` must have `room_for` bytes.
    """
    height, width = rows.shape
    out[0], out[1] = 0x78, 0x01
    held: Any = np.uint64(3)  # bits not yet written: last block, fixed codes
    count: Any = np.uint64(3)
    size = 2
    low: Any = np.int64(1)  # Adler-32
    high: Any = np.int64(0)
    value: Any = np.int64(0)  # the run so far
    length: Any = np.int64(0)
    for y in range(height + 1):
        if y < height and value == 0:
            some = np.uint8(0)
            for n in range(width):  # no way out of this loop: it takes 64 bytes a step
                some |= rows[y, n]
            if some == 0:
                length += width + 1
                continue
        x = -1  # the filter byte
        while x < width:
            if x >= 0 and x + 8 <= width and y < height:
                every, some = np.uint8(255), np.uint8(0)
                for n in range(8):
                    every &= rows[y, x + n]
                    some |= rows[y, x + n]
                if every == some and every == value:
                    length += 8
                    x += 8
                    continue
            stop = min(x + 8, width) if x >= 0 else 0
            while x < stop:
                byte = np.int64(rows[y, x]) if x >= 0 and y < height else np.int64(0)
                x += 1
                if byte == value and y < height:
                    length += 1
                    continue
                if length:
                    high = (high + length * low + value * (length * (length + 1) // 2)) % _ADLER
                    low = (low + length * value) % _ADLER
                    held |= _LITERALS[value, 0] << count
                    count += _LITERALS[value, 1]
                    length -= 1
                while True:
                    while count >= 8:
                        out[size] = held & np.uint64(255)
                        held >>= np.uint64(8)
                        count -= np.uint64(8)
                        size += 1
                    if length == 0:
                        break
                    step = min(length, LONGEST) if length > 2 else 1
                    if step == 1:
                        held |= _LITERALS[value, 0] << count
                        count += _LITERALS[value, 1]
                    else:
                        held |= _MATCHES[step, 0] << count
                        count += _MATCHES[step, 1]
                    length -= step
                value, length = byte, 1
            if y == height:
                break  # past the end there is one byte to close the last run with
    count += np.uint64(7)  # end of block: seven zero bits
    while count > 0:
        out[size] = held & np.uint64(255)
        held >>= np.uint64(8)
        count -= min(count, np.uint64(8))
        size += 1
    for shift in (8, 0):
        out[size] = (high >> shift) & 255
        out[size + 2] = (low >> shift) & 255
        size += 1
    return size + 2
