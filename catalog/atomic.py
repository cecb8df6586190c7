"""A file is there whole or not at all."""

import os
from pathlib import Path

from catalog.errors import OutputError


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write beside the place, on to the disk, and rename into it.

    Raises:
        OutputError: the disk is full, or the folder must not be written to.
    """
    partial = path.with_name(f".{path.name}.part")
    try:
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
