"""Inputs to volumes: `read_header` inspects, `read` decodes; the reader is chosen by format or suffix.

Each function takes an Input, or the path of a file. Whatever a reader meets becomes a CaseError that names the file.
"""

from pathlib import Path

from catalog.drop_reasons import Reason
from catalog.sizes import format_size
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.inputs import FileInput, Input
from curate.readers.base import Channels, Header, SeveralVolumesError, unreadable
from curate.readers.registry import reader_of

__all__ = ["Header", "companions", "read", "read_channels", "read_header"]

_FOR_IMAGES = "name in the recipe's `channels` which to take"
_FOR_LABELS = "set the recipe's `encoding` to `one_hot` and give each label its channels"


def read_header(source: Input | Path) -> Header:
    """Return the header of an input; raises CaseError where it cannot be read."""
    source = _as_input(source)
    try:
        return reader_of(source).header(source)
    except CaseError:
        raise
    except Exception as error:
        raise unreadable(_file_name(source), error) from error


def read_channels(
    source: Input | Path, channels: Channels, limit: int | None = None, label: bool = False
) -> list[Volume]:
    """Return one volume for each of `channels`, decoding the input once; None stands for the input as a whole.

    `limit` is the most bytes the decoded input may take; the header is checked against it before anything is decoded.
    `label` tells that the input is a label: a message then gives the advice that helps a label.

    Raises CaseError where the input is corrupt, truncated, larger than `limit`, or of other dimensions than asked for.
    """
    source = _as_input(source)
    name = _file_name(source)
    header = read_header(source)
    if limit is not None and header.nbytes > limit:
        raise CaseError(
            Reason.MEMORY,
            f"{name} holds {format_size(header.nbytes)} ({' x '.join(map(str, header.shape))}), "
            f"the limit is {format_size(limit)}; give more with --memory",
        )
    try:
        return reader_of(source).read(source, channels)
    except SeveralVolumesError as error:
        raise CaseError(error.reason, f"{error.detail}: {_FOR_LABELS if label else _FOR_IMAGES}") from None
    except CaseError:
        raise
    except Exception as error:
        raise unreadable(name, error) from error


def read(source: Input | Path, channel: int | None = None, limit: int | None = None, label: bool = False) -> Volume:
    """Return one volume of an input: channel `channel`, or all of it. See `read_channels`."""
    (volume,) = read_channels(source, (channel,), limit, label)
    return volume


def companions(source: Input) -> tuple[str, ...]:
    """Return the other files an input's content depends on, relative to the source folder; none for a broken input."""
    try:
        return reader_of(source).companions(source)
    except Exception:  # reading it gives the reason
        return ()


def _file_name(source: Input) -> str:
    return source.name.rpartition("/")[2]


def _as_input(source: Input | Path) -> Input:
    return FileInput.at(source) if isinstance(source, Path) else source
