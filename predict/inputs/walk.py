"""Walk a folder and its sub-folders."""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from predict.errors import FolderError

JOURNAL = ".predict.jsonl"
"""The file by which `predict` marks its folders of results."""


def walk(root: Path, left_out: Sequence[Path] = ()) -> Iterator[tuple[Path, str]]:
    """Yield each file below `root`, in the order of names, with its name relative to it, with `/`, in NFC.

    Hidden files and folders are passed over, and so are results of `predict` and the folders `left_out`; links to
    folders are followed once.

    Raises:
        FolderError: a folder cannot be listed.
    """
    seen = {_identity(folder) for folder in (root, *left_out) if folder.is_dir()}
    for folder, folders, files in os.walk(root, onerror=_raise, followlinks=True):
        here = Path(folder)
        kept = []
        for name in sorted(name for name in folders if not name.startswith(".")):
            identity = _identity(here / name)
            if identity not in seen and not (here / name / JOURNAL).is_file():
                seen.add(identity)
                kept.append(name)
        folders[:] = kept
        for name in sorted(files):
            path = here / name
            if not name.startswith(".") and path.is_file():
                yield path, relative_name(path, root)


def relative_name(path: Path, root: Path) -> str:
    """Return the name of a file relative to a folder, with `/`, in NFC: the form in which names are compared."""
    return unicodedata.normalize("NFC", path.relative_to(root).as_posix())


def _raise(error: OSError) -> NoReturn:
    raise FolderError(f"the folder {error.filename} cannot be listed: {error.strerror or error}") from error


def _identity(folder: Path) -> tuple[int, int]:
    stat = folder.stat()
    return stat.st_dev, stat.st_ino
