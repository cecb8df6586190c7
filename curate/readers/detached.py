"""What NRRD and MetaImage share: a header of text lines, voxels in the same file or in others, LPS to RAS+."""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Affine
from curate.readers.streams import GZIP, MAX_DEFLATE_RATIO, fill, skip

MAX_LINE = 1 << 20
MAX_HEADER = 1 << 23
"""Most bytes of one line, and of all lines of a header."""

MAX_FILES = 100_000
MAX_TOKEN = 64
"""Most data files of one header, and most characters of one number written as text."""

_CHUNK = 1 << 14


@dataclass(frozen=True)
class Encoded:
    """How voxels are stored.

    `files` hold equal parts of them, one after another; `start` is where they begin in each, after `lines` further
    lines and `skipped` bytes (-1: they are the last ones of the file). `packing` is `raw`, `deflate` (zlib or gzip) or
    `text`; with `deflate`, `skipped` counts inflated bytes and `packed` is the length of the stream, None where the
    header does not give it.
    """

    files: tuple[Path, ...]
    start: int
    dtype: "np.dtype[Any]"
    packing: str
    lines: int = 0
    skipped: int = 0
    packed: int | None = None


def text_lines(file: IO[bytes]) -> Iterator[str]:
    """Yield the lines of a header; raises ValueError where it is longer than any real one."""
    total = 0
    while line := file.readline(MAX_LINE):
        total += len(line)
        if total > MAX_HEADER or (len(line) == MAX_LINE and not line.endswith(b"\n")):
            raise ValueError(f"its header is longer than {MAX_HEADER >> 20} MB, or has a line longer than "
                             f"{MAX_LINE >> 20} MB; it is damaged")  # fmt: skip
        yield line.decode("latin-1").rstrip("\r\n")


def numbers(text: str, count: int, field: str) -> list[float]:
    """Return exactly `count` finite numbers of a header's field; raises ValueError otherwise."""
    words = text.split()
    if len(words) != count:
        raise ValueError(f"its header's {field} has {len(words)} numbers, not {count}: {text[:80]!r}")
    values = [number(word, field) for word in words]
    if not np.isfinite(values).all():
        raise ValueError(f"its header's {field} is not finite: {text[:80]!r}")
    return values


def number(word: str, field: str) -> float:
    """Return a number of a header's field; raises ValueError that names the field."""
    if len(word) <= MAX_TOKEN:
        try:
            return float(word)
        except ValueError:
            pass
    raise ValueError(f"its header's {field} is not a number: {word[:80]!r}")


def whole_numbers(text: str, field: str, least: int, most: int = 1 << 40) -> tuple[int, ...]:
    """Return the whole numbers of a header's field; raises ValueError where one is out of range."""
    values = tuple(number(word, field) for word in text.split())
    if not all(least <= value <= most and value == int(value) for value in values):
        upper = f" to {most}" if most < 1 << 40 else ""
        raise ValueError(f"its header's {field} must be whole numbers from {least}{upper}: {text[:80]!r}")
    return tuple(int(value) for value in values)


def whole_number(text: str, field: str, least: int, most: int = 1 << 40) -> int:
    """Return the one whole number of a header's field; raises ValueError otherwise."""
    values = whole_numbers(text, field, least, most)
    if len(values) != 1:
        raise ValueError(f"its header's {field} must be one whole number: {text[:80]!r}")
    return values[0]


