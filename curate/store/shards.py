"""Parquet shards: the PNG bytes of many cases in one file, since small files are the wall at millions of masks.

A case first goes to a piece of its own, so that it appears whole or not at all; `pack` then puts pieces together, in
the order of their cases, into shards of about SHARD_BYTES. Row groups are small enough to be read for one image.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.png import encode_bits, encode_image
from curate.store import Place

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
        self._partial.replace(self._piece)

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
    """Where a packed case lies: its shard, the row of its first image there, and the number of its images."""

    path: str
    first: int
    images: int


Pack = dict[str, Placed]
"""Which cases of a data set lie in which shard, by key, in the order they were packed."""


def pack(root: Path, dataset: str, pieces: dict[str, Path], packed: Pack, save: Callable[[Pack], None]) -> Pack:
    """Put pieces together into shards and return where each case of the data set then lies.

    `pieces` holds every live case by key, in the catalog's order, with the path its piece has while it is not packed;
    `packed` what is packed so far. Shards with cases that are no more (or lie in a new piece) and a last one that is
    not full are packed anew, under new numbers: what a catalog on disk refers to stays until `sweep`. `save` is called
    after each shard, so that a killed run goes on from there and comes to the same shards.
    """
    dead = {place.path for key, place in packed.items() if key not in pieces or pieces[key].exists()}
    fresh = [key for key, piece in pieces.items() if piece.exists()]
    if fresh and packed:
        last = max(place.path for place in packed.values())
        if (root / last).stat().st_size < SHARD_BYTES:
            dead.add(last)
    kept = {key: place for key, place in packed.items() if place.path not in dead}
    todo = [key for key in pieces if key not in kept]
    if not todo:
        if kept != packed:
            save(kept)
        return kept
    number = 1 + max((int(Path(place.path).stem) for place in packed.values()), default=-1)
    folder = f"shards/{dataset}"
    (root / folder).mkdir(parents=True, exist_ok=True)
    waiting = iter(todo)
    key = next(waiting, None)
    while key is not None:
        path = f"{folder}/{number:05d}.parquet"
        partial = root / f"{path}.part"
        members: list[str] = []
        rows = size = 0
        with shard_writer(partial) as writer:
            while key is not None and size < SHARD_BYTES:
                count = 0
                for table in _tables(root, pieces[key], packed.get(key)):
                    writer.write_table(table)
                    count += table.num_rows
                    size += table.nbytes
                if count:
                    kept[key] = Placed(path, rows, count)
                    members.append(key)
                rows += count
                key = next(waiting, None)
        if not members:
            partial.unlink()
            break
        partial.replace(root / path)
        save(kept)
        for member in members:
            pieces[member].unlink(missing_ok=True)
        number += 1
    return kept


def _tables(root: Path, piece: Path, placed: Placed | None) -> Iterator[pa.Table]:
    """Yield a case's rows, a row group at a time: from its piece, or from the shard it lay in."""
    if piece.exists():
        file = pq.ParquetFile(piece, memory_map=True)
        for group in range(file.num_row_groups):
            yield file.read_row_group(group)
        return
    if placed is None:
        return  # a case of which nothing was kept has no images
    file = pq.ParquetFile(root / placed.path, memory_map=True)
    first, end = placed.first, placed.first + placed.images
    start = 0
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        low, high = max(first, start), min(end, start + count)
        if low < high:
            yield file.read_row_group(group).slice(low - start, high - low)
        start += count


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
