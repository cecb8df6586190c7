"""A teacher's embeddings on disk, float16, in a few large files.

    FOLDER/embed.json           whose embeddings these are
    FOLDER/embeddings-00000.f16 one after the other, (256, 64, 64) little-endian float16 each, 2 MiB
    FOLDER/embeddings-00000.txt the hash of each one's image, a line each

The key of an image is the hash of its pixels, as in the catalog: duplicates share an embedding, and a corpus that was
moved, stored in another format or curated again keeps its embeddings. A view's key adds its number (`HASH.3`). A key is
written after its embedding is on disk: after an interruption the keys are right, and what follows the last one is
overwritten. A key whose embedding is incomplete, as in a truncated copy, does not count. At 2 MiB an embedding, 10^4
take 20 GiB and 10^6 take 2 TiB.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from catalog.atomic import write_atomic
from catalog.errors import DataError, OutputError
from predict.presets import EMBEDDING, GRID

SHAPE = (EMBEDDING, GRID, GRID)
BYTES = 2 * EMBEDDING * GRID * GRID
PER_FILE = 4096
"""Embeddings in a file: 8 GiB."""
ABOUT = "embed.json"


class EmbeddingWriter:
    """Adds embeddings to a folder, after those that are there.

    Args:
        folder: Made where it is absent.
        about: The teacher and the views: JSON values by name. A folder with other values is refused; one that lacks
            some of the names, as from before there were views, gets them.
        rank: Of several processes that write at once; each has files of its own.
        per_file: Embeddings in a file.

    Raises:
        DataError: the folder holds embeddings of another teacher.
        OutputError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, about: dict[str, Any], rank: int = 0, per_file: int = PER_FILE) -> None:
        self._folder = folder
        self._rank = rank
        self._per_file = per_file
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder} cannot be made: {error.strerror or error}") from error
        self.done = stored_keys(folder, about)
        there = _read_about(folder) or {}
        if there != there | about:
            write_atomic(folder / ABOUT, json.dumps(there | about, indent=2).encode() + b"\n")
        self._number = max((int(file.stem[-3:]) for file in self._own()), default=0)
        self._keys = _keys(self._file(".txt"))

    def add(self, keys: Sequence[str], embeddings: NDArray[np.float16]) -> None:
        """Write embeddings (n, 256, 64, 64) of images with these hashes; they are on the disk when it returns.

        Raises:
            DataError: an embedding is not finite in float16, or of another shape.
            OutputError: the disk is full.
        """
        if embeddings.shape != (len(keys), *SHAPE):
            raise DataError(f"the teacher's embeddings are {embeddings.shape[1:]}, not {SHAPE}: take another teacher")
        if not np.isfinite(embeddings).all():
            raise DataError("an embedding is not finite in float16: take another teacher, or look at its weights")
        if len(self._keys) >= self._per_file:
            self._number, self._keys = self._number + 1, []
        try:
            _write_at(self._file(".f16"), len(self._keys) * BYTES, np.ascontiguousarray(embeddings, "<f2").data)
            lines = "".join(f"{key}\n" for key in keys).encode()
            _write_at(self._file(".txt"), sum(len(key) + 1 for key in self._keys), lines)
        except OSError as error:
            raise OutputError(f"{self._file('.f16')} cannot be written: {error.strerror or error}") from error
        self._keys += keys
        self.done.update(keys)

    def _own(self) -> list[Path]:
        return sorted(self._folder.glob(f"embeddings-{self._rank:02d}???.txt"))

    def _file(self, suffix: str) -> Path:
        return self._folder / f"embeddings-{self._rank:02d}{self._number:03d}{suffix}"


def stored_keys(folder: Path, about: dict[str, Any]) -> set[str]:
    """Return the keys of the embeddings in a folder, none where it is absent.

    Raises:
        DataError: the folder holds others than those `about` describes, as far as both say.
    """
    there = _read_about(folder) or {}
    if any(there.get(name, value) != value for name, value in about.items()):
        raise DataError(
            f"{folder} holds embeddings of {json.dumps(there)}, not of {json.dumps(about)}: give another folder"
        )
    return {key for file in _listings(folder) for key in _keys(file)}


def _write_at(path: Path, offset: int, content: bytes | memoryview) -> None:
    """Write at an offset on to the disk; what lay behind it is gone."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


class EmbeddingCache:
    """The embeddings in a folder, read where they lie.

    Raises:
        DataError: the folder holds none.
    """

    def __init__(self, folder: Path) -> None:
        about = _read_about(folder)
        if about is None:
            raise DataError(f"{folder} holds no embeddings: there is no {ABOUT}. Make them by `train embed`")
        self.about = about
        self._folder = folder
        self._files = [file.with_suffix(".f16") for file in _listings(folder)]
        self._places = {
            key: (number, position)
            for number, file in enumerate(self._files)
            for position, key in enumerate(_keys(file.with_suffix(".txt")))
        }

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def batch(self, keys: Sequence[str]) -> Tensor:
        """Return the embeddings (n, 256, 64, 64), float16, of images with these hashes.

        Raises:
            DataError: one is not there, or its file is damaged.
        """
        out = np.empty((len(keys), *SHAPE), "<f2")
        for row, key in enumerate(keys):
            if key not in self._places:
                raise DataError(f"{self._folder} has no embedding of the image {key}: run `train embed` on this corpus")
            number, position = self._places[key]
            try:
                with self._files[number].open("rb") as file:
                    file.seek(position * BYTES)
                    got = file.readinto(out[row].reshape(-1).view(np.uint8))
            except OSError as error:
                raise DataError(f"{self._files[number]} cannot be read: {error.strerror or error}") from error
            if got != BYTES:
                raise DataError(f"{self._files[number]} is shorter than its listing says: delete both, embed again")
        return torch.from_numpy(out)


def _read_about(folder: Path) -> dict[str, Any] | None:
    file = folder / ABOUT
    if not file.is_file():
        return None
    try:
        about: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}. Delete the folder and embed again") from error
    return about


def _listings(folder: Path) -> list[Path]:
    return sorted(folder.glob("embeddings-*.txt"))


def _keys(listing: Path) -> list[str]:
    """The whole lines of a listing whose embeddings are there; one without its end was being written."""
    data = listing.with_suffix(".f16")
    if not listing.is_file() or not data.is_file():
        return []
    return listing.read_text("ascii").split("\n")[:-1][: data.stat().st_size // BYTES]
