"""The corpus kept whole: tables made from fragments, and cases taken back that are unfinished or have to go."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from catalog.stores.shards import Pack, Placed, pack, place_rows, sweep
from catalog.tables import CATALOG_FILE, write_catalog
from curate.ledger import fragments as state


def finish(out: Path) -> None:
    """Make the corpus's tables from the fragments of all finished cases, and pack shards."""
    packs = {dataset: _packed(out, dataset) for dataset in state.datasets(out)}
    write_catalog(out, _fragments(out, packs))
    for dataset, packed in packs.items():
        sweep(out, dataset, packed)


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
    for piece in folder.glob("*.parquet"):
        if not piece.with_suffix(".arrow").exists():
            piece.unlink()
    if begun and (out / CATALOG_FILE).exists():
        finish(out)
    if unfinished:
        for kind in ("images", "masks"):
            for path in (out / kind / dataset).glob("*"):
                token, _, case, *_ = [*path.name.split("--"), "", ""]
                if (token, case) in unfinished:
                    path.unlink()
    for path in (*folder.glob("*.part"), *begun):
        path.unlink()


def _packed(out: Path, dataset: str) -> Pack:
    """Pack the pieces of a data set; where each of its cases lies is kept beside them."""
    path = state.dataset_folder(out, dataset) / "shards.json"
    packed = {key: Placed(*place) for key, place in state.read_json(path, {}).items()}
    pieces = {key: state.piece_path(out, dataset, key) for key, _ in state.fragments(out, dataset)}
    if not packed and not any(piece.exists() for piece in pieces.values()):
        return {}
    return pack(out, dataset, pieces, packed, lambda pack: state.write_json(path, pack))


def _fragments(out: Path, packs: dict[str, Pack]) -> Iterator[pa.Table]:
    """Yield the rows of each case of the corpus, those of its sequences together, in the catalog's order."""
    for dataset, packed in packs.items():
        for _, group in groupby(state.fragments(out, dataset), key=lambda item: item[0].split("--", 1)[1]):
            tables = []
            for key, path in group:
                table = state.read_fragment(path)
                tables.append(place_rows(table, packed[key]) if key in packed else table)
            yield pa.concat_tables(tables)
