"""What a reader is: it turns an input into volumes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Protocol, TypeVar

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.inputs import Input
from curate.readers.content import foreign_content

T = TypeVar("T")


@dataclass(frozen=True)
class Header:
    """What a file says of itself: voxels along every stored dimension, and bytes a voxel once decoded."""

    shape: tuple[int, ...]
    itemsize: int

    @property
    def nbytes(self) -> int:
        """Bytes of the decoded file."""
        return prod(self.shape) * self.itemsize


Channels = Sequence[int | None]
"""Indices into a 4D or multi-channel file; None stands for the file as a whole."""


class Reader(Protocol):
    """Reads one format."""

    def header(self, source: Input) -> Header:
        """Return shape and voxel size without decoding; raises CaseError where they cannot be read."""

    def read(self, source: Input, channels: Channels) -> list[Volume]:
        """Return one volume a channel from one decoding.

        Raises CaseError where the file is corrupt or truncated, or has no such channel.
        """

    def companions(self, source: Input) -> tuple[str, ...]:
        """Return the other files the content depends on, relative to the source folder."""


class SeveralVolumesError(CaseError):
    """A file holds several volumes or channels, and nothing says which one is meant.

    `curate.readers` adds what to do, which is not the same for an image and for a label.
    """

    code = "volumes"


def choose(name: str, count: int, channel: int | None, what: str) -> int:
    """Return which of `count` volumes `channel` stands for; `what` describes the file, such as `4D (4 x 3 x 5 x 6)`.

    Raises SeveralVolumesError for None where there are several, CaseError for a channel that does not exist.
    """
    if channel is None:
        if count > 1:
            raise SeveralVolumesError(Reason.GEOMETRY, f"{name} is {what} and holds {count} volumes or channels")
        return 0
    if channel >= count:
        held = f"it has the channels 0 to {count - 1}, and" if count > 1 else "it has"
        raise CaseError(Reason.GEOMETRY, f"{name} is {what}: {held} no channel {channel}")
    return channel


def no_companions(path: Path) -> tuple[str, ...]:
    """Return the companions of a format that keeps everything in one file."""
    return ()


@dataclass(frozen=True)
class FileReader:
    """A reader made of functions of one path; `data_files` names files relative to the path's own folder.

    The functions raise whatever they meet; it becomes a CaseError that names the file.
    """

    read_header: Callable[[Path], Header]
    read_channels: Callable[[Path, Channels], list[Volume]]
    data_files: Callable[[Path], tuple[str, ...]] = no_companions

    def header(self, source: Input) -> Header:
        """Return shape and voxel size."""
        with source.local() as path:
            return _guarded(self.read_header, path)

    def read(self, source: Input, channels: Channels) -> list[Volume]:
        """Return one volume a channel."""
        with source.local() as path:
            return _guarded(lambda path: self.read_channels(path, channels), path)

    def companions(self, source: Input) -> tuple[str, ...]:
        """Return the data files that the file names, relative to the source folder."""
        if self.data_files is no_companions:
            return ()
        folder = source.name.rpartition("/")[0]
        with source.local() as path:
            names = _guarded(self.data_files, path)
        return tuple(f"{folder}/{name}" if folder else name for name in names)


def _guarded(read: Callable[[Path], T], path: Path) -> T:
    try:
        return read(path)
    except CaseError:
        raise
    except Exception as error:
        raise unreadable(path.name, error, path) from error


def unreadable(name: str, error: Exception, path: Path | None = None) -> CaseError:
    """Return the CaseError of an input that cannot be read: what the file holds instead, else what the error says.

    The folder of `path` is left out, since it differs between machines.
    """
    if isinstance(error, MemoryError):
        return CaseError(Reason.MEMORY, f"{name}: not enough memory to decode it; give each worker more, or use fewer")
    if path is not None and (content := foreign_content(path)) is not None:
        return CaseError(Reason.UNREADABLE, f"{name} cannot be read: {content}")
    said = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
    if path is not None:
        said = said.replace(f"{path.parent}/", "")
    return CaseError(Reason.UNREADABLE, f"{name} cannot be read: {said or type(error).__name__}")
