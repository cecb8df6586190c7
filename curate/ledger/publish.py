"""The corpus as a whole: tables made from fragments, and unfinished or superseded cases removed."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from catalog.stores.shards import Pack, Placed, pack, place_rows, sweep
from catalog.tables import CATALOG_FILE, write_catalog
from curate.ledger.case_key import CaseKey
from curate.ledger.fragments import (
    dataset_folder,
    datasets,
    fragment_path,
    fragments,
    open_path,
    piece_path,
    read_fragment,
    read_json,
    read_result,
    write_json,
)


def publish(out: Path) -> None:
    """Make the corpus's tables from the fragments of all finished cases, and pack shards."""
    packs = {dataset: _packed(out, dataset) for dataset in datasets(out)}
    write_catalog(out, _tables(out, packs))
    for dataset, packed in packs.items():
        sweep(out, dataset, packed)


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
    for piece in folder.glob("*.parquet"):
        if not piece.with_suffix(".arrow").exists():
            piece.unlink()
    if begun and (out / CATALOG_FILE).exists():
        publish(out)
    if unfinished:
        for kind in ("images", "masks"):
            for path in (out / kind / dataset).glob("*"):
                token, _, case, *_ = [*path.name.split("--"), "", ""]
                if (token, case) in unfinished:
                    path.unlink()
    for path in (*folder.glob("*.part"), *begun):
        path.unlink()


def _packed(out: Path, dataset: str) -> Pack:
    """Pack the pieces of a data set; the place of each of its cases is kept in its state folder."""
    path = dataset_folder(out, dataset) / "shards.json"
    packed = {key: Placed(*place) for key, place in read_json(path, {}).items()}
    pieces = {str(key): piece_path(out, dataset, key) for key, _ in fragments(out, dataset)}
    if not packed and not any(piece.exists() for piece in pieces.values()):
        return {}
    return pack(out, dataset, pieces, packed, lambda pack: write_json(path, pack))


def _tables(out: Path, packs: dict[str, Pack]) -> Iterator[pa.Table]:
    """Yield the rows of each case of the corpus, those of its sequences together, in the catalog's order."""
    for dataset, packed in packs.items():
        for _, group in groupby(fragments(out, dataset), key=lambda item: item[0].case):
            tables = []
            for key, path in group:
                table = read_fragment(path)
                tables.append(place_rows(table, packed[str(key)]) if str(key) in packed else table)
            yield pa.concat_tables(tables)
