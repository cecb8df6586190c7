"""Deflate at the speed of ISA-L, with the same bytes for the same input on every run.

ISA-L's levels 1 and 2 hash the third byte of a stream from a register that still holds the address of the stream's
state (igzip_icf_body_h1_gr_bt.asm, label `.write_first_byte`, up to version 2.31). With randomised addresses the output
then differs by a few bytes once in some thousand images. Only a stream without history gets there. So the first bytes
are written here, as a stored block (RFC 1951, section 3.2.4), and given to ISA-L as the history of the rest.
"""

import struct
import zlib
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from typing import Any

from isal import isal_zlib

LEVEL = 1
"""Of 0 to 3. Level 0 makes images half as large again, level 3 takes 1.5 times as long."""

_STORED = 4
"""Bytes of the stored block: the shortest history that ISA-L enters into its table."""

_ADLER = 65521


class Container(Enum):
    """The header and trailer around compressed data."""

    RAW = "raw"
    ZLIB = "zlib"  # RFC 1950
    GZIP = "gzip"  # RFC 1952, without a time


def compress(data: Any, container: Container = Container.ZLIB) -> bytes:
    """Return the compressed bytes of a contiguous buffer."""
    return compress_pieces((data,), container)


def compress_pieces(pieces: Sequence[Any], container: Container = Container.ZLIB) -> bytes:
    """Return the compressed bytes of several contiguous buffers, one after the other."""
    views = [_bytes_of(piece) for piece in pieces]
    if not views or len(views[0]) < _STORED:
        views = [memoryview(b"".join(map(bytes, views)))]
    first, rest = views[0][:_STORED], (views[0][_STORED:], *views[1:])
    final = not any(map(len, rest))
    out: list[Any] = [_HEADERS[container], struct.pack("<BHH", final, len(first), 0xFFFF - len(first)), first]
    if not final:
        deflate = isal_zlib.compressobj(LEVEL, wbits=-15, zdict=first)
        out += [*map(deflate.compress, rest), deflate.flush()]
    out.append(_trailer(views, container))
    return b"".join(out)


def compress_between_zeros(data: Any, before: int, after: int) -> bytes:
    """Return the zlib stream of `before` zero bytes, a contiguous buffer, and `after` zero bytes.

    For masks, which are small in their image: to compress the zeros around them each time takes longer than the mask.
    Uses level 0, which builds no code of its own: at a few hundred bytes, that is most of the time of level 1.
    """
    view = _bytes_of(data)
    checksum = isal_zlib.adler32(view, (before % _ADLER) << 16 | 1)
    low, high = checksum & 0xFFFF, ((checksum >> 16) + after * (checksum & 0xFFFF)) % _ADLER
    deflate = isal_zlib.compressobj(0, wbits=-15)
    return b"".join(
        (
            _HEADERS[Container.ZLIB],
            _zeros(before, zlib.Z_SYNC_FLUSH) if before else b"",
            deflate.compress(view),
            deflate.flush(isal_zlib.Z_SYNC_FLUSH if after else isal_zlib.Z_FINISH),
            _zeros(after, zlib.Z_FINISH) if after else b"",
            struct.pack(">HH", high, low),
        )
    )


@lru_cache(maxsize=1 << 14)
def _zeros(count: int, flush: int) -> bytes:
    """Return deflate blocks of zero bytes that end at a byte."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    return deflate.compress(bytes(count)) + deflate.flush(flush)


_HEADERS = {
    Container.RAW: b"",
    Container.ZLIB: b"\x78\x01",
    Container.GZIP: b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff",
}


def _bytes_of(buffer: Any) -> "memoryview[int]":
    view = memoryview(buffer)
    return view.cast("B") if view.nbytes else memoryview(b"")  # a view of nothing cannot be cast


def _trailer(views: Sequence["memoryview[int]"], container: Container) -> bytes:
    if container is Container.RAW:
        return b""
    if container is Container.ZLIB:
        checksum = 1
        for view in views:
            checksum = isal_zlib.adler32(view, checksum)
        return struct.pack(">I", checksum)
    checksum = 0
    for view in views:
        checksum = isal_zlib.crc32(view, checksum)
    return struct.pack("<II", checksum, sum(map(len, views)) & 0xFFFFFFFF)
