"""Shards: pieces are packed in order, and a run killed anywhere goes on to the shards of an undisturbed one."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.errors import CatalogError, OutputError
from catalog.stores import packing, shards
from catalog.stores.base import DatasetFolders, Place
from catalog.stores.packing import SHARD_SCHEMA, PackRecord, ShardRange, pack, relocate, sweep
from catalog.stores.shards import ShardStore, ShardWriter
from curate.ledger.rows import FRAGMENT_SCHEMA

FULL = 6000
"""SHARD_BYTES here: two to three cases a shard."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "SHARD_BYTES", FULL)
    monkeypatch.setattr(shards, "GROUP_BYTES", 700)


# ---- a corpus of one data set ----


@dataclass
class Corpus:
    """What a run keeps on disk: pieces, what is packed where, and shards; `live` are the cases with a fragment."""

    root: Path
    live: dict[str, int] = field(default_factory=dict)

    @property
    def packed_file(self) -> Path:
        return self.root / "shards.json"

    def piece(self, key: str) -> Path:
        return self.root / "state" / f"{key}.parquet"

    def curate(self, key: str, seed: int, images: int = 3) -> None:
        """Do a case (again): its piece appears."""
        self.live[key] = seed
        store = ShardWriter(self.piece(key))
        for name, pixels, masks in content(key, seed, images):
            store.image(name, pixels)
            for number, mask in enumerate(masks):
                store.mask(f"{name}--0001_{number:03d}", np.packbits(mask, axis=-1), mask.shape[1])
        store.close()

    def remove(self, key: str) -> None:
        del self.live[key]
        self.piece(key).unlink(missing_ok=True)

    def pack(self) -> PackRecord:
        pieces = {key: self.piece(key) for key in sorted(self.live)}
        return pack(self.root, "Blobs", pieces, self.packed_file)

    def finish(self) -> dict[str, ShardRange]:
        packed = self.pack()
        sweep(self.root, "Blobs", packed)
        return packed.cases

    def shards(self) -> dict[str, bytes]:
        folder = self.root / "shards" / "Blobs"
        return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))} if folder.exists() else {}

    def copy(self, root: Path) -> "Corpus":
        shutil.copytree(self.root, root)
        return Corpus(root, dict(self.live))

    def check(self, packed: dict[str, ShardRange], images: int = 3) -> None:
        """Every case lies where `packed` says, pixel for pixel, in order; nothing else is on disk."""
        assert set(packed) == set(self.live)
        assert list((self.root / "state").glob("*")) == []
        seen: dict[str, int] = {}
        for key in sorted(packed, key=lambda key: (packed[key].path, packed[key].first)):
            place = packed[key]
            assert place.first == seen.get(place.path, 0), "no gap, no overlap"
            seen[place.path] = place.first + place.images
            rows = pq.read_table(self.root / place.path).slice(place.first, place.images).to_pylist()
            wanted = content(key, self.live[key], images)
            assert len(rows) == len(wanted)
            for row, (name, pixels, masks) in zip(rows, wanted, strict=True):
                assert row["name"] == name
                assert (decoded(row["image"]) == pixels).all()
                assert row["mask_names"] == [f"{name}--0001_{n:03d}" for n in range(len(masks))]
                for data, mask in zip(row["masks"], masks, strict=True):
                    assert (decoded(data) == mask * 255).all()
        assert sorted(self.shards()) == sorted(Path(path).name for path in seen)
        for path, count in seen.items():
            assert pq.read_metadata(self.root / path).num_rows == count


def content(key: str, seed: int, images: int) -> list[tuple[str, Any, Any]]:
    rng = np.random.default_rng([seed, *key.encode()])
    return [
        (
            f"ct_00--Blobs--{key}--z_{n:04d}",
            rng.integers(0, 256, (20, 23), dtype=np.uint8),
            rng.random((n % 3, 20, 23)) < 0.5,
        )
        for n in range(images)
    ]


