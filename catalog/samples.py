"""The masks of a catalog as columns, grouped by image, and which of them are for training, validation or test.

A million rows stay Arrow and NumPy columns (some 200 bytes a mask), which forked workers share.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog.corpus import Corpus
from catalog.errors import DataError
from catalog.images import IMAGE_KEY, codes, image_numbers
from catalog.schema import check_columns

SHARES: Mapping[str, float] = MappingProxyType({"train": 0.8, "val": 0.1, "test": 0.1})
"""The splits, and the share of the patients in each where the catalog's `split` says nothing."""

_PLACE = ("image", "image_index", "mask", "mask_index", "x0", "y0", "x1", "y1", "height", "width")
_COLUMNS = (*_PLACE, *IMAGE_KEY, "patient", "label", "split")


class Place(NamedTuple):
    """Where a mask and its image are, as PixelReader takes it, and the mask's box, half open, in pixels."""

    image: str
    image_index: int | None
    mask: str
    mask_index: int | None
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Samples:
    """The masks of one split; a row is a mask.

    `grouped` holds the rows ordered by image: those of image i are `grouped[starts[i]:starts[i + 1]]`, in the
    catalog's order.
    """

    root: Path
    table: pa.Table
    grouped: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def masks(self) -> int:
        """The number of masks."""
        return len(self.grouped)

    @property
    def images(self) -> int:
        """The number of images, each with at least one mask."""
        return len(self.starts) - 1

    def rows(self, image: int) -> NDArray[np.int64]:
        """Return the rows of an image's masks."""
        return self.grouped[self.starts[image] : self.starts[image + 1]]

    def place(self, row: int) -> Place:
        """Return where the mask of a row and its image are."""
        value = [self.table[name][row].as_py() for name in _PLACE[:8]]
        return Place(value[0], value[1], value[2], value[3], (value[4], value[5], value[6], value[7]))

    def groups(self, columns: Sequence[str]) -> tuple[NDArray[np.int64], int]:
        """Return for each row the number of its combination of values, and how many combinations there are.

        Raises DataError for a column that was not loaded.
        """
        if absent := [name for name in columns if name not in self.table.column_names]:
            raise DataError(
                f"the column {absent[0]!r} was not loaded: name it in `columns`. "
                f"There are {', '.join(self.table.column_names)}"
            )
        key = np.zeros(self.masks, np.int64)
        for name in columns:
            column, values = codes(self.table[name])
            _, key = np.unique(key * (len(values) + 1) + column, return_inverse=True)
        return key, int(key.max()) + 1


def load_samples(
    corpus: Corpus,
    split: str | None = None,
    *,
    where: pc.Expression | None = None,
    columns: Sequence[str] = (),
    shares: Mapping[str, float] = SHARES,
    seed: int = 0,
) -> Samples:
    """Read the masks of one split of a corpus.

    A patient is in one split alone: the catalog's `split` where it is filled, else that which a hash of data set
    and patient says, whatever else the corpus holds.

    Args:
        corpus: The corpus; images without a mask are passed over.
        split: `train`, `val`, `test` or another value of the catalog's column; None: all masks.
        where: A condition on catalog columns, such as `pc.field("redistributable")`.
        columns: More columns to load, for balanced sampling.
        shares: The splits to deal patients out to, and the share of each, where `split` is empty.
        seed: Of the hash: another one deals them out anew.

    Raises:
        DataError: no mask is left; the message tells what there is.
        CatalogError: a column that no catalog has, or a catalog that cannot be read.
    """
    wanted = tuple(dict.fromkeys([*_COLUMNS, *columns]))
    check_columns(wanted)
    has_mask = pc.field("mask").is_valid()
    condition = has_mask if where is None else has_mask & where
    batches = [_encoded(batch) for batch in corpus.batches(wanted, condition) if len(batch)]
    if not batches:
        limit = "" if where is None else " for which the conditions hold"
        raise DataError(f"{corpus.catalog} has no mask{limit} among its {corpus.rows} rows: there is nothing to use")
    table = pa.Table.from_batches(batches).unify_dictionaries()
    if split is not None:
        table = _of_split(corpus, table, split, shares, seed)
    number = image_numbers(table)
    grouped = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.diff(number[grouped], prepend=-1))
    return Samples(corpus.root, table, grouped, np.append(starts, len(grouped)))


def hashed_split(dataset: str, patient: str, shares: Mapping[str, float] = SHARES, seed: int = 0) -> str:
    """Return the split that a patient falls into by the hash of its name: the same on every machine and for ever."""
    salt = f"\0{seed}" if seed else ""
    digest = hashlib.sha256(f"{dataset}\0{patient}{salt}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64 * sum(shares.values())
    for split, share in shares.items():
        position -= share
        if position < 0:
            return split
    return list(shares)[-1]


def _of_split(corpus: Corpus, table: pa.Table, split: str, shares: Mapping[str, float], seed: int) -> pa.Table:
    given, splits = codes(table["split"])
    (dataset, datasets), (patient, patients) = codes(table["dataset"]), codes(table["patient"])
    pairs, of_pair = np.unique(dataset * (len(patients) + 1) + patient, return_inverse=True)
    named = [
        (datasets[pair // (len(patients) + 1)].as_py(), patients[pair % (len(patients) + 1)].as_py())
        for pair in pairs.tolist()
    ]
    inside = np.array([hashed_split(*names, shares, seed) == split for names in named])
    chosen = np.append(np.array(splits.to_pylist(), object) == split, False)[given]
    empty = given == len(splits)
    rows = np.flatnonzero(chosen | (empty & inside[of_pair]))
    if not len(rows):
        values = ", ".join(map(str, splits.to_pylist())) or "nothing"
        dealt = f"; its {len(pairs)} patients are dealt out by hash to {', '.join(shares)}" if empty.any() else ""
        raise DataError(
            f"{corpus.catalog} has no mask in the split {split!r}: its column `split` holds {values}{dealt}. "
            "Ask for another split, or curate more patients"
        )
    return table.take(rows)


def _encoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Dictionary-encode what repeats: every string but the masks' paths."""
    columns = {
        name: batch[name].dictionary_encode()
        if pa.types.is_string(batch[name].type) and name != "mask"
        else batch[name]
        for name in batch.schema.names
    }
    return pa.RecordBatch.from_pydict(columns)
