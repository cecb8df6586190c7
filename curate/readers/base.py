"""What a reader is: it turns an input into volumes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Protocol

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.inputs import Input


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


def no_companions(path: Path) -> tuple[str, ...]:
    """Return the companions of a format that keeps everything in one file."""
    return ()


@dataclass(frozen=True)
class FileReader:
    """A reader made of functions of one path; `data_files` names files relative to the path's own folder."""

    read_header: Callable[[Path], Header]
    read_channels: Callable[[Path, Channels], list[Volume]]
    data_files: Callable[[Path], tuple[str, ...]] = no_companions

    def header(self, source: Input) -> Header:
        """Return shape and voxel size."""
        with source.local() as path:
            return self.read_header(path)

    def read(self, source: Input, channels: Channels) -> list[Volume]:
        """Return one volume a channel."""
        with source.local() as path:
            return self.read_channels(path, channels)

    def companions(self, source: Input) -> tuple[str, ...]:
        """Return the data files that the file names, relative to the source folder."""
        if self.data_files is no_companions:
            return ()
        folder = source.name.rpartition("/")[0]
        with source.local() as path:
            names = self.data_files(path)
        return tuple(f"{folder}/{name}" if folder else name for name in names)


def unreadable(path: Path, trouble: object) -> CaseError:
    """Return the error of a file that cannot be read; without its folder, which differs between machines."""
    return CaseError(Reason.UNREADABLE, f"{path.name} cannot be read: {str(trouble).replace(f'{path.parent}/', '')}")
