"""The options that select masks of a catalog, for `predict` and for every command of `train`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # it imports Arrow, which a help page does not need
    from catalog.selection import Selection

ALL = "all"
"""In place of a split: every mask, whatever its split."""

Manifest = Annotated[
    Path, typer.Option("--manifest", help="A corpus's folder or its catalog.parquet.", show_default=False)
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="COLUMN=VALUE",
        help="Masks for which this holds: modality=CT, dataset=A|B, sequence=null. Repeat it to narrow further.",
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="COLUMN=VALUE", help="Masks for which this does not hold. May be repeated."),
]
Every = Annotated[int, typer.Option("--every", min=1, help="Keep every N-th slice of each volume and axis.")]
Shares = Annotated[
    str | None,
    typer.Option(
        "--shares",
        metavar="NAME=SHARE,...",
        help="Split ratios for patients whose catalog `split` is empty.  [default: train=0.8,val=0.1,test=0.1]",
    ),
]
SplitSeed = Annotated[int, typer.Option("--split-seed", help="Seed of the patient split.")]


def select(
    manifest: Path,
    only: Sequence[str] | None,
    without: Sequence[str] | None,
    every: int,
    shares: str | None,
    split_seed: int,
) -> "Selection":
    """Return the selection that the options describe.

    Raises:
        DataError: the shares cannot be read; conditions are checked when the selection is loaded.
    """
    from catalog.samples import SHARES
    from catalog.selection import Selection

    ratios = SHARES if shares is None else parse_shares(shares)
    return Selection(manifest, tuple(only or ()), tuple(without or ()), every, dict(ratios), split_seed)


def split_of(text: str) -> str | None:
    """Return the split to load; None for `all`."""
    return None if text == ALL else text


def parse_shares(text: str) -> dict[str, float]:
    """Return the share of each split of `train=0.7,val=0.1,test=0.2`; they need not sum to 1.

    Raises:
        DataError: a share is not a positive number, or a split occurs twice.
    """
    from catalog.errors import DataError

    shares: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = (word.strip() for word in part.partition("="))
        try:
            share = float(number)
        except ValueError:
            share = float("nan")
        if not name or not equals or not 0 < share < float("inf"):
            raise DataError(f"--shares {text}: {part!r} is not a share; write NAME=SHARE,..., as train=0.8,test=0.2")
        if name in shares:
            raise DataError(f"--shares {text}: {name!r} occurs twice")
        shares[name] = share
    return shares
