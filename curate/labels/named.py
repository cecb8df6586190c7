"""Labels with names inside a DICOM object: segments of a SEG, regions of interest of an RTSTRUCT.

This module imports nothing heavy, since recipe checks read it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.recipe.resolved import Label

_CODE = re.compile(r"[A-Z][A-Z0-9]*:[A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Named:
    """A segment or region: its number, its name, and its coded type as `SCHEME:CODE`, empty where it has none."""

    number: int
    name: str
    code: str = ""


def fits(value: Any, named: Named) -> bool:
    """Tell whether a recipe's value means this segment: its number, its code, or a regular expression of its name."""
    if isinstance(value, int):
        return value == named.number
    return value == named.code or re.fullmatch(value, named.name) is not None


def labels_of(named: Named, labels: Iterable["Label"]) -> "list[Label]":
    """Return the labels of a recipe that take a segment or region."""
    return [label for label in labels if any(fits(value, named) for value in label.values)]


def read_name(item: Any) -> str | None:
    """Return a regular expression or a code as a recipe writes it, None where it is neither."""
    if not isinstance(item, str) or not item.strip():
        return None
    try:
        re.compile(item)
    except re.error:
        return None
    return item


def read_name_or_number(item: Any) -> str | int | None:
    """Return the number of a segment, a code, or a regular expression; None where it is none of them."""
    if type(item) is int:
        return item if 0 < item < 1 << 16 else None
    return read_name(item)


def is_code(value: Any) -> bool:
    """Tell whether a value of a recipe is written as a code, such as SCT:10200004."""
    return isinstance(value, str) and _CODE.fullmatch(value) is not None


def literal(names: Sequence[str]) -> tuple[str, ...]:
    """Return regular expressions that match these names and no others."""
    return tuple(re.escape(name) for name in names)
