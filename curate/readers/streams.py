"""Byte streams: files that may be gzip, read straight into a buffer by isal."""

import io
import os
import zlib
from collections.abc import Callable
from gzip import BadGzipFile
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from isal import igzip

T = TypeVar("T")

MAX_DEFLATE_RATIO = 1032
"""The most bytes a byte of deflate can become (zlib's technical notes, zlib.net/zlib_tech.html)."""

GZIP = b"\x1f\x8b"

_CHUNK = 1 << 14


def through_stream(path: Path, use: Callable[[IO[bytes]], T]) -> T:
    """Return what `use` makes of the content of a file, which gzip may have packed, whatever the name says.

    isal inflates straight into the buffers of `use`. What follows a complete gzip member is ignored, as gunzip, nibabel
    and ITK do: isal reads ahead and cannot tell it from a member that is cut short, so zlib then has the last word.
    """
    with path.open("rb") as file:
        if file.read(len(GZIP)) != GZIP:
            file.seek(0)
            return use(file)
    try:
        with igzip.open(path, "rb") as file:
            return use(cast("IO[bytes]", file))
    except (EOFError, BadGzipFile):
        with _Members(path) as members:
            return use(cast("IO[bytes]", members))


def read_exactly(file: IO[bytes], count: int) -> bytes:
    """Return the next `count` bytes; raises EOFError where there are fewer."""
    data = b""
    while len(data) < count:
        chunk = file.read(count - len(data))
        if not chunk:
            raise EOFError("the file ends inside its header")
        data += chunk
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


class _Members(io.RawIOBase):
    """A gzip file by zlib: whole members, and nothing of what follows them; slower than isal."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._inflater = zlib.decompressobj(31)
        self._first, self._begun, self._ended = True, False, False

    def readable(self) -> bool:
        """Return True: it is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Inflate into a buffer; raises EOFError where a member is cut short, zlib.error where it is damaged."""
        while not self._ended:
            try:
                inflated = self._more(len(buffer))
            except (EOFError, zlib.error):
                if self._first or self._begun:
                    raise
                break  # no member has begun: it is something else
            if inflated:
                buffer[: len(inflated)] = inflated
                return len(inflated)
        self._ended = True
        return 0

    def _more(self, most: int) -> bytes:
        data = self._inflater.unconsumed_tail or self._file.read(_CHUNK)
        if not data:
            raise EOFError("the file ends inside its compressed data")
        inflated = self._inflater.decompress(data, most)
        self._begun = self._begun or bool(inflated)
        if self._inflater.eof:
            self._file.seek(-len(self._inflater.unused_data), os.SEEK_CUR)
            self._inflater = zlib.decompressobj(31)
            self._first = self._begun = False
        return inflated

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
