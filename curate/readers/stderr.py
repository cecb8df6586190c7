"""What C libraries print: it names no file, so it is kept from the terminal, for the message of the case."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def captured_stderr() -> Iterator[list[str]]:
    """Keep what this process prints on standard error meanwhile; the list holds its lines afterwards."""
    lines: list[str] = []
    with tempfile.TemporaryFile() as kept:
        saved = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            kept.seek(0)
            lines += kept.read().decode(errors="replace").strip().splitlines()
