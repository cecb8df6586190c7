"""The index of a folder: the header of every file, read once and kept in a Parquet file in the user's cache folder.

The kept file holds patient ids, study and series UIDs, which a corpus must not: it is in the cache folder of the user,
readable by that user alone, never in a corpus. A file is read again when its size or modification time has changed.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.dicom.frames import Frame
from curate.dicom.instance import Instance, Kind, read_instance
from curate.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = "1"
"""Changes when a header is read in another way: kept files of another version are read anew."""

_THREADS = 8
_ARROW: dict[Any, str] = {
    str: "string", Kind: "string", int: "int64", int | None: "int64", float | None: "float64", bool: "bool_",
    tuple[Frame, ...]: "string",
}  # fmt: skip
_LISTS = frozenset(one.name for one in fields(Instance) if one.type == tuple[str, ...])


@dataclass(frozen=True)
class Index:
    """The files of a folder, sorted by path.

    `closed` counts the folders that could not be listed, `read` the files whose header was read now, the others being
    known from before.
    """

    root: Path
    instances: tuple[Instance, ...]
    closed: int = 0
    read: int = 0

    def of_kind(self, kind: Kind) -> list[Instance]:
        """Return the files of a kind."""
        return [instance for instance in self.instances if instance.kind == kind]


def user_cache() -> Path:
    """Return the folder for what can be made again: $XDG_CACHE_HOME/medcorpus, else ~/.cache/medcorpus."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "medcorpus"


def read_index(
    root: Path,
    fresh: bool = False,
    begin: Callable[[int], None] = lambda files: None,
    advance: Callable[[], None] = lambda: None,
) -> Index:
    """Return the index of a folder, of any nesting and any names, from the kept one as far as that holds.

    `fresh` reads every header again. `begin` receives the number of headers to read, `advance` is called after each.
    Raises SourceError where the folder does not exist.
    """
    if not root.is_dir():
        raise SourceError(f"{root} is not a folder; give the folder that holds the DICOM files")
    kept_in = kept_file(root)
    known = {} if fresh else _kept(kept_in)
    closed: list[str] = []
    found = sorted(_files(root, closed))
    instances: dict[str, Instance] = {}
    changed = []
    for path, size, mtime in found:
        before = known.get(path)
        if before is not None and (before.size, before.mtime) == (size, mtime):
            instances[path] = before
        else:
            changed.append((path, size, mtime))
    begin(len(changed))
    with ThreadPoolExecutor(_THREADS) as pool:  # opening a file on a network disk waits; parsing it takes 0.1 ms
        for instance in pool.map(lambda entry: read_instance(root, *entry), changed):
            instances[instance.path] = instance
            advance()
    index = Index(root, tuple(instances[path] for path, _, _ in found), len(closed), len(changed))
    if changed or len(known) != len(found):
        _keep(kept_in, index)
    return index


def kept_file(root: Path) -> Path:
    """Return the Parquet file that keeps the index of a folder."""
    key = hashlib.sha256(f"{VERSION}\0{root.resolve()}".encode()).hexdigest()[:32]
    return user_cache() / "dicom" / f"{key}.parquet"


def _files(root: Path, closed: list[str]) -> Iterator[tuple[str, int, int]]:
    """Yield path, size and modification time of every file below; links are followed, but never in a circle."""
    top = root.stat()
    waiting, seen = [""], {(top.st_dev, top.st_ino)}
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    facts = _stat(entry)
                    if facts is None:
                        continue
                    if stat.S_ISREG(facts.st_mode):
                        yield folder + entry.name, facts.st_size, facts.st_mtime_ns
                    elif stat.S_ISDIR(facts.st_mode) and (facts.st_dev, facts.st_ino) not in seen:
                        seen.add((facts.st_dev, facts.st_ino))
                        waiting.append(f"{folder}{entry.name}/")
        except OSError:
            closed.append(folder)


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:  # a link to nowhere
        return None


def _kept(path: Path) -> dict[str, Instance]:
    """Return the kept instances by path; none where the file is missing or of another version."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, memory_map=False)
        if not table.schema.equals(_schema()):
            return {}
        return {row["path"]: _instance(row) for row in table.to_pylist()}
    except (OSError, pa.ArrowException, ValueError, TypeError, KeyError):
        return {}


def _instance(row: dict[str, Any]) -> Instance:
    row["kind"] = Kind(row["kind"])
    row["frames"] = tuple(_frame(values) for values in json.loads(row["frames"]))
    for name in _LISTS:
        row[name] = tuple(row[name])
    return Instance(**row)


def _frame(values: list[Any]) -> Frame:
    parts: list[Any] = [tuple(value) if isinstance(value, list) else value for value in values]
    return Frame(*parts)


def _schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema(
        [
            (one.name, pa.list_(pa.string()) if one.name in _LISTS else getattr(pa, _ARROW[one.type])())
            for one in fields(Instance)
        ]
    )


def _keep(path: Path, index: Index) -> None:
    """Write the index; a folder that cannot be written costs the next run a second reading, nothing else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema()
    columns: dict[str, list[Any]] = {
        name: [getattr(instance, name) for instance in index.instances] for name in schema.names
    }
    columns["frames"] = [json.dumps(frames, allow_nan=False, separators=(",", ":")) for frames in columns["frames"]]
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            pq.write_table(pa.Table.from_pydict(columns, schema), file, compression="zstd")
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