def decoded(data: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)


def corpus_of(root: Path, keys: str) -> Corpus:
    corpus = Corpus(root)
    (root / "state").mkdir(parents=True)
    for key in keys:
        corpus.curate(key, 0)
    return corpus


# ---- a piece ----


def test_a_piece_appears_whole_with_places_inside_it(tmp_path: Path) -> None:
    piece = tmp_path / "state" / "a.parquet"
    store = ShardWriter(piece)
    pixels = np.arange(60, dtype=np.uint8).reshape(6, 10)
    bits = np.full((6, 2), 0xC0, np.uint8)
    assert store.image("i0", pixels) == Place("", 0)
    assert store.mask("i0--0001_000", bits, 10) == Place("", 0)
    bits[:] = 0x80
    assert store.mask("i0--0001_001", bits, 10) == Place("", 1)
    assert store.image("i1", np.stack([pixels] * 3, axis=-1)) == Place("", 1)
    assert not piece.exists()
    store.close()
    table = pq.read_table(piece)
    assert table.schema.equals(SHARD_SCHEMA)
    assert table["name"].to_pylist() == ["i0", "i1"]
    assert table["mask_names"].to_pylist() == [["i0--0001_000", "i0--0001_001"], []]
    assert (decoded(table["masks"][0].as_py()[0])[:, :3] == [255, 255, 0]).all()
    assert (decoded(table["masks"][0].as_py()[1])[:, :3] == [255, 0, 0]).all()
    assert list(piece.parent.iterdir()) == [piece]


