"""Atomic writes: a file, or a folder, appears complete or not at all, also after a power cut.

Everything is written next to its final place, flushed to the disk, and renamed; the folder is flushed after the
rename, so that the new name survives too.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from catalog.errors import CatalogError, OutputError

_RAISE = object()


def write_atomic(path: Path, content: bytes | memoryview, *, sync: bool = True) -> None:
    """Write a file atomically.

    Args:
        path: The file; an existing one is replaced.
        content: The whole content.
        sync: Flush file and folder to the disk; without it, a power cut may leave an empty file.

    Raises:
        OutputError: The disk is full, or the folder is missing or not writable.
    """
    with replacing(path, sync=sync) as partial, partial.open("wb") as file:
        file.write(content)


@contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path next to `path`; what is written there replaces `path` when the block ends well.

    The block may leave nothing at the temporary path: then `path` is left as it is. An exception in the block removes
    the temporary file.

    Raises:
        OutputError: An OSError in the block, or while the file is flushed or renamed.
    """
    partial = _partial(path)
    try:
        try:
            yield partial
            if partial.exists():
                if sync:
                    _flush(partial)
                partial.replace(path)
                if sync:
                    sync_folder(path.parent)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder next to `path`; it replaces `path` when the block ends well.

    An exception in the block removes the temporary folder and leaves `path` as it is.

    Raises:
        OutputError: An OSError in the block, or while the folder is flushed or renamed.
    """
    partial = _partial(path)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
            for file in sorted(partial.rglob("*")):
                if file.is_file():
                    _flush(file)
            sync_folder(partial)
            if path.is_dir():
                shutil.rmtree(path)
            partial.rename(path)
            sync_folder(path.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise output_error(path, error) from error


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk; does nothing where folders cannot be opened (Windows)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def output_error(path: Path, error: OSError) -> OutputError:
    """Return the error to report when `path` cannot be written."""
    named = error.filename is not None and Path(error.filename).name not in (path.name, _partial(path).name)
    reason = str(error) if named else error.strerror or str(error)
    remedy = "Free some space" if error.errno == errno.ENOSPC else "Fix this"
    return OutputError(f"{path} cannot be written: {reason}. {remedy} and run the same command again")


def read_json(path: Path, default: Any, damaged: Any = _RAISE) -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file.
        default: Is returned if there is no such file.
        damaged: Is returned if the file is not JSON.

    Raises:
        CatalogError: The file is not JSON, and `damaged` is not given.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return default
    except ValueError as error:
        if damaged is _RAISE:
            raise CatalogError(f"{path} is damaged: {error}. Restore it from a copy") from error
        return damaged


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically: indented, non-ASCII characters as they are.

    Raises:
        OutputError: The disk is full, or the folder is missing or not writable.
    """
    write_atomic(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _flush(path: Path) -> None:
    # Read-write: Windows flushes only files that are open for writing.
    with path.open("r+b") as file:
        os.fsync(file.fileno())
