"""Results on disk."""

import io
from pathlib import Path

import numpy as np

from train.files import write_whole
from train.predict.engine import Labels


def write_segs(path: Path, segs: Labels) -> None:
    """Write labels under the key `segs`, as the challenge wants them.

    Raises:
        OutputError: the disk is full, or the folder must not be written to.
    """
    content = io.BytesIO()
    np.savez_compressed(content, segs=segs)
    write_whole(path, content.getvalue())
