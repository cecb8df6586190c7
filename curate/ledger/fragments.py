"""What is done: one fragment a case under `.state`, which is its marker and holds its rows.

A fragment is written beside its place and renamed into it once everything it speaks of is on disk: it is there whole or
not at all. A `.open` file stands while a case is being written, so that what a killed run left can be taken back.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from catalog.atomic import replacing
from catalog.stores.base import DatasetFolders
from curate.ledger.rows import FRAGMENT_SCHEMA

FOLDER = ".state"
_MARKER_KEY = b"medcorpus.marker"


@dataclass(frozen=True)
class Marker:
    """What a fragment says of its case.

    `fingerprint` is of everything the rows depend on: inputs, recipe, options. `failed` cases are tried again. Counts
    are of images and masks kept.
    """

    fingerprint: str
    source: str
    case: str
    failed: bool
    images: int
    masks: int
    seconds: float
    resampled: bool


def dataset_folder(out: Path, dataset: str) -> Path:
    """Return the folder of a data set's state."""
    return out / FOLDER / dataset


def fragment_path(out: Path, dataset: str, key: str) -> Path:
    """Return where the case `key` has its fragment."""
    return dataset_folder(out, dataset) / f"{key}.arrow"


def dataset_folders(out: Path, dataset: str) -> DatasetFolders:
    """Return where the stores keep a data set."""
    return DatasetFolders(out, dataset, dataset_folder(out, dataset))


def open_path(out: Path, dataset: str, key: str) -> Path:
    """Return the file that stands while the case `key` is being written."""
    return dataset_folder(out, dataset) / f"{key}.open"


def write_fragment(path: Path, table: pa.Table, marker: Marker) -> None:
    """Write the rows and marker of a case, whole or not at all."""
    schema = FRAGMENT_SCHEMA.with_metadata({_MARKER_KEY: json.dumps(asdict(marker)).encode()})
    options = pa.ipc.IpcWriteOptions(compression="lz4")  # ten times faster than zstd for a few rows
    with replacing(path) as partial, pa.ipc.new_file(str(partial), schema, options=options) as writer:
        writer.write_table(table.replace_schema_metadata(schema.metadata))


def read_marker(path: Path) -> Marker | None:
    """Return a fragment's marker; None where there is no fragment, or one of another version."""
    try:
        with pa.memory_map(str(path)) as file:
            metadata = pa.ipc.open_file(file).schema.metadata
        return Marker(**json.loads(metadata[_MARKER_KEY]))
    except (FileNotFoundError, pa.ArrowInvalid, KeyError, TypeError):
        return None


def read_fragment(path: Path) -> pa.Table:
    """Return the rows of a case."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def fragments(out: Path, dataset: str) -> Iterator[tuple[str, Path]]:
    """Yield key and path of each finished case of a data set, in the catalog's order of cases."""
    paths = dataset_folder(out, dataset).glob("*.arrow")
    for path in sorted(paths, key=lambda path: path.stem.split("--", 1)[::-1]):
        yield path.stem, path


def datasets(out: Path) -> list[str]:
    """Return the data sets that have state, sorted."""
    folder = out / FOLDER
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
