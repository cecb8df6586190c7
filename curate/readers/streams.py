"""Byte streams: files that may be gzip, read straight into a buffer by isal."""

import zlib
from pathlib import Path
from typing import IO, cast

from isal import igzip

MAX_DEFLATE_RATIO = 1032
"""The most bytes a byte of deflate can become (zlib's technical notes, zlib.net/zlib_tech.html)."""

GZIP = b"\x1f\x8b"

_CHUNK = 1 << 14


def open_stream(path: Path) -> IO[bytes]:
    """Open for reading; the content, not the name, says whether it is gzip (both are met under either name)."""
    with path.open("rb") as file:
        zipped = file.read(2) == GZIP
    if not zipped:
        return path.open("rb")
    return cast("IO[bytes]", igzip.open(path, "rb"))


def read_exactly(file: IO[bytes], count: int) -> bytes:
    """Return the next `count` bytes; raises EOFError where there are fewer."""
    data = file.read(count)
    if len(data) != count:
        raise EOFError("the file ends inside its header")
    return data


def skip(file: IO[bytes], count: int) -> None:
    """Read `count` bytes and forget them; raises EOFError where there are fewer."""
    while count > 0:
        chunk = len(file.read(min(count, 1 << 20)))
        if not chunk:
            raise EOFError("the file ends before its voxels")
        count -= chunk


def fill(file: IO[bytes], buffer: memoryview) -> None:
    """Read into the whole of `buffer`; raises EOFError where the file is too short."""
    done = 0
    while done < len(buffer):
        count = file.readinto(buffer[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError(f"the file ends after {done} of {len(buffer)} bytes of voxels")
        done += count


def check_end(file: IO[bytes], path: Path, start: int = 0) -> None:
    """Read on from the last voxel, so that gzip compares its checksum.

    `start` is where the gzip stream begins in the file at `path`. What follows a complete member and is not gzip is
    ignored, as gunzip and ITK do; raises where the member itself is damaged or cut short.
    """
    length = file.tell() if hasattr(file, "tell") else 0
    try:
        file.read(1)
    except Exception:
        # isal has one error for a member cut short and for a few bytes after a whole one
        if not _is_complete(path, start, length):
            raise


def _is_complete(path: Path, start: int, length: int) -> bool:
    """Tell whether whole gzip members give at least `length` bytes, checksums compared."""
    done, inflater = 0, zlib.decompressobj(31)
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = b""
            while data or (data := file.read(_CHUNK)):
                done += len(inflater.decompress(data))
                data = inflater.unused_data
                if inflater.eof:
                    if done >= length:
                        return True
                    inflater = zlib.decompressobj(31)
    except zlib.error:
        pass
    return False
