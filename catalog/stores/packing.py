"""Packing of pieces, one a case, into shards of about 256 MB."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.atomic import read_json, replacing, write_json

SHARD_BYTES = 256 << 20

SHARD_SCHEMA = pa.schema(
    [
        pa.field("name", pa.string()),
        pa.field("image", pa.binary()),
        pa.field("masks", pa.list_(pa.binary())),
        pa.field("mask_names", pa.list_(pa.string())),
    ]
)
"""One row an image: its name, its PNG, and the PNGs and names of its masks in the order of the catalog's mask_index."""

_LAST = ""
"""The key, in shards.json, of the last shard."""


class ShardRange(NamedTuple):
    """Where a packed case is: its shard, the row of its first image there, and the number of its images.

    `stamp` is the modification time (ns) of the piece it was packed from.
    """

    path: str
    first: int
    images: int
    stamp: int


@dataclass(frozen=True)
class PackRecord:
    """Which cases of a data set are in which shard, by key, in the order they were packed.

    `last` is the last shard ever written: shard numbers are never reused.
    """

    cases: dict[str, ShardRange] = field(default_factory=dict)
    last: str = ""

    @classmethod
    def load(cls, path: Path) -> "PackRecord":
        """Read shards.json; empty if there is none."""
        ranges = {key: ShardRange(*place) for key, place in read_json(path, {}).items()}
        last = max((place.path for place in ranges.values()), default="")
        return cls({key: place for key, place in ranges.items() if key != _LAST}, last)

    def save(self, path: Path) -> None:
        """Write shards.json."""
        write_json(path, {**self.cases, _LAST: ShardRange(self.last, 0, 0, 0)})


def rebuilt_record(root: Path, dataset: str, keys: Sequence[str]) -> PackRecord:
    """Return the record that the shards on disk imply, for a shards.json that was lost.

    `keys` are the finished cases (`token--case`). The rows of a case are consecutive, and its first image has the token
    of its key. Where a case is in several shards, the last one counts.
    """
    known, cases = set(keys), dict[str, ShardRange]()
    paths = sorted((root / "shards" / dataset).glob("*.parquet"))
    for path in paths:
        place = f"shards/{dataset}/{path.name}"
        key = ""
        for row, name in enumerate(pq.read_table(path, columns=["name"])["name"].to_pylist()):
            token, _, case, *_ = name.split("--")
            here = f"{token}--{case}"
            if here in known and here != key:
                key = here
                cases[key] = ShardRange(place, row, 0, 0)
            if key:
                cases[key] = cases[key]._replace(images=row + 1 - cases[key].first)
    return PackRecord(cases, f"shards/{dataset}/{paths[-1].name}" if paths else "")


def shard_writer(path: Path) -> pq.ParquetWriter:
    """Return a writer for SHARD_SCHEMA: PNGs are stored as they are, without compression or statistics."""
    return pq.ParquetWriter(
        path,
        SHARD_SCHEMA,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
        data_page_size=64 << 20,
    )


def pack(
    root: Path, dataset: str, pieces: dict[str, Path], record: Path, packed: PackRecord | None = None
) -> PackRecord:
    """Pack pieces into shards, and return where each case of the data set is then.

    Shards with cases that are gone or have a new piece are packed again, under new numbers, and with them those that
    are not full: what a catalog on disk refers to stays until `sweep`. The record is saved after each shard, so that an
    interrupted run continues from there and comes to the same shards.

    Args:
        root: The corpus.
        dataset: The data set's name.
        pieces: All finished cases by key, in the catalog's order, with the path of their piece while they have one.
        record: The shards.json of the data set, which is written after each shard.
        packed: Where the cases are before; default: what the record says.
    """
    packed = PackRecord.load(record) if packed is None else packed
    fresh = _fresh(pieces, packed.cases)
    dead = {place.path for key, place in packed.cases.items() if key not in pieces or key in fresh}
    if fresh or any(place.path in dead and key in pieces for key, place in packed.cases.items()):
        shards = {place.path for place in packed.cases.values()}
        dead |= {path for path in shards - dead if (root / path).stat().st_size < SHARD_BYTES}
    kept = {key: place for key, place in packed.cases.items() if place.path not in dead}
    waiting = [key for key in pieces if key in fresh or (key in packed.cases and key not in kept)]
    for key in waiting:
        if key not in fresh:
            _unpack(root, packed.cases[key], pieces[key])
    (root / "shards" / dataset).mkdir(parents=True, exist_ok=True)
    last = packed.last
    if not waiting and len(kept) < len(packed.cases):
        PackRecord(kept, last).save(record)
    while waiting:
        last = f"shards/{dataset}/{int(Path(last).stem) + 1 if last else 0:05d}.parquet"
        placed = _write_shard(root, last, waiting, pieces)
        kept |= placed
        PackRecord(kept, last).save(record)
        for key in placed:
            pieces[key].unlink()
        waiting = waiting[len(placed) :]
    return PackRecord(kept, last)


def _fresh(pieces: dict[str, Path], packed: dict[str, ShardRange]) -> set[str]:
    """Return the cases whose piece waits to be packed; a piece that is already packed is removed."""
    fresh = set()
    for key, piece in pieces.items():
        if not piece.exists():
            continue
        if key in packed and packed[key].stamp == piece.stat().st_mtime_ns:
            piece.unlink()
        else:
            fresh.add(key)
    return fresh


def _write_shard(root: Path, path: str, keys: list[str], pieces: dict[str, Path]) -> dict[str, ShardRange]:
    """Fill a shard with the first of `keys`; return where they are in it."""
    placed: dict[str, ShardRange] = {}
    rows = 0
    with replacing(root / path) as partial, shard_writer(partial) as writer:
        for key in keys:
            if writer.file_handle.tell() >= SHARD_BYTES:
                break
            with pq.ParquetFile(pieces[key], memory_map=True, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))
                count = file.metadata.num_rows
            placed[key] = ShardRange(path, rows, count, pieces[key].stat().st_mtime_ns)
            rows += count
    return placed


def _unpack(root: Path, placed: ShardRange, piece: Path) -> None:
    """Write a case's rows from its shard back to a piece."""
    first, end = placed.first, placed.first + placed.images
    with (
        pq.ParquetFile(root / placed.path, memory_map=True, page_checksum_verification=True) as file,
        replacing(piece, sync=False) as partial,
        shard_writer(partial) as writer,
    ):
        start = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            low, high = max(first, start), min(end, start + count)
            if low < high:
                writer.write_table(file.read_row_group(group).slice(low - start, high - low))
            start += count


def relocate(rows: pa.Table, placed: ShardRange) -> pa.Table:
    """Return the rows of a case with the places in its piece replaced by those in its shard."""
    path = pa.scalar(placed.path)
    columns = {
        "image": pc.if_else(pc.is_valid(rows["image_index"]), path, rows["image"]),
        "mask": pc.if_else(pc.is_valid(rows["mask_index"]), path, rows["mask"]),
        "image_index": pc.add(rows["image_index"], pa.scalar(placed.first, pa.int32())),
    }
    for name, values in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)
    return rows


def sweep(root: Path, dataset: str, packed: PackRecord) -> None:
    """Remove the shards of a data set that hold no case any more."""
    live = {Path(place.path).name for place in packed.cases.values()}
    for path in (root / "shards" / dataset).glob("*"):
        if path.name not in live:
            path.unlink()
