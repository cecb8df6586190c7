"""Results on disk: a file is there whole or not at all."""

import io
from pathlib import Path

import numpy as np

from train.predict.engine import Labels
from train.predict.errors import OutputError


def write_segs(path: Path, segs: Labels) -> None:
    """Write labels under the key `segs`, as the challenge wants them.

    Raises:
        OutputError: the disk is full, or the folder must not be written to.
    """
    content = io.BytesIO()
    np.savez_compressed(content, segs=segs)
    write_whole(path, content.getvalue())


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the place and rename into it.

    Raises:
        OutputError: the disk is full, or the folder must not be written to.
    """
    partial = path.with_name(f".{path.name}.part")
    try:
        try:
            partial.write_bytes(content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
