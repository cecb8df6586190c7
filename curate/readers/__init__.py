"""Inputs to volumes: `read_header` inspects, `read` decodes; the reader is chosen by format or suffix.

Each function takes an Input, or the path of a file.
"""

from pathlib import Path

from catalog.drop_reasons import Reason
from catalog.errors import MedcorpusError
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.inputs import FileInput, Input
from curate.readers.base import Channels, Header
from curate.readers.registry import reader_of

__all__ = ["Header", "companions", "read", "read_channels", "read_header"]


def read_header(source: Input | Path) -> Header:
    """Return the header of an input; raises CaseError where it cannot be read."""
    source = _as_input(source)
    return reader_of(source).header(source)


def read_channels(source: Input | Path, channels: Channels, limit: int | None = None) -> list[Volume]:
    """Return one volume for each of `channels`, decoding the input once; None stands for the input as a whole.

    `limit` is the most bytes the decoded input may take; the header is checked against it before anything is decoded.

    Raises CaseError where the input is corrupt, truncated, larger than `limit`, or of other dimensions than asked for.
    """
    source = _as_input(source)
    reader = reader_of(source)
    header = reader.header(source)
    if limit is not None and header.nbytes > limit:
        name = source.name.rpartition("/")[2]
        raise CaseError(
            Reason.MEMORY,
            f"{name} holds {header.nbytes / 1e9:.2f} GB ({' x '.join(map(str, header.shape))}), "
            f"the limit is {limit / 1e9:.2f} GB; give more with --memory",
        )
    return reader.read(source, channels)


def read(source: Input | Path, channel: int | None = None, limit: int | None = None) -> Volume:
    """Return one volume of an input: channel `channel`, or all of it. See `read_channels`."""
    (volume,) = read_channels(source, (channel,), limit)
    return volume


def companions(source: Input) -> tuple[str, ...]:
    """Return the other files an input's content depends on, relative to the source folder; none for a broken input."""
    try:
        return reader_of(source).companions(source)
    except (MedcorpusError, OSError):
        return ()


def _as_input(source: Input | Path) -> Input:
    return FileInput.at(source) if isinstance(source, Path) else source
