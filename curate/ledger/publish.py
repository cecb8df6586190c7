"""The corpus kept whole: tables made from fragments, and cases taken back that are unfinished or have to go."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from catalog.stores.base import Finalised
from catalog.stores.registry import store_records
from catalog.tables import CATALOG_FILE, write_catalog
from curate.ledger import fragments as state


def finish(out: Path) -> None:
    """Make the corpus's tables from the fragments of all finished cases, and bring the stores' files to their end."""
    finalised = {dataset: _finalise(out, dataset) for dataset in state.datasets(out)}
    write_catalog(out, _fragments(out, finalised))
    for stores in finalised.values():
        for one in stores:
            one.sweep()


def remove_cases(out: Path, dataset: str, keys: Sequence[str]) -> None:
    """Take finished cases out of the corpus: they become unfinished ones, which are taken back."""
    for key in keys:
        fragment = state.fragment_path(out, dataset, key)
        images = state.read_fragment(fragment)["image"].unique().to_pylist()
        tokens = {path.rpartition("/")[2].partition("--")[0] for path in images if path}
        state.open_path(out, dataset, key).write_text("\n".join(sorted(tokens)))
        fragment.unlink()
    take_back_unfinished(out, dataset)


def take_back_unfinished(out: Path, dataset: str) -> None:
    """Remove unfinished cases, those that a killed run left included: first from the tables, then from the disk."""
    folder = state.dataset_folder(out, dataset)
    begun = list(folder.glob("*.open"))
    unfinished: set[tuple[str, str]] = set()
    for path in begun:
        if not path.with_suffix(".arrow").exists():
            unfinished |= {(token, path.stem.split("--", 1)[1]) for token in path.read_text().split()}
    finished = {path.stem for path in folder.glob("*.arrow")}
    if begun and (out / CATALOG_FILE).exists():
        finish(out)
    for record in store_records():
        record.load().discard(state.dataset_folders(out, dataset), finished, unfinished)
    for path in (*folder.glob("*.part"), *begun):
        path.unlink()


def _finalise(out: Path, dataset: str) -> list[Finalised]:
    """Let every store finalise a data set."""
    keys = [key for key, _ in state.fragments(out, dataset)]
    folders = state.dataset_folders(out, dataset)
    return [record.load().finalise(folders, keys) for record in store_records()]


def _fragments(out: Path, finalised: dict[str, list[Finalised]]) -> Iterator[pa.Table]:
    """Yield the rows of each case of the corpus, those of its sequences together, in the catalog's order."""
    for dataset, stores in finalised.items():
        for _, group in groupby(state.fragments(out, dataset), key=lambda item: item[0].split("--", 1)[1]):
            tables = []
            for key, path in group:
                table = state.read_fragment(path)
                for one in stores:
                    table = one.relocate(key, table)
                tables.append(table)
            yield pa.concat_tables(tables)
