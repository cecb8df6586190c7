"""On-disk cache of compiled models, keyed by SHA-256, of bounded size."""

import contextlib
import hashlib
import os
from pathlib import Path

from catalog.atomic import write_atomic
from catalog.errors import OutputError

DIGEST = hashlib.sha256().digest_size
MOST_BYTES = 1 << 30
"""Most bytes of a cache folder; the blobs that were not used for longest are removed."""


class BlobCache:
    """One blob of bytes under a key; a damaged blob counts as absent.

    Args:
        folder: The cache folder, made when something is written.
        parts: Everything that the content depends on; together they are the key.
    """

    def __init__(self, folder: Path, *parts: str) -> None:
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
        self.path = folder / f"{key}.blob"

    def read(self) -> bytes | None:
        """Return the content; None if there is none, or if it is not what was written."""
        try:
            with self.path.open("rb") as file:
                digest, content = file.read(DIGEST), file.read()
        except OSError:
            return None
        if hashlib.sha256(content).digest() != digest:
            return None
        with contextlib.suppress(OSError):  # a cache that is read-only keeps the order of its files
            os.utime(self.path)
        return content

    def write(self, content: bytes) -> str | None:
        """Store the content; return a message where that fails, since nothing depends on it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, hashlib.sha256(content).digest() + content)
            self._prune()
        except (OSError, OutputError) as error:
            return f"the compiled model is not cached: {error}"
        return None

    def _prune(self) -> None:
        """Remove the blobs that were not used for longest, until the folder holds at most `MOST_BYTES`."""
        found = []
        for path in self.path.parent.glob("*.blob"):
            with contextlib.suppress(FileNotFoundError):  # removed by another process meanwhile
                stat = path.stat()
                found.append((stat.st_mtime_ns, stat.st_size, path))
        left = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if left > MOST_BYTES and path != self.path:
                path.unlink(missing_ok=True)
                left -= size
