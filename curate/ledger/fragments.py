"""The fragment of a finished case: one Arrow file under `.state` that holds its rows and its result.

A fragment appears by a rename, once everything it refers to is written. A `.open` file exists while a case is being
written, so that what a killed run left can be removed.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from catalog.atomic import replacing
from catalog.stores.base import DatasetFolders
from curate.ledger.case_key import CaseKey
from curate.ledger.case_result import CaseResult
from curate.ledger.rows import FRAGMENT_SCHEMA

FOLDER = ".state"
_RESULT_KEY = b"medcorpus.marker"


def dataset_folder(out: Path, dataset: str) -> Path:
    """Return the folder of a data set's state."""
    return out / FOLDER / dataset


def fragment_path(out: Path, dataset: str, key: CaseKey) -> Path:
    """Return where the case `key` has its fragment."""
    return dataset_folder(out, dataset) / f"{key}.arrow"


def dataset_folders(out: Path, dataset: str) -> DatasetFolders:
    """Return where the stores keep a data set."""
    return DatasetFolders(out, dataset, dataset_folder(out, dataset))


def open_path(out: Path, dataset: str, key: CaseKey) -> Path:
    """Return the file that stands while the case `key` is being written."""
    return dataset_folder(out, dataset) / f"{key}.open"


def write_fragment(path: Path, table: pa.Table, result: CaseResult) -> None:
    """Write the rows and the result of a case, whole or not at all."""
    schema = FRAGMENT_SCHEMA.with_metadata({_RESULT_KEY: result.to_json().encode()})
    options = pa.ipc.IpcWriteOptions(compression="lz4")  # ten times faster than zstd for a few rows
    with replacing(path) as partial, pa.ipc.new_file(str(partial), schema, options=options) as writer:
        writer.write_table(table.replace_schema_metadata(schema.metadata))


def read_result(path: Path) -> CaseResult | None:
    """Return a fragment's result; None where there is no fragment, or an unreadable one."""
    try:
        with pa.memory_map(str(path)) as file:
            metadata = pa.ipc.open_file(file).schema.metadata or {}
        return CaseResult.from_json(metadata[_RESULT_KEY], CaseKey.parse(path.stem), path.parent.name)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None


def read_fragment(path: Path) -> pa.Table:
    """Return the rows of a case; raises OSError or ArrowException where the file is damaged."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def fragments(out: Path, dataset: str) -> Iterator[tuple[CaseKey, Path]]:
    """Yield key and path of each finished case of a data set, in the catalog's order of cases."""
    paths = dataset_folder(out, dataset).glob("*.arrow")
    for path in sorted(paths, key=lambda path: CaseKey.parse(path.stem)[::-1]):
        yield CaseKey.parse(path.stem), path


def datasets(out: Path) -> list[str]:
    """Return the data sets that have state, sorted."""
    folder = out / FOLDER
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
