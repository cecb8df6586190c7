"""The masks of a catalog, grouped by image and split into training, validation and test.

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
"""The splits, and the share of the patients in each if the catalog's `split` is empty."""

_PLACE = ("image", "image_index", "mask", "mask_index", "x0", "y0", "x1", "y1", "height", "width")
_COLUMNS = (*_PLACE, *IMAGE_KEY, "patient", "label", "split")


class SamplePlace(NamedTuple):
    """Where a mask and its image are, as PixelReader takes it, and the mask's bounding box, half open, in pixels."""

    image: str
    image_index: int | None
    mask: str
    mask_index: int | None
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Samples:
    """The masks of one split; a row is a mask.

    Attributes:
        root: The folder of the corpus.
        table: The rows, in the catalog's order.
        grouped: Row numbers ordered by image: those of image i are `grouped[starts[i]:starts[i + 1]]`.
        starts: The start of each image in `grouped`, and its length.
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
        """Return where the mask of a row and its image are."""
        value = [self.table[name][row].as_py() for name in _PLACE[:8]]
        return SamplePlace(value[0], value[1], value[2], value[3], (value[4], value[5], value[6], value[7]))

    def groups(self, columns: Sequence[str]) -> tuple[NDArray[np.int64], int]:
        """Return the number of each row's combination of values, and the number of combinations.

        Raises:
            DataError: A column was not loaded.
        """
        if absent := [name for name in columns if name not in self.table.column_names]:
            raise DataError(
                f"the column {absent[0]!r} was not loaded. Name it in `columns`; "
                f"loaded are {', '.join(self.table.column_names)}"
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

    A patient is in one split only: the one in the catalog's `split`, or, if that is empty, the one chosen by a hash of
    data set and patient, whatever else is in the corpus.

    Args:
        corpus: The corpus; images without a mask are skipped.
        split: `train`, `val`, `test` or another value of the catalog's column; None: all masks.
        where: A condition on catalog columns, such as `pc.field("redistributable")`.
        columns: More columns to load, for balanced sampling.
        shares: The splits that patients are assigned to if `split` is empty, and the share of each.
        seed: Seed of the assignment.

    Raises:
        DataError: No mask is left; the message says which splits exist.
        QueryError: A column does not exist.
        CatalogError: The catalog is damaged.
    """
    wanted = tuple(dict.fromkeys([*_COLUMNS, *columns]))
    check_columns(wanted)
    has_mask = pc.field("mask").is_valid()
    condition = has_mask if where is None else has_mask & where
    batches = [_encoded(batch) for batch in corpus.batches(wanted, condition) if len(batch)]
    if not batches:
        limit = "" if where is None else " that meets the conditions"
        raise DataError(f"{corpus.catalog} has no mask{limit} in its {corpus.rows} rows")
    table = pa.Table.from_batches(batches).unify_dictionaries()
    if split is not None:
        table = _of_split(corpus, table, split, shares, seed)
    number = image_numbers(table)
    grouped = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.diff(number[grouped], prepend=-1))
    return Samples(corpus.root, table, grouped, np.append(starts, len(grouped)))


def hashed_split(dataset: str, patient: str, shares: Mapping[str, float] = SHARES, seed: int = 0) -> str:
    """Return the split chosen by a hash of a patient's name: the same on every machine, and in every corpus."""
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
        hashed = f"; its {len(pairs)} patients are assigned by hash to {', '.join(shares)}" if empty.any() else ""
        raise DataError(
            f"{corpus.catalog} has no mask in the split {split!r}: its column `split` holds {values}{hashed}. "
            "Choose another split, or curate more patients"
        )
    return table.take(rows)


def _encoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Dictionary-encode the strings that repeat: all but the paths of masks."""
    columns = {
        name: batch[name].dictionary_encode()
        if pa.types.is_string(batch[name].type) and name != "mask"
        else batch[name]
        for name in batch.schema.names
    }
    return pa.RecordBatch.from_pydict(columns)
