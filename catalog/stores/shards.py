"""Parquet shards: the PNG bytes of many cases in one file, since small files are the wall at millions of masks.

A case first goes to a piece of its own, so that it appears whole or not at all; `pack` then puts pieces together, in
the order of their cases, into shards of about SHARD_BYTES. Row groups are small enough to be read for one image.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from catalog.codecs.png import encode_bits, encode_image
from catalog.stores import Place

SHARD_BYTES = 256 << 20
GROUP_BYTES = 4 << 20

SHARD_SCHEMA = pa.schema(
    [
        pa.field("name", pa.string()),
        pa.field("image", pa.binary()),
        pa.field("masks", pa.list_(pa.binary())),
        pa.field("mask_names", pa.list_(pa.string())),
    ]
)
"""One row an image: its name, its PNG, and its masks' PNGs and names in the order of the catalog's mask_index."""


def shard_writer(path: Path) -> pq.ParquetWriter:
    """Return a writer for SHARD_SCHEMA: PNG bytes are stored as they are, neither compressed nor counted again."""
    return pq.ParquetWriter(
        path,
        SHARD_SCHEMA,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        data_page_size=64 << 20,
    )


class ShardStore:
    """Collects one case in `piece`; places say `image_index` and `mask_index` inside it."""

    def __init__(self, piece: Path) -> None:
        self._piece = piece
        self._partial = piece.with_name(piece.name + ".part")
        piece.parent.mkdir(parents=True, exist_ok=True)
        self._writer = shard_writer(self._partial)
        self._names: list[str] = []
        self._images: list[bytes] = []
        self._masks: list[list[bytes]] = []
        self._mask_names: list[list[str]] = []
        self._bytes = 0
        self._rows = 0

    def image(self, name: str, pixels: NDArray[np.uint8]) -> Place:
        """Start a slice; full row groups go to disk."""
        if self._bytes >= GROUP_BYTES:
            self._flush()
        data = encode_image(pixels)
        self._names.append(name)
        self._images.append(data)
        self._masks.append([])
        self._mask_names.append([])
        self._bytes += len(data)
        self._rows += 1
        return Place("", self._rows - 1)

    def mask(self, name: str, bits: NDArray[np.uint8], width: int) -> Place:
        """Add a mask to the slice."""
        data = encode_bits(bits, width)
        self._masks[-1].append(data)
        self._mask_names[-1].append(name)
        self._bytes += len(data)
        return Place("", len(self._masks[-1]) - 1)

    def close(self) -> None:
        """Write what is held back; the piece appears."""
        self._flush()
        self._writer.close()
        if self._rows:
            self._partial.replace(self._piece)
        else:
            self._partial.unlink()  # a case of which nothing was kept takes no part in packing

    def abort(self) -> None:
        """Remove the unfinished piece."""
        self._writer.close()
        self._partial.unlink(missing_ok=True)

    def _flush(self) -> None:
        columns = [
            pa.array(self._names, pa.string()),
            pa.array(self._images, pa.binary()),
            pa.array(self._masks, pa.list_(pa.binary())),
            pa.array(self._mask_names, pa.list_(pa.string())),
        ]
        if self._names:
            self._writer.write_table(pa.Table.from_arrays(columns, schema=SHARD_SCHEMA))
        self._names, self._images, self._masks, self._mask_names, self._bytes = [], [], [], [], 0


class Placed(NamedTuple):
    """Where a packed case lies: its shard, the row of its first image there, and the number of its images.

    `stamp` is the modification time (ns) of the piece it was packed from.
    """

    path: str
    first: int
    images: int
    stamp: int


Pack = dict[str, Placed]
"""Which cases of a data set lie in which shard, by key, in the order they were packed; and under HIGHEST, while it is
on disk, the last shard of all, so that no number is given twice."""

HIGHEST = ""


def pack(root: Path, dataset: str, pieces: dict[str, Path], packed: Pack, save: Callable[[Pack], None]) -> Pack:
    """Put pieces together into shards and return where each case of the data set then lies.

    `pieces` holds every live case by key, in the catalog's order, with the path its piece has while it is not packed;
    `packed` is what was saved last. Shards with cases that are no more (or lie in a new piece) are packed anew, under
    new numbers, and with them those that are not full: what a catalog on disk refers to stays until `sweep`. `save`
    is called after each shard, so that a killed run goes on from there and comes to the same shards.
    """
    last = max((place.path for place in packed.values()), default="")
    lying = {key: place for key, place in packed.items() if key != HIGHEST}
    fresh = _fresh(pieces, lying)
    dead = {place.path for key, place in lying.items() if key not in pieces or key in fresh}
    if fresh or any(place.path in dead and key in pieces for key, place in lying.items()):
        shards = {place.path for place in lying.values()}
        dead |= {path for path in shards - dead if (root / path).stat().st_size < SHARD_BYTES}
    kept = {key: place for key, place in lying.items() if place.path not in dead}
    todo = [key for key in pieces if key in fresh or (key in lying and key not in kept)]
    for key in todo:
        if key not in fresh:
            _unpack(root, lying[key], pieces[key])
    (root / "shards" / dataset).mkdir(parents=True, exist_ok=True)
    if not todo and len(kept) < len(lying):
        save({**kept, HIGHEST: Placed(last, 0, 0, 0)})
    while todo:
        last = f"shards/{dataset}/{int(Path(last).stem) + 1 if last else 0:05d}.parquet"
        placed = _write_shard(root, last, todo, pieces)
        kept |= placed
        save({**kept, HIGHEST: Placed(last, 0, 0, 0)})
        for key in placed:
            pieces[key].unlink()
        todo = todo[len(placed) :]
    return kept


def _fresh(pieces: dict[str, Path], packed: Pack) -> set[str]:
    """Return the cases that lie in a piece; one that a killed run packed and could not remove any more goes now."""
    fresh = set()
    for key, piece in pieces.items():
        if not piece.exists():
            continue
        if key in packed and packed[key].stamp == piece.stat().st_mtime_ns:
            piece.unlink()
        else:
            fresh.add(key)
    return fresh


def _write_shard(root: Path, path: str, keys: list[str], pieces: dict[str, Path]) -> Pack:
    """Fill a shard with the first of `keys`; return where they lie in it."""
    placed: Pack = {}
    rows = 0
    partial = root / f"{path}.part"
    with shard_writer(partial) as writer:
        for key in keys:
            if writer.file_handle.tell() >= SHARD_BYTES:
                break
            with pq.ParquetFile(pieces[key], memory_map=True) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))
                count = file.metadata.num_rows
            placed[key] = Placed(path, rows, count, pieces[key].stat().st_mtime_ns)
            rows += count
    partial.replace(root / path)
    return placed


def _unpack(root: Path, placed: Placed, piece: Path) -> None:
    """Write a case's rows from the shard they lie in back to a piece."""
    first, end = placed.first, placed.first + placed.images
    partial = piece.with_name(piece.name + ".part")
    with pq.ParquetFile(root / placed.path, memory_map=True) as file, shard_writer(partial) as writer:
        start = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            low, high = max(first, start), min(end, start + count)
            if low < high:
                writer.write_table(file.read_row_group(group).slice(low - start, high - low))
            start += count
    partial.replace(piece)


def place_rows(table: pa.Table, placed: Placed) -> pa.Table:
    """Return a case's rows with the places its piece gave replaced by those of its shard."""
    path = pa.scalar(placed.path)
    is_image = pc.is_valid(table["image_index"])
    columns = {
        "image": pc.if_else(is_image, path, table["image"]),
        "mask": pc.if_else(pc.is_valid(table["mask_index"]), path, table["mask"]),
        "image_index": pc.add(table["image_index"], pa.scalar(placed.first, pa.int32())),
    }
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)
    return table


def sweep(root: Path, dataset: str, packed: Pack) -> None:
    """Remove shards of a data set that hold no case any more."""
    live = {Path(place.path).name for place in packed.values()}
    for path in (root / "shards" / dataset).glob("*"):
        if path.name not in live:
            path.unlink()
