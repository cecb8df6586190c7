"""The store `shards`: Parquet files of about 256 MB that hold the PNGs of many cases.

Small files are the bottleneck at millions of masks. A case first goes to a file of its own, its piece, so that it
appears complete or not at all; `finalise` packs pieces into shards. Row groups are small enough to read for one image.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from catalog.atomic import replacing
from catalog.codecs.png import decode_image, decode_mask, encode_bits, encode_image
from catalog.errors import CatalogError
from catalog.stores.base import DatasetFolders, Finalised, Place
from catalog.stores.packing import PackRecord, pack, rebuilt_record, relocate, shard_writer, sweep
from catalog.stores.reading import check_position, locate, unreadable

Pixels = NDArray[np.uint8]

GROUP_BYTES = 4 << 20

_RECORD = "shards.json"


class ShardStore:
    """`shards/<dataset>/<number>.parquet`."""

    def open_case(self, folders: DatasetFolders, key: str) -> "ShardWriter":
        """Return a writer of the case's piece."""
        return ShardWriter(piece_path(folders, key))

    def open_source(self, root: Path, cached: int) -> "ShardSource":
        """Return a reader that caches the last row groups."""
        return ShardSource(root, cached)

    def finalise(self, folders: DatasetFolders, keys: Sequence[str]) -> Finalised:
        """Pack pieces into shards; `sweep` removes the shards that hold no case any more."""
        packed = self._load(folders, keys)
        if packed.cases or any(folders.state.glob("*.parquet")):
            pieces = {key: piece_path(folders, key) for key in keys}
            packed = pack(folders.root, folders.dataset, pieces, folders.state / _RECORD, packed)
        return Finalised(_relocator(packed), lambda: sweep(folders.root, folders.dataset, packed))

    def current(self, folders: DatasetFolders, keys: Sequence[str]) -> Finalised:
        """Return the places of the cases that are packed; the others have none yet."""
        return Finalised(_relocator(self._load(folders, keys)))

    def _load(self, folders: DatasetFolders, keys: Sequence[str]) -> PackRecord:
        """Return the record of what is packed, rebuilt from the shards where it is damaged."""
        try:
            return PackRecord.load(folders.state / _RECORD)
        except CatalogError:
            return rebuilt_record(folders.root, folders.dataset, keys)

    def discard(self, folders: DatasetFolders, finished: Collection[str], unfinished: set[tuple[str, str]]) -> None:
        """Remove the pieces of unfinished cases."""
        for piece in folders.state.glob("*.parquet"):
            if piece.stem not in finished:
                piece.unlink()


def _relocator(packed: PackRecord) -> Callable[[str, pa.Table], pa.Table | None]:
    def relocated(key: str, rows: pa.Table) -> pa.Table | None:
        if key in packed.cases:
            return relocate(rows, packed.cases[key])
        waiting = pc.any(pc.equal(rows["image"], "")).as_py()  # a piece's rows name no file
        return None if waiting else rows

    return relocated


def piece_path(folders: DatasetFolders, key: str) -> Path:
    """Return where a case keeps its images until they are packed."""
    return folders.state / f"{key}.parquet"


class ShardWriter:
    """Writes one case to its piece; the positions it returns count inside the piece.

    The piece is not flushed to the disk: `pack` flushes the shard before it removes the piece.
    """

    def __init__(self, piece: Path) -> None:
        piece.parent.mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        self._partial = self._stack.enter_context(replacing(piece, sync=False))
        self._writer = shard_writer(self._partial)
        self._names: list[str] = []
        self._images: list[bytes] = []
        self._masks: list[list[bytes]] = []
        self._mask_names: list[list[str]] = []
        self._bytes = 0
        self._rows = 0

    def image(self, name: str, pixels: Pixels) -> Place:
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

    def mask(self, name: str, bits: Pixels, width: int, rows: tuple[int, int] | None = None) -> Place:
        """Add a mask to the slice."""
        data = encode_bits(bits, width, rows)
        self._masks[-1].append(data)
        self._mask_names[-1].append(name)
        self._bytes += len(data)
        return Place("", len(self._masks[-1]) - 1)

    def close(self) -> None:
        """Write the last row group; the piece appears, unless the case has no images."""
        self._flush()
        self._writer.close()
        if not self._rows:
            self._partial.unlink()
        self._stack.close()

    def abort(self) -> None:
        """Remove the unfinished piece."""
        self._writer.close()
        self._partial.unlink(missing_ok=True)
        self._stack.close()

    def _flush(self) -> None:
        columns = (self._names, self._images, self._masks, self._mask_names)
        if self._names:
            self._writer.write_table(pa.table(list(columns), schema=self._writer.schema))
        self._names, self._images, self._masks, self._mask_names, self._bytes = [], [], [], [], 0


class ShardSource:
    """Reads shards. The last row groups, of about 4 MB each, stay in memory: neighbours cost no second read."""

    def __init__(self, root: Path, cached: int) -> None:
        self._root = root
        self._shard = lru_cache(1024)(self._read_shard)
        self._group = lru_cache(cached)(self._read_group)

    def image(self, path: str, image_index: int | None) -> Pixels:
        """Return an image."""
        return self._checked(path, decode_image(self._row(path, "image", image_index).as_buffer()))

    def mask(self, path: str, mask_index: int | None, image_index: int | None) -> Pixels:
        """Return a mask."""
        masks = self._row(path, "masks", image_index).values
        return self._checked(path, decode_mask(masks[check_position(mask_index, len(masks), path)].as_buffer()))

    def _checked(self, path: str, pixels: Pixels | None) -> Pixels:
        if pixels is None:
            raise unreadable(path, "it holds something else than PNG images")
        return pixels

    def _row(self, path: str, column: str, index: int | None) -> pa.Scalar:
        """Return the value of a column at row `index` of a shard."""
        _, ends = self._shard(path)
        row = check_position(index, int(ends[-1]) if len(ends) else 0, path)
        group = int(np.searchsorted(ends, row, side="right"))
        return self._group(path, column, group)[row - (int(ends[group - 1]) if group else 0)]

    def _read_shard(self, path: str) -> tuple[pq.FileMetaData, NDArray[np.int64]]:
        """Return a shard's metadata, and the row at which each of its row groups ends."""
        try:
            metadata = pq.read_metadata(locate(self._root, path))
        except (pa.ArrowException, OSError) as error:
            raise unreadable(path, error) from error
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        return metadata, np.cumsum(sizes, dtype=np.int64)

    def _read_group(self, path: str, column: str, group: int) -> pa.Array:
        try:
            # With the metadata at hand, opening takes a twentieth of the time that the row group takes.
            with pq.ParquetFile(
                locate(self._root, path),
                metadata=self._shard(path)[0],
                memory_map=True,
                page_checksum_verification=True,
            ) as shard:
                return shard.read_row_group(group, columns=[column], use_threads=False)[column].combine_chunks()
        except (pa.ArrowException, OSError, KeyError) as error:
            raise unreadable(path, error) from error
