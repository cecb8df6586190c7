"""The masks of a catalog as columns, grouped by image, and their division into training, validation and test.

A million rows stay Arrow and NumPy columns (about 200 bytes a mask), which forked workers share.
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
from catalog.held_out import NOTHING, HeldOut, held_out_rows
from catalog.images import IMAGE_KEY, codes, image_numbers
from catalog.schema import check_columns

SHARES: Mapping[str, float] = MappingProxyType({"train": 0.8, "val": 0.1, "test": 0.1})
"""The splits, and the share of the patients in each where the catalog's `split` is empty."""

_PLACE = ("image", "image_index", "mask", "mask_index", "x0", "y0", "x1", "y1", "height", "width")
_COLUMNS = (*_PLACE, *IMAGE_KEY, "patient", "label", "split")


class SamplePlace(NamedTuple):
    """The location of a mask and its image, as PixelReader takes it, and the mask's box, half open, in pixels."""

    image: str
    image_index: int | None
    mask: str
    mask_index: int | None
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Samples:
    """The masks of one split, one a row.

    `grouped` holds the row numbers ordered by image: those of image i are `grouped[starts[i]:starts[i + 1]]`, in the
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

    def place(self, row: int) -> SamplePlace:
        """Return the location of a row's mask and its image."""
        value = [self.table[name][row].as_py() for name in _PLACE[:8]]
        return SamplePlace(value[0], value[1], value[2], value[3], (value[4], value[5], value[6], value[7]))

    def groups(self, columns: Sequence[str]) -> tuple[NDArray[np.int64], int]:
        """Return the number of each row's combination of values, and the count of combinations.

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
    held_out: HeldOut = NOTHING,
) -> Samples:
    """Read the masks of one split of a corpus.

    A patient belongs to one split: the catalog's `split` where it is filled, else the one given by a hash of dataset
    and patient, whatever else the corpus holds. Where the hash leaves a split without a patient, as in a corpus of a
    few, patients are moved to it (see `deal_patients`).

    Args:
        corpus: The corpus; images without a mask are skipped.
        split: `train`, `val`, `test`, another value of the catalog's column, or a split of `held_out`; None: all
            masks that are not held out.
        where: A condition on catalog columns, such as `pc.field("redistributable")`.
        columns: More columns to load, for balanced sampling.
        shares: The splits for patients whose `split` is empty, and the share of each.
        seed: Seed of the hash.
        held_out: Datasets that belong to a split of their own, see `held_out`.

    Raises:
        DataError: no mask is left; the message says what there is.
        CatalogError: an unknown column, or a catalog that cannot be read.
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
    if held_out:
        held = held_out_rows(table, held_out)
        rows = held[split] if split in held else ~np.logical_or.reduce(list(held.values()))
        if not rows.any():
            raise DataError(f"{corpus.catalog} has no mask in the held-out split {split!r}, or none outside of all")
        table = table.filter(pa.array(rows))
    if split is not None and split not in held_out:
        table = _of_split(corpus, table, split, shares, seed)
    number = image_numbers(table)
    grouped = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.diff(number[grouped], prepend=-1))
    return Samples(corpus.root, table, grouped, np.append(starts, len(grouped)))


def hashed_split(dataset: str, patient: str, shares: Mapping[str, float] = SHARES, seed: int = 0) -> str:
    """Return the split given by the hash of a patient's name: the same on every machine and in every release."""
    position = _position(dataset, patient, seed) * sum(shares.values())
    for split, share in shares.items():
        position -= share
        if position < 0:
            return split
    return list(shares)[-1]


def deal_patients(
    patients: Sequence[tuple[str, str]], shares: Mapping[str, float] = SHARES, seed: int = 0
) -> list[str]:
    """Return the split of each (dataset, patient): that of its hash, unless this left a split without any.

    Where there are as many patients as splits, a split that the hash left empty gets a patient of the split with the
    most: the one with the least hash, whatever the order of the patients.
    """
    dealt = [hashed_split(*names, shares, seed) for names in patients]
    wanted = [split for split, share in shares.items() if share > 0]
    if len(patients) >= len(wanted):
        for split in wanted:
            if split not in dealt:
                fullest = max(wanted, key=dealt.count)
                moved = min(
                    (i for i, one in enumerate(dealt) if one == fullest), key=lambda i: _position(*patients[i], seed)
                )
                dealt[moved] = split
    return dealt


def _position(dataset: str, patient: str, seed: int) -> float:
    salt = f"\0{seed}" if seed else ""
    digest = hashlib.sha256(f"{dataset}\0{patient}{salt}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _of_split(corpus: Corpus, table: pa.Table, split: str, shares: Mapping[str, float], seed: int) -> pa.Table:
    given, splits = codes(table["split"])
    empty = given == len(splits)
    (dataset, datasets), (patient, patients) = codes(table["dataset"]), codes(table["patient"])
    key = dataset * (len(patients) + 1) + patient
    pairs = np.unique(key[empty])
    named = [
        (datasets[pair // (len(patients) + 1)].as_py(), patients[pair % (len(patients) + 1)].as_py())
        for pair in pairs.tolist()
    ]
    mine = pairs[[one == split for one in deal_patients(named, shares, seed)]] if named else pairs
    chosen = np.append(np.array(splits.to_pylist(), object) == split, False)[given]
    rows = np.flatnonzero(chosen | (empty & np.isin(key, mine)))
    if not len(rows):
        values = ", ".join(map(str, splits.to_pylist())) or "nothing"
        dealt = f"; {len(pairs)} patient(s) without one are dealt out to {', '.join(shares)}" if empty.any() else ""
        raise DataError(
            f"{corpus.catalog} has no mask in the split {split!r}: its column `split` holds {values}{dealt}. Train "
            "without validation by --val-split none, change --shares or --split-seed, or name another split"
        )
    return table.take(rows)


def _encoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Dictionary-encode strings that repeat: all but the masks' paths."""
    columns = {
        name: batch[name].dictionary_encode()
        if pa.types.is_string(batch[name].type) and name != "mask"
        else batch[name]
        for name in batch.schema.names
    }
    return pa.RecordBatch.from_pydict(columns)
