"""A new store is one module and one registry entry: here one is added, and a case is curated with it."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.corpus import Corpus
from catalog.errors import CatalogError
from catalog.pixels import PixelReader, Pixels
from catalog.stores.base import CaseWriter, DatasetFolders, Finalised, PixelSource, Place, Store
from catalog.stores.npz import NpzStore
from catalog.stores.png import PngStore
from catalog.stores.reading import check_position, locate, unreadable
from catalog.stores.registry import (
    StoreRecord,
    find_store,
    register,
    store_names,
    store_of_path,
    store_records,
    unregister,
)
from catalog.stores.shards import ShardStore
from curate.run.plan import Options
from curate.run.run import run
from tests.curate.corpora import make_case, make_source, recipe, rows

# ---- the store: NumPy .npy files, one an image and one for all its masks ----


class NpyStore:
    """`arrays/<dataset>/<image>.npy` and `<image>--masks.npy`."""

    def open_case(self, folders: DatasetFolders, key: str) -> CaseWriter:
        return NpyWriter(folders.root, f"arrays/{folders.dataset}")

    def open_source(self, root: Path, cached: int) -> PixelSource:
        return NpySource(root)

    def finalise(self, folders: DatasetFolders, keys: Sequence[str]) -> Finalised:
        return Finalised()

    def current(self, folders: DatasetFolders, keys: Sequence[str]) -> Finalised:
        return Finalised()

    def discard(self, folders: DatasetFolders, finished: Collection[str], unfinished: set[tuple[str, str]]) -> None:
        for path in (folders.root / "arrays" / folders.dataset).glob("*.npy"):
            token, _, case, *_ = path.name.split("--")
            if (token, case) in unfinished:
                path.unlink()


class NpyWriter:
    def __init__(self, root: Path, folder: str) -> None:
        self._root, self._folder = root, folder
        (root / folder).mkdir(parents=True, exist_ok=True)
        self._name, self._masks = "", list[Pixels]()
        self._written: list[Path] = []

    def image(self, name: str, pixels: Pixels) -> Place:
        self.close()
        self._name, self._masks = name, []
        return Place(self._save(name, pixels), None)

    def mask(self, name: str, bits: Pixels, width: int, rows: tuple[int, int] | None = None) -> Place:
        self._masks.append(np.unpackbits(bits, axis=-1, count=width))
        return Place(f"{self._folder}/{self._name}--masks.npy", len(self._masks) - 1)

    def close(self) -> None:
        if self._masks:
            self._save(f"{self._name}--masks", np.stack(self._masks))

    def abort(self) -> None:
        for path in self._written:
            path.unlink()

    def _save(self, name: str, array: Pixels) -> str:
        path = f"{self._folder}/{name}.npy"
        np.save(self._root / path, array)
        self._written.append(self._root / path)
        return path


class NpySource:
    def __init__(self, root: Path) -> None:
        self._root = root

    def image(self, path: str, image_index: int | None) -> Pixels:
        return self._load(path)

    def mask(self, path: str, mask_index: int | None, image_index: int | None) -> Pixels:
        masks = self._load(path)
        return masks[check_position(mask_index, len(masks), path)] * 255

    def _load(self, path: str) -> Any:
        try:
            return np.load(locate(self._root, path))
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from error


@pytest.fixture
def npy() -> Iterator[StoreRecord]:
    record = StoreRecord("npy", ".npy", "NumPy files", NpyStore)
    register(record)
    yield record
    unregister("npy")


# ---- the registry ----


def test_names_and_suffixes() -> None:
    assert store_names() == ("png", "npz", "shards")
    assert [type(record.load()) for record in store_records()] == [PngStore, NpzStore, ShardStore]
    stores: list[Store] = [find_store(name) for name in store_names()]  # mypy holds them to the Protocol
    assert [type(store) for store in stores] == [PngStore, NpzStore, ShardStore]
    assert store_of_path("shards/A/00000.parquet").name == "shards"
    with pytest.raises(CatalogError, match=r"no store has files of this kind.*\.png \(png\), \.npz \(npz\)"):
        store_of_path("images/a.tiff")
    with pytest.raises(CatalogError, match="no store has files of this kind"):
        PixelReader(Path()).image("images/a.npy")


@pytest.mark.parametrize(("name", "suffix"), [("png", ".x"), ("x", ".png")])
def test_a_name_or_suffix_is_taken_once(name: str, suffix: str) -> None:
    with pytest.raises(ValueError, match="clashes with 'png'"):
        register(StoreRecord(name, suffix, "", NpyStore))


# ---- a corpus in the new store ----


def pixels(out: Path) -> list[tuple[str, bytes, bytes]]:
    reader = PixelReader(out)
    return [
        (
            str(row["mask_hash"]),
            reader.image(row["image"], row["image_index"]).tobytes(),
            reader.mask(row["mask"], row["mask_index"], row["image_index"]).tobytes(),
        )
        for batch in Corpus.open(out).batches(["image", "image_index", "mask", "mask_index", "mask_hash"])
        for row in batch.to_pylist()
    ]


def test_a_case_is_curated_with_a_store_of_one_class_and_one_entry(npy: StoreRecord, tmp_path: Path) -> None:
    source = make_source(tmp_path / "source", 2)
    for store in ("png", "npy"):
        summary = run(recipe(), source, tmp_path / store, Options(store=store, memory=2 << 30))
        assert not summary.failed
    assert pixels(tmp_path / "npy") == pixels(tmp_path / "png")
    assert all(str(row["image"]).startswith("arrays/Blobs/") for row in rows(tmp_path / "npy"))
    assert not (tmp_path / "npy" / "images").exists()


def test_a_changed_case_leaves_no_file_of_before(npy: StoreRecord, tmp_path: Path) -> None:
    source, out = make_source(tmp_path / "source", 1), tmp_path / "out"
    run(recipe(), source, out, Options(store="npy", memory=2 << 30))
    make_case(source / "case_0", seed=5, shape=(18, 24, 20))
    run(recipe(), source, out, Options(store="npy", memory=2 << 30))
    named = {str(row[column]) for row in rows(out) for column in ("image", "mask")}
    assert named == {path.relative_to(out).as_posix() for path in (out / "arrays").rglob("*.npy")}
    run(recipe(), source, out, Options(store="shards", memory=2 << 30))
    assert list((out / "arrays").rglob("*.npy")) == []
    assert len(pixels(out)) == len(rows(out))
