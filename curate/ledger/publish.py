"""The corpus as a whole: tables made from fragments, and unfinished or superseded cases removed."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from catalog.stores.base import Finalised
from catalog.stores.registry import store_records
from catalog.tables import CATALOG_FILE, write_catalog
from curate.ledger.case_key import CaseKey
from curate.ledger.fragments import (
    dataset_folder,
    dataset_folders,
    datasets,
    fragment_path,
    fragments,
    open_path,
    read_fragment,
    read_result,
)


def publish(out: Path) -> None:
    """Make the corpus's tables from the fragments of all finished cases, and finalise the stores' files."""
    finalised = {dataset: _finalise(out, dataset) for dataset in datasets(out)}
    write_catalog(out, _tables(out, finalised))
    for stores in finalised.values():
        for store in stores:
            store.sweep()


def remove_cases(out: Path, dataset: str, keys: Sequence[CaseKey]) -> None:
    """Take finished cases out of the corpus: they become unfinished ones, which are removed."""
    for key in keys:
        fragment = fragment_path(out, dataset, key)
        open_path(out, dataset, key).write_text("\n".join(_tokens(fragment, key)))
        fragment.unlink()
    remove_unfinished(out, dataset)


def _tokens(fragment: Path, key: CaseKey) -> list[str]:
    """Return the modality tokens of a case's images; those of a damaged fragment by its key."""
    try:
        images = read_fragment(fragment)["image"].unique().to_pylist()
    except (OSError, pa.ArrowException):
        return [key.token]
    return sorted({path.rpartition("/")[2].partition("--")[0] for path in images if path})


def remove_unfinished(out: Path, dataset: str) -> None:
    """Remove unfinished cases, those a killed run left included: first from the tables, then from the disk."""
    folder = dataset_folder(out, dataset)
    damaged = [path for _, path in fragments(out, dataset) if read_result(path) is None]
    for path in damaged:
        open_path(out, dataset, CaseKey.parse(path.stem)).write_text(CaseKey.parse(path.stem).token)
        path.unlink()
    begun = list(folder.glob("*.open"))
    unfinished: set[tuple[str, str]] = set()
    for path in begun:
        if not path.with_suffix(".arrow").exists():
            tokens = path.read_text(errors="replace").split() or [CaseKey.parse(path.stem).token]
            unfinished |= {(token, CaseKey.parse(path.stem).case) for token in tokens}
    finished = {path.stem for path in folder.glob("*.arrow")}
    if begun and (out / CATALOG_FILE).exists():
        publish(out)
    for record in store_records():
        record.load().discard(dataset_folders(out, dataset), finished, unfinished)
    for path in (*folder.glob("*.part"), *begun):
        path.unlink()


def _finalise(out: Path, dataset: str) -> list[Finalised]:
    """Let every store finalise a data set."""
    keys = [str(key) for key, _ in fragments(out, dataset)]
    return [record.load().finalise(dataset_folders(out, dataset), keys) for record in store_records()]


def _tables(out: Path, finalised: dict[str, list[Finalised]]) -> Iterator[pa.Table]:
    """Yield the rows of each case of the corpus, those of its sequences together, in the catalog's order."""
    for dataset, stores in finalised.items():
        for _, group in groupby(fragments(out, dataset), key=lambda item: item[0].case):
            tables = []
            for key, path in group:
                table = read_fragment(path)
                for store in stores:
                    table = store.relocate(str(key), table)
                tables.append(table)
            yield pa.concat_tables(tables)
