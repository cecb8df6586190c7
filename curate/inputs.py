"""Inputs: what one image, or one label, is read from.

A file is one kind of input. A DICOM series, a member of an archive or an array in a file is each one more class of the
same Protocol.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Stamp = tuple[str, int, int]
"""Name, size in bytes and modification time in ns of one file; size and time are -1 where the file is missing."""


class Input(Protocol):
    """One thing to read."""

    @property
    def name(self) -> str:
        """Path relative to the source folder with `/`: what messages and the catalog call it."""

    @property
    def format(self) -> str | None:
        """Name of the reader; None where the suffix of `name` chooses it."""

    def stamps(self, companions: Sequence[str]) -> tuple[Stamp, ...]:
        """Return the stamp of each file the content depends on; `companions` are those its reader names."""

    def local(self) -> AbstractContextManager[Path]:
        """Return a context with the path of the content on local disk."""


@dataclass(frozen=True)
class FileInput:
    """A file at `path` (with `/`) below the folder `root`."""

    root: Path
    path: str
    format: str | None = None

    @classmethod
    def at(cls, path: Path) -> "FileInput":
        """Return the input of a file anywhere, named without its folder."""
        return cls(path.parent, path.name)

    @property
    def name(self) -> str:
        """The path below the source folder."""
        return self.path

    def stamps(self, companions: Sequence[str]) -> tuple[Stamp, ...]:
        """Return the stamp of the file and of the files it names as its data."""
        return tuple(_stamp(self.root, path) for path in (self.path, *companions))

    @contextmanager
    def local(self) -> Iterator[Path]:
        """Yield the path of the file."""
        yield self.root / self.path


def _stamp(root: Path, path: str) -> Stamp:
    try:
        facts = (root / path).stat()
    except OSError:
        return path, -1, -1  # reading it gives the reason
    return path, facts.st_size, facts.st_mtime_ns
