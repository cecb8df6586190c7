"""Files of a DICOM source under another name: what is read for a label without its path reaching the corpus."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from curate.inputs import Stamp, stamp


@dataclass(frozen=True)
class HiddenFile:
    """A file at `path` below `root` that messages and the corpus call `name`.

    `notes` are what a user should know of how it was found.
    """

    root: Path
    path: str
    name: str
    format: str | None = None
    notes: tuple[str, ...] = ()

    def stamps(self, companions: Sequence[str]) -> tuple[Stamp, ...]:
        """Return the stamp of the file."""
        return (stamp(self.root, self.path),)

    @contextmanager
    def local(self) -> Iterator[Path]:
        """Yield the path of the file."""
        yield self.root / self.path


def hidden_name(pseudonym: str, path: str) -> str:
    """Return the name of a file that is not DICOM: its pseudonym, and the suffix that chooses its reader."""
    return f"files/{pseudonym}{''.join(PurePosixPath(path).suffixes[-2:])}"