def test_a_piece_is_written_in_groups_and_lands_in_the_shard_in_them(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    (tmp_path / "state").mkdir()
    corpus.curate("a", 1, images=20)
    assert pq.read_metadata(corpus.piece("a")).num_row_groups > 3
    packed = corpus.finish()
    corpus.check(packed, images=20)
    assert pq.read_metadata(tmp_path / packed["a"].path).num_row_groups > 3


def test_abort_leaves_nothing(tmp_path: Path) -> None:
    store = ShardWriter(tmp_path / "a.parquet")
    store.image("i", np.zeros((4, 4), np.uint8))
    store.abort()
    assert list(tmp_path.iterdir()) == []


def test_a_case_without_images_has_no_piece(tmp_path: Path) -> None:
    ShardWriter(tmp_path / "a.parquet").close()
    assert list(tmp_path.iterdir()) == []


# ---- packing ----


def test_cases_are_packed_in_order_into_full_shards(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "gcabfde")
    packed = corpus.finish()
    corpus.check(packed)
    assert list(packed) == list("abcdefg")
    paths = list(dict.fromkeys(place.path for place in packed.values()))
    assert paths == [f"shards/Blobs/{n:05d}.parquet" for n in range(len(paths))]
    assert len(paths) >= 3
    sizes = [(tmp_path / path).stat().st_size for path in paths]
    assert all(size >= FULL for size in sizes[:-1])
    assert max(sizes) < 2.5 * FULL


def test_packing_again_does_nothing(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "abcdefg")
    packed = corpus.finish()
    before = corpus.shards(), corpus.packed_file.stat().st_mtime_ns
    assert corpus.finish() == packed
    assert (corpus.shards(), corpus.packed_file.stat().st_mtime_ns) == before


def test_nothing_to_pack(tmp_path: Path) -> None:
    record = tmp_path / "shards.json"
    assert pack(tmp_path, "Blobs", {}, record) == PackRecord()
    assert pack(tmp_path, "Blobs", {"a": tmp_path / "a"}, record) == PackRecord()
    assert not record.exists()


def test_growth_packs_only_the_last_shard_anew(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "bcdefgh")
    before = corpus.finish()
    files = corpus.shards()
    for key in "az":
        corpus.curate(key, 0)
    after = corpus.finish()
    corpus.check(after)
    last = before["h"].path
    for key, place in before.items():
        assert (after[key] == place) == (place.path != last)
    names = corpus.shards()
    assert all(names[name] == data for name, data in files.items() if name != Path(last).name)


@pytest.mark.parametrize("gone", ["a", "d", "h", "ab", "abcdefgh"])
def test_a_removed_case_leaves_its_shard(gone: str, tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "abcdefgh")
    before = corpus.finish()
    for key in gone:
        corpus.remove(key)
    after = corpus.finish()
    corpus.check(after)
    touched = {before[key].path for key in gone}
    last = before["h"].path
    assert all(after[key] == before[key] for key in after if before[key].path not in {*touched, last})
    corpus.curate("d", 5)
    corpus.check(corpus.finish())


def test_a_changed_case_is_packed_anew(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "abcdefgh")
    before = corpus.finish()
    corpus.curate("b", 99)
    after = corpus.finish()
    corpus.check(after)
    assert after["b"].path != before["b"].path


def test_numbers_are_not_given_twice(tmp_path: Path) -> None:
    """Else a catalog that a killed run did not renew would speak of other images under an old path."""
    corpus = corpus_of(tmp_path, "abc")
    used = set(corpus.shards())
    for seed in range(1, 4):
        corpus.pack()
        new = set(corpus.shards()) - used
        assert new
        used |= new
        for key in "abc":
            corpus.remove(key)
        corpus.pack()
        for key in "abc":
            corpus.curate(key, seed)
    corpus.check(corpus.finish())


def test_small_shards_do_not_pile_up(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "abcdefgh")
    corpus.finish()
    for round_ in range(6):
        corpus.remove("d")
        corpus.finish()
        corpus.curate("d", round_)
        packed = corpus.finish()
        corpus.check(packed)
        sizes = [len(data) for data in corpus.shards().values()]
        assert sum(size < FULL for size in sizes) <= 1


def test_memory_holds_a_group_not_a_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = Corpus(tmp_path)
    (tmp_path / "state").mkdir()
    for key in "ab":
        corpus.curate(key, 1, images=40)
    largest = 0
    write = pq.ParquetWriter.write_table

    def watched(self: Any, table: pa.Table, *args: Any) -> None:
        nonlocal largest
        largest = max(largest, table.nbytes)
        write(self, table, *args)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", watched)
    corpus.finish()
    assert 700 <= largest < 4 * 700


def test_sweep_leaves_other_data_sets(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "abc")
    other = tmp_path / "shards" / "Other" / "00000.parquet"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"x")
    packed = corpus.pack()
    stray = tmp_path / "shards" / "Blobs" / "00099.parquet.part"
    stray.write_bytes(b"half")
    sweep(tmp_path, "Blobs", packed)
    corpus.check(packed.cases)
    assert other.exists()
    sweep(tmp_path, "Nowhere", PackRecord())


# ---- killed anywhere ----


class Killed(BaseException):
    pass


