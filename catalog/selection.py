"""The masks of a corpus that a command works on: catalog, split and conditions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import and_
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from catalog.corpus import Corpus
from catalog.errors import DataError
from catalog.held_out import HeldOut
from catalog.samples import SHARES, Samples, load_samples
from catalog.schema import CATALOG_SCHEMA, check_columns

WORDS = {"true": True, "false": False}
NULL = "null"


@dataclass(frozen=True)
class Selection:
    """Masks of a catalog.

    Args:
        manifest: A corpus's folder or its catalog.parquet.
        only: Conditions `COLUMN=VALUE` that must all hold; several values are joined by `|`, `null` is a value.
        without: Conditions that must not hold: `redistributable=false`, `dataset=PH2|DRIVE`.
        every: Keep every n-th slice of each volume and axis.
        shares: Split ratios for patients whose catalog `split` is empty.
        split_seed: Seed of the patient split.
        held_out: Datasets held out of every other split, by the split they make up.
    """

    manifest: Path
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    every: int = 1
    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))
    split_seed: int = 0
    held_out: HeldOut = field(default_factory=dict)

    def load(self, split: str | None, columns: Sequence[str] = ()) -> Samples:
        """Return the masks of a split; None: all that are not held out.

        Raises:
            DataError: a condition cannot be read, or no mask is left.
            CatalogError: there is no catalog, or a column that no catalog has.
        """
        return load_samples(
            Corpus.open(self.manifest),
            split,
            where=self._where(),
            columns=columns,
            shares=self.shares,
            seed=self.split_seed,
            held_out=self.held_out,
        )

    def _where(self) -> pc.Expression | None:
        conditions = [_condition(text) for text in self.only] + [~_condition(text) for text in self.without]
        if self.every < 1:
            raise DataError(f"every {self.every}-th slice: give 1 for all slices, 2 for every other one")
        if self.every > 1:
            number = pc.field("slice")
            rest = number - pc.field("slice") / self.every * self.every
            conditions.append(pc.coalesce(rest, pc.scalar(0)) == 0)
        return reduce(and_, conditions) if conditions else None


def _condition(text: str) -> pc.Expression:
    """Parse `COLUMN=VALUE` or `COLUMN=VALUE|VALUE` to an expression that is false, never null, on a null column."""
    column, equals, values = text.partition("=")
    if not equals or not column or not values:
        raise DataError(f"not a condition: {text!r}. Write COLUMN=VALUE, such as modality=CT or dataset=A|B")
    check_columns([column])
    kind = CATALOG_SCHEMA.field(column).type
    wanted = [_value(text, word, kind) for word in values.split("|")]
    given = [value for value in wanted if value is not None]
    holds = pc.field(column).is_null() if None in wanted else pc.scalar(False)
    return holds | (pc.field(column).is_valid() & pc.field(column).isin(pa.array(given, kind)))


def _value(text: str, word: str, kind: pa.DataType) -> object:
    if word == NULL:
        return None
    try:
        if pa.types.is_boolean(kind):
            return WORDS[word.lower()]
        return pa.scalar(word).cast(kind).as_py()
    except (KeyError, pa.ArrowInvalid) as error:
        raise DataError(f"{text!r}: {word!r} is not a value of the column's type {kind}") from error
