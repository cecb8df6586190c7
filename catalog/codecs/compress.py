"""Deflate at the speed of ISA-L, with the same bytes for the same input on every run.

ISA-L's levels 1 and 2 hash the third byte of a stream from a register that still holds the address of the stream's
state (igzip_icf_body_h1_gr_bt.asm, label `.write_first_byte`, up to version 2.31). With randomised addresses the
output then differs by a few bytes once in some thousand images. The label is reached only by a stream without history:
a first piece of a few bytes, flushed by itself, goes through another routine and leaves a history behind. It costs
about 15 bytes and no measurable time.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from isal import isal_zlib

LEVEL = 1
"""Of 0 to 3. Level 0 makes images half as large again, level 3 takes 1.5 to 6 times as long."""

_FIRST = 8
"""Bytes of the first piece; below 4, ISA-L leaves no history."""


class Container(IntEnum):
    """What surrounds the compressed data; the values are zlib's `wbits`."""

    RAW = -15  # RFC 1951, nothing
    ZLIB = 15  # RFC 1950
    GZIP = 31  # RFC 1952


def compress(data: Any, container: Container = Container.ZLIB) -> bytes:
    """Return the compressed bytes of a contiguous buffer."""
    return compress_pieces((data,), container)


def compress_pieces(pieces: Iterable[Any], container: Container = Container.ZLIB) -> bytes:
    """Return the compressed bytes of several contiguous buffers, one after the other."""
    deflate = isal_zlib.compressobj(LEVEL, wbits=container)
    out = []
    begun = False
    for piece in pieces:
        view = memoryview(piece)
        data = view.cast("B") if view.nbytes else memoryview(b"")  # a view of nothing cannot be cast
        if not begun and len(data) > _FIRST:
            out += [deflate.compress(data[:_FIRST]), deflate.flush(isal_zlib.Z_SYNC_FLUSH)]
            data, begun = data[_FIRST:], True
        out.append(deflate.compress(data))
    out.append(deflate.flush())
    return b"".join(out)
