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
    read_fragment,
    read_result,
)


def publish(out: Path, final: bool = True) -> list[str]:
    """Make the corpus's tables from the fragments of all finished cases; return a sentence for each damaged one.

    With `final` the stores finalise their files. Without it nothing but the tables is written, from the cases that have
    a place already: a run that removes cases must not pack shards that an undisturbed run would not.
    """
    damaged: list[tuple[str, CaseKey]] = []
    finalised = {dataset: _finalised(out, dataset, final) for dataset in datasets(out)}
    write_catalog(out, _tables(out, finalised, damaged))
    for dataset, key in damaged:
        _mark_unfinished(fragment_path(out, dataset, key), key)
    for stores in finalised.values():
        for store in stores:
            store.sweep()
    return [f"the record of {key.case} ({dataset}) is damaged: run its recipe again" for dataset, key in damaged]


def remove_cases(out: Path, dataset: str, keys: Sequence[CaseKey]) -> None:
    """Take finished cases out of the corpus: they become unfinished ones, which are removed."""
    for key in keys:
        _mark_unfinished(fragment_path(out, dataset, key), key)
    remove_unfinished(out, dataset)


def _mark_unfinished(fragment: Path, key: CaseKey) -> None:
    """Turn a finished case into an unfinished one."""
    fragment.with_suffix(".open").write_text("\n".join(_tokens(fragment, key)))
    fragment.unlink()


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
    for key, path in list(fragments(out, dataset)):
        if read_result(path) is None:
            _mark_unfinished(path, key)
    begun = list(folder.glob("*.open"))
    unfinished: set[tuple[str, str]] = set()
    for path in begun:
        if not path.with_suffix(".arrow").exists():
            tokens = path.read_text(errors="replace").split() or [CaseKey.parse(path.stem).token]
            unfinished |= {(token, CaseKey.parse(path.stem).case) for token in tokens}
    finished = {path.stem for path in folder.glob("*.arrow")}
    if begun and (out / CATALOG_FILE).exists():
        publish(out, final=False)
    for record in store_records():
        record.load().discard(dataset_folders(out, dataset), finished, unfinished)
    for path in (*folder.glob("*.part"), *begun):
        path.unlink()


def _finalised(out: Path, dataset: str, final: bool) -> list[Finalised]:
    """Return what every store says of a data set, after it finalised its files or as it is."""
    keys = [str(key) for key, _ in fragments(out, dataset)]
    folders = dataset_folders(out, dataset)
    stores = [record.load() for record in store_records()]
    return [store.finalise(folders, keys) if final else store.current(folders, keys) for store in stores]


def _tables(out: Path, finalised: dict[str, list[Finalised]], damaged: list[tuple[str, CaseKey]]) -> Iterator[pa.Table]:
    """Yield the rows of each case of the corpus, those of its sequences together, in the catalog's order.

    Fragments that cannot be read are left out and added to `damaged`.
    """
    for dataset, stores in finalised.items():
        for _, group in groupby(fragments(out, dataset), key=lambda item: item[0].case):
            tables = []
            for key, path in group:
                try:
                    rows: pa.Table | None = read_fragment(path)
                except (OSError, pa.ArrowException):
                    damaged.append((dataset, key))
                    continue
                for store in stores:
                    rows = None if rows is None else store.relocate(str(key), rows)
                if rows is not None:
                    tables.append(rows)
            if tables:
                yield pa.concat_tables(tables)
