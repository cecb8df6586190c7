"""What was reckoned once and is kept in the user's cache folder: found whole, or not at all."""

import hashlib
from pathlib import Path

from catalog.atomic import write_atomic
from catalog.errors import OutputError

DIGEST = hashlib.sha256().digest_size


class Kept:
    """A file of bytes under a key; a damaged one counts as none.

    Args:
        folder: made when something is written.
        parts: whatever the content depends on; together they are the key.
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
        return content if hashlib.sha256(content).digest() == digest else None

    def write(self, content: bytes) -> str | None:
        """Keep the content; return why it could not be kept, if so: nothing depends on it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, hashlib.sha256(content).digest() + content)
        except (OSError, OutputError) as error:
            return f"the compiled model is not kept: {error}"
        return None
