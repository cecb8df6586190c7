"""Command-line options that select masks of a catalog."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # imports Arrow, which a help page does not need
    from catalog.selection import Selection

ALL = "all"
"""Given as a split: every mask that is not held out."""

Manifest = Annotated[Path, typer.Option("--manifest", help="Corpus folder or its catalog.parquet.", show_default=False)]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="COLUMN=VALUE",
        help="Keep masks that match: modality=CT, dataset=A|B, sequence=null. Repeatable; all must match.",
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="COLUMN=VALUE", help="Leave out masks that match. Repeatable."),
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
HeldOutFile = Annotated[
    Path | None,
    typer.Option(
        "--held-out",
        metavar="FILE",
        help="YAML of datasets by split, such as `unseen_test: [Kvasir-SEG]`: they belong to that split alone.",
    ),
]


def select(
    manifest: Path,
    only: Sequence[str] | None,
    without: Sequence[str] | None,
    every: int,
    shares: str | None,
    split_seed: int,
    held_out: Path | None = None,
) -> "Selection":
    """Return the selection of the options.

    Raises:
        DataError: the shares or the held-out file cannot be read; conditions are checked when the selection is loaded.
    """
    from catalog.held_out import NOTHING, read_held_out
    from catalog.samples import SHARES
    from catalog.selection import Selection

    dealt = SHARES if shares is None else parse_shares(shares)
    held = NOTHING if held_out is None else read_held_out(held_out)
    return Selection(manifest, tuple(only or ()), tuple(without or ()), every, dict(dealt), split_seed, held)


def split_of(text: str) -> str | None:
    """Return the split to load, None for `all`."""
    return None if text == ALL else text


def parse_shares(text: str) -> dict[str, float]:
    """Parse `train=0.7,val=0.1,test=0.2` to the share of each split; shares need not sum to 1.

    Raises:
        DataError: a share is not a positive number, or a split is named twice.
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
            raise DataError(f"--shares {text}: {part!r} is not NAME=SHARE. Write for example train=0.8,test=0.2")
        if name in shares:
            raise DataError(f"--shares {text}: {name!r} is named twice")
        shares[name] = share
    return shares
