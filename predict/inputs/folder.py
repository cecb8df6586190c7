"""The cases of a folder, of every kind side by side."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from predict.errors import FolderError
from predict.inputs.case import Source
from predict.inputs.challenge import ChallengeFile
from predict.inputs.kinds import CHALLENGE, KINDS, PICTURES, SCANS, is_of, stem_of
from predict.inputs.pictures import Picture
from predict.inputs.request import Request
from predict.inputs.scans import ScanFile

SHOWN = 3
T = TypeVar("T")
SOURCES: dict[tuple[str, ...], Callable[[Path, Request], Source]] = {
    CHALLENGE: ChallengeFile,
    PICTURES: Picture,
    SCANS: ScanFile,
}


def find_sources(folder: Path, request: Request) -> tuple[list[Source], dict[str, str]]:
    """Return the cases of a folder by name, and what boxes and points are told of but is not there, with the reason.

    Images are called in the files of boxes and points by their file name, with or without suffix.

    Raises:
        FolderError: there is no such folder, it holds no case, or two files would be one case; the message says what
            lies there.
    """
    if not folder.is_dir():
        raise FolderError(f"{folder} is no folder. Give the one that holds the cases.")
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    paths = [path for path in files if is_of(path, KINDS)]
    if not paths:
        there = f"it holds {', '.join(p.name for p in files[:SHOWN])}{', ...' * (len(files) > SHOWN)}"
        raise FolderError(f"{folder} has no case ({', '.join(KINDS)}): {there if files else 'it is empty'}.")
    by_name: dict[str, Path] = {}
    for path in paths:
        other = by_name.setdefault(stem_of(path), path)
        if other is not path:
            raise FolderError(
                f"{folder}: {other.name} and {path.name} would both be {stem_of(path)}: rename one of them."
            )
    names = {word: name for name, path in by_name.items() for word in (path.name, name)}
    strays = {
        word: f"{what} are given for it, but {folder} has no such case"
        for what, table in (("boxes", request.boxes), ("points", request.points))
        for word in table
        if word not in names
    }
    request = replace(request, boxes=_by_name(request.boxes, names), points=_by_name(request.points, names))
    return [_source(path, request) for path in by_name.values()], strays


def _by_name(table: Mapping[str, T], names: Mapping[str, str]) -> dict[str, T]:
    """Return a table's entries by the name of their case; raise FolderError where two of them are of one."""
    word_of: dict[str, str] = {}
    for word in table:
        if word in names and word_of.setdefault(names[word], word) != word:
            raise FolderError(f"{word_of[names[word]]} and {word} are one image: call it by one of the two names")
    return {name: table[word] for name, word in word_of.items()}


def _source(path: Path, request: Request) -> Source:
    return next(source for suffixes, source in SOURCES.items() if is_of(path, suffixes))(path, request)