class Fuse:
    """Lets a number of steps happen (files renamed, removed, row groups written), then kills."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: float = float("inf")
        self.steps = 0
        for owner, name in ((Path, "replace"), (Path, "unlink"), (pq.ParquetWriter, "write_table")):
            monkeypatch.setattr(owner, name, self._watched(getattr(owner, name)))

    def _watched(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            if self.left <= 0:
                raise Killed
            self.left -= 1
            self.steps += 1
            return step(*args, **kwargs)

        return watched


def grown(corpus: Corpus) -> None:
    for key in ("aa", "cc", "i", "j", "k"):
        corpus.curate(key, 0)


def shrunk(corpus: Corpus) -> None:
    for key in "ae":
        corpus.remove(key)


def changed(corpus: Corpus) -> None:
    corpus.curate("a", 7)
    corpus.curate("d", 8, images=3)


def everything(corpus: Corpus) -> None:
    corpus.remove("c")
    corpus.remove("h")
    corpus.curate("b", 7)
    corpus.curate("dd", 0)
    corpus.curate("z", 0)


def emptied(corpus: Corpus) -> None:
    for key in list(corpus.live):
        corpus.remove(key)


def unchanged(corpus: Corpus) -> None:
    pass


CHANGES = [unchanged, grown, shrunk, changed, everything, emptied]


def begin(root: Path, change: Callable[[Corpus], None]) -> Corpus:
    """A corpus that is packed, then changed; `unchanged` has nothing packed yet."""
    corpus = corpus_of(root, "abcdefgh")
    if change is not unchanged:
        corpus.finish()
        change(corpus)
    return corpus


def outcome(corpus: Corpus, packed: dict[str, ShardRange]) -> tuple[dict[str, tuple[str, int, int]], dict[str, bytes]]:
    return {key: place[:3] for key, place in packed.items()}, corpus.shards()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_killed_between_any_two_steps(
    change: Callable[[Corpus], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = begin(tmp_path / "start", change)
    referenced = start.shards()
    calm = start.copy(tmp_path / "calm")
    fuse = Fuse(monkeypatch)
    packed = calm.pack()
    packing = fuse.steps
    sweep(calm.root, "Blobs", packed)
    calm.check(packed.cases)
    wanted, total = outcome(calm, packed.cases), fuse.steps
    for step in range(total):
        corpus = start.copy(tmp_path / str(step))
        fuse.left = step
        with pytest.raises(Killed):
            corpus.finish()
        fuse.left = float("inf")
        packed = corpus.pack()
        now = corpus.shards()
        lost = {name for name in referenced if now.get(name) != referenced[name]}
        assert not lost or step >= packing, "gone before the sweep, while a catalog speaks of it"
        sweep(corpus.root, "Blobs", packed)
        corpus.check(packed.cases)
        assert outcome(corpus, packed.cases) == wanted, step
        again = corpus.finish()
        assert outcome(corpus, again) == wanted, "packed anew without need"
        shutil.rmtree(corpus.root)


@pytest.mark.parametrize("seed", range(12))
def test_killed_again_and_again(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(seed)
    start = begin(tmp_path / "start", dice.choice(CHANGES))
    calm = start.copy(tmp_path / "calm")
    packed = calm.finish()
    wanted = outcome(calm, packed)
    fuse = Fuse(monkeypatch)
    while True:
        fuse.left = dice.randrange(2, 12)
        try:
            packed = start.finish()
            break
        except Killed:
            continue
    start.check(packed)
    assert outcome(start, packed) == wanted


def test_a_failing_save_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = corpus_of(tmp_path, "abcdefgh")
    with monkeypatch.context() as patch:
        patch.setattr(packing, "write_json", lambda path, content: (_ for _ in ()).throw(OutputError("no space left")))
        with pytest.raises(OutputError, match="no space"):
            corpus.finish()
    corpus.check(corpus.finish())


# ---- rows ----


def fragment(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=FRAGMENT_SCHEMA)


def test_rows_find_their_png(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, "abcdefg")
    packed = corpus.finish()
    for key in packed:
        rows = [
            {"image": "", "image_index": n, "mask": "", "mask_index": k, "case": key, "mask_hash": f"{n} {k}"}
            for n, (_, _, masks) in enumerate(content(key, 0, 3))
            for k in range(len(masks))
        ]
        table = relocate(fragment(rows), packed[key])
        assert table.schema.equals(FRAGMENT_SCHEMA)
        for row in table.to_pylist():
            n, k = (int(word) for word in row["mask_hash"].split())
            assert row["image"] == row["mask"] == packed[key].path
            there = pq.read_table(tmp_path / row["image"]).slice(row["image_index"], 1).to_pylist()[0]
            _, pixels, masks = content(key, 0, 3)[n]
            assert (decoded(there["image"]) == pixels).all()
            assert (decoded(there["masks"][row["mask_index"]]) == masks[k] * 255).all()


def test_rows_without_mask_and_drops() -> None:
    table = fragment(
        [
            {"image": "", "image_index": 2, "mask": None, "mask_index": None},
            {"image": None, "image_index": None, "mask": None, "mask_index": None, "reason": "small"},
        ]
    )
    placed = relocate(table, ShardRange("shards/Blobs/00007.parquet", 40, 3, 0))
    assert placed.select(["image", "image_index", "mask", "mask_index"]).to_pylist() == [
        {"image": "shards/Blobs/00007.parquet", "image_index": 42, "mask": None, "mask_index": None},
        {"image": None, "image_index": None, "mask": None, "mask_index": None},
    ]
    assert relocate(fragment([]), ShardRange("p", 1, 0, 0)).num_rows == 0


# ---- the store ----


def test_the_store_packs_relocates_and_sweeps(tmp_path: Path) -> None:
    """What curate's ledger asks of it, with shards.json as a corpus of version 0.1 has it."""
    store, folders = ShardStore(), DatasetFolders(tmp_path, "Blobs", tmp_path / "state")
    for key in "ab":
        writer = store.open_case(folders, key)
        for name, pixels, masks in content(key, 0, 3):
            writer.image(name, pixels)
            for mask in masks:
                writer.mask(name, np.packbits(mask, axis=-1), mask.shape[1])
        writer.close()
    (tmp_path / "state" / "c.parquet").touch()
    store.discard(folders, {"a", "b"}, set())
    finalised = store.finalise(folders, ["a", "b", "c"])
    first = json.loads((tmp_path / "state" / "shards.json").read_text())
    assert [(key, place[:3]) for key, place in first.items()] == [
        ("a", ["shards/Blobs/00000.parquet", 0, 3]),
        ("b", ["shards/Blobs/00000.parquet", 3, 3]),
        ("", ["shards/Blobs/00000.parquet", 0, 0]),
    ]
    rows = fragment([{"image": "", "image_index": 1, "mask": "", "mask_index": 0}])
    moved = finalised.relocate("b", rows).to_pylist()[0]
    assert (moved["image"], moved["image_index"], moved["mask_index"]) == ("shards/Blobs/00000.parquet", 4, 0)
    assert finalised.relocate("c", rows) is None  # a case that is not packed has no place yet
    of_png = fragment([{"image": "images/Blobs/c.png", "image_index": None, "mask": None, "mask_index": None}])
    assert finalised.relocate("c", of_png) is of_png
    assert store.current(folders, ["a", "b"]).relocate("b", rows).to_pylist()[0]["image_index"] == 4
    source = store.open_source(tmp_path, 2)
    _, pixels, masks = content("b", 0, 3)[1]
    assert (source.image(moved["image"], 4) == pixels).all()
    assert (source.mask(moved["mask"], 0, 4) == masks[0] * 255).all()
    store.finalise(folders, ["b"]).sweep()
    assert [path.name for path in (tmp_path / "shards" / "Blobs").iterdir()] == ["00001.parquet"]


def test_a_flipped_bit_in_a_page_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PNGs have checksums of their own, but the lengths and levels of a Parquet page do not."""
    monkeypatch.setattr(shards, "GROUP_BYTES", 1 << 20)
    corpus = corpus_of(tmp_path, "ab")
    path = tmp_path / corpus.finish()["a"].path
    whole = path.read_bytes()
    column = pq.read_metadata(path).row_group(0).column(2)
    assert column.path_in_schema.startswith("masks.")
    end = column.data_page_offset + column.total_compressed_size
    page = range(end - column.total_uncompressed_size + 40, end)  # the page header takes less than 40 bytes
    for n, at in enumerate([*page[:40], *random.Random(0).sample(page, 40)]):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << n % 8
        path.write_bytes(damaged)
        with pytest.raises(CatalogError, match="missing or damaged"):
            ShardStore().open_source(tmp_path, 1).mask(f"shards/Blobs/{path.name}", 1, 2)