def data_paths(header: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Return the data files that a header names.

    Raises CaseError for a name that leads out of the header's own folder, ValueError for too many.
    """
    if len(names) > MAX_FILES:
        raise ValueError(f"its header names {len(names)} data files; at most {MAX_FILES} are read")
    paths = []
    for name in names:
        plain = posixpath.normpath(name.replace("\\", "/"))
        if plain.startswith(("/", "..")) or plain[1:2] == ":" or "\0" in plain or plain in (".", ""):
            raise CaseError(
                Reason.UNREADABLE,
                f"{header.name} keeps its voxels in {name!r}, outside its own folder; such files are not read: move "
                "them beside the header and correct the name in it",
            )
        paths.append(header.parent / plain)
    return tuple(paths)


def read_voxels(name: str, shape: Sequence[int], encoded: Encoded) -> NDArray[Any]:
    """Return voxels of `shape`, the slowest axis first, in the machine's byte order.

    Raises ValueError, EOFError or OSError where the files hold other than these voxels.
    """
    count, parts = prod(shape), len(encoded.files)
    if count % parts:
        raise ValueError(f"its {count} voxels cannot be spread evenly over {parts} data files")
    for path in encoded.files:
        if not path.is_file():
            raise FileNotFoundError(f"{path.name}, which holds the voxels of {name}, is missing")
    if encoded.packing != "raw" and encoded.skipped < 0:
        raise ValueError("its header places raw voxels at the end of the file, but they are not raw")
    if encoded.packing == "text":
        return np.concatenate([_as_text(path, encoded, count // parts) for path in encoded.files]).reshape(shape)
    size = count * encoded.dtype.itemsize
    most = sum(path.stat().st_size for path in encoded.files)
    if size > most * (MAX_DEFLATE_RATIO if encoded.packing == "deflate" else 1):
        raise EOFError(f"its header claims {size:.3g} bytes of voxels, more than its file of {most} bytes can hold")
    raw = np.empty(size, np.uint8)
    for path, part in zip(encoded.files, np.split(raw, parts), strict=True):
        with path.open("rb") as file:
            file.seek(encoded.start)
            _skip_lines(file, encoded.lines)
            if encoded.packing == "deflate":
                _inflate(file, part.data, encoded)
            else:
                _seek_raw(file, path, encoded.skipped, part.size)
                fill(file, part.data)
    voxels = raw.view(encoded.dtype).reshape(shape)
    return voxels if voxels.dtype.isnative else voxels.astype(voxels.dtype.newbyteorder("="))


def _skip_lines(file: IO[bytes], count: int) -> None:
    for _ in range(count):
        if not file.readline(MAX_LINE):
            raise EOFError("the file ends before its voxels")


def _seek_raw(file: IO[bytes], path: Path, skipped: int, size: int) -> None:
    if skipped < 0:
        file.seek(max(0, path.stat().st_size - size))
    else:
        skip(file, skipped)


def _inflate(file: IO[bytes], part: memoryview, encoded: Encoded) -> None:
    """Inflate zlib or gzip into `part`, which it must fill to the byte; what follows the stream is not looked at."""
    left = encoded.packed if encoded.packed is not None else 1 << 62
    wanted = encoded.skipped + len(part)
    stream, done = isal_zlib.decompressobj(wbits=47), 0  # 47: zlib or gzip, whichever it is
    while done <= wanted:
        chunk = stream.unused_data if stream.eof else file.read(min(left, _CHUNK))
        if stream.eof:
            if done == wanted or not chunk.startswith(GZIP):
                break
            stream = isal_zlib.decompressobj(wbits=47)  # the next member of a gzip file
        elif not chunk:
            raise EOFError("its compressed voxels end too early")
        else:
            left -= len(chunk)
        data = stream.decompress(chunk)
        low, high = max(0, encoded.skipped - done), min(len(data), wanted - done)
        if low < high:
            at = done + low - encoded.skipped
            part[at : at + high - low] = data[low:high]
        done += len(data)
    if done != wanted:
        raise ValueError(f"it holds other than the {wanted} bytes of voxels that its header gives")


def _as_text(path: Path, encoded: Encoded, count: int) -> NDArray[Any]:
    """Return numbers written as text, each of at most MAX_TOKEN characters."""
    with path.open("rb") as file:
        file.seek(encoded.start)
        _skip_lines(file, encoded.lines)
        skip(file, encoded.skipped)
        words = file.read().replace(b",", b" ").split(maxsplit=count)[:count]
    if len(words) < count:
        raise EOFError(f"it holds {len(words)} numbers, not {count}")
    if max(map(len, words)) > MAX_TOKEN:
        raise ValueError(f"one of its numbers has more than {MAX_TOKEN} characters")
    native = encoded.dtype.newbyteorder("=")
    if native.kind == "f":
        return np.fromiter(map(float, words), native, count)
    values = np.fromiter(map(int, words), np.uint64 if native == np.uint64 else np.int64, count)
    low, high, limits = int(values.min()), int(values.max()), np.iinfo(native)
    if low < limits.min or high > limits.max:
        raise ValueError(f"its numbers from {low} to {high} do not fit its type {native}")
    return values.astype(native)


def lps_to_ras(affine: Affine) -> Affine:
    """Return an affine to RAS+ of one to LPS."""
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
