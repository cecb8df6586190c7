"""The labels of a recipe: names to ids, grey levels, colours or words, as the encoding asks."""

import re
import unicodedata
from collections.abc import Callable
from itertools import combinations
from typing import Any

from catalog.names import ANATOMIES
from curate.recipe.faults import nearest, not_allowed, one_of, shown
from curate.recipe.model import LABEL_PATTERN
from curate.recipe.resolved import Color, Label

SINGLE = ("instances", "instance_files", "threshold", "inverted", "outline")
"""Encodings with exactly one label, whose values the recipe does not name."""

Report = Callable[[tuple[str | int, ...], str], None]
"""Takes the path below `labels` (or `ignore`) and the message of a fault."""

_COLOR = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")
_RANGES = {"ids": (-(2**31), 2**31 - 1), "grey": (0, 65535)}
_VALUE_WORDS = {
    "ids": "a whole number, or a list of them",
    "grey": "a grey level from 0 to 65535, or a list of them",
    "rgb": 'a colour such as "#ff0000" (in quotes) or [255, 0, 0], or a list of them',
    "files": "the word that stands for {label} in the file name, without / and *, or a list of them",
}


def read_labels(written: Any, encoding: str, anatomy: str, report: Report) -> tuple[Label, ...]:
    """Return what a recipe's `labels` holds; `anatomy` is the default. Faults go to `report`."""
    entries = _entries(written, encoding, report)
    if encoding in SINGLE and len(entries) > 1:
        report(
            (),
            f"{len(entries)} labels; the encoding {encoding} has exactly one: [{next(iter(entries))}]",
        )
    labels = []
    for number, (name, value) in enumerate(entries.items(), 1):
        _check_name(name, report)
        if isinstance(value, dict):
            value, own = _long_form(name, value, report)
        else:
            own = None
        if encoding in SINGLE:
            if value is not None:
                allowed = f"no value, as in [{name}]: the encoding {encoding} has one label"
                report((name,), not_allowed(value, allowed))
            values: tuple[Any, ...] = ()
        else:
            values = read_values(value, encoding, (name,), report)
        labels.append(Label(name, number, values, own or anatomy))
    _check_together(labels, report)
    return tuple(labels)


def read_values(value: Any, encoding: str, path: tuple[str | int, ...], report: Report) -> tuple[Any, ...]:
    """Return one value, or a list of them, as a tuple of what the encoding's labels have."""
    is_list = isinstance(value, list) and not (encoding == "rgb" and value and all(type(v) is int for v in value))
    values = value if is_list else [value]
    if not values:
        report(path, f"an empty list; allowed: {_VALUE_WORDS[encoding]}")
    out = []
    for i, item in enumerate(values):
        where = (*path, i) if is_list else path
        one = _read_value(item, encoding)
        if one is None:
            hint = ""
            if encoding == "rgb" and item is None:
                hint = "; a colour without quotes is a comment"
            elif encoding == "files" and type(item) in (int, float, bool):
                hint = "; in quotes it is text"
            elif path and isinstance(item, str) and encoding in _RANGES and str(path[0]).isdigit():
                hint = f"; write the name first: {item}: {path[0]}"
            report(where, not_allowed(item, _VALUE_WORDS[encoding]) + hint)
        elif one in out:
            report(where, f"{shown(item)} stands twice")
        else:
            out.append(one)
    return tuple(out)


def _read_value(item: Any, encoding: str) -> int | Color | str | None:
    if encoding == "files":
        word = unicodedata.normalize("NFC", item) if isinstance(item, str) else ""
        return word if word.strip(".") and not re.search(r"[/\\*{}\0]", word) else None
    if encoding == "rgb":
        if isinstance(item, str):
            found = _COLOR.fullmatch(item)
            item = [int(part, 16) for part in found.groups()] if found else None
        if not isinstance(item, list) or len(item) != 3:
            return None
        red, green, blue = item
        return (red, green, blue) if all(type(v) is int and 0 <= v <= 255 for v in item) else None
    low, high = _RANGES[encoding]
    return item if type(item) is int and low <= item <= high else None


def _entries(written: Any, encoding: str, report: Report) -> dict[str, Any]:
    """Return name to value as written; of a list of names, the value is the name (files) or none."""
    mapping = "a mapping of names to values"
    if encoding == "files" or encoding in SINGLE:
        mapping += ", or a list of names"
    if isinstance(written, dict) and written:
        return written
    if not isinstance(written, list) or not written:
        report((), not_allowed(written, mapping))
        return {}
    names: dict[str, Any] = {}
    for i, name in enumerate(written):
        if not isinstance(name, str):
            report((i,), not_allowed(name, "a name, as text"))
        elif name in names:
            report((i,), f"{name!r} stands twice")
        else:
            names[name] = name if encoding == "files" else None
    if encoding != "files" and encoding not in SINGLE:
        report((), f"a list of names; the encoding {encoding} needs values: {mapping}, {_VALUE_WORDS[encoding]}")
        return {}
    return names


def _long_form(name: str, value: dict[str, Any], report: Report) -> tuple[Any, str | None]:
    for key in value:
        if key not in ("value", "anatomy"):
            report(
                (name, key),
                f"the key is not known; allowed: value, anatomy{nearest(key, ('value', 'anatomy'))}",
            )
    anatomy = value.get("anatomy")
    if anatomy is not None and anatomy not in ANATOMIES:
        report((name, "anatomy"), one_of(anatomy, ANATOMIES))
        anatomy = None
    return value.get("value"), anatomy


def _check_name(name: str, report: Report) -> None:
    if not re.fullmatch(LABEL_PATTERN.strip("^$"), name) or "--" in name:
        report((name,), f"{name!r} is no label name; allowed: letters, digits, _ . + and single -")
    elif name.startswith("union_"):
        report((name,), f"{name!r} begins with union_, which the masks of touching labels do")


def _check_together(labels: list[Label], report: Report) -> None:
    by_fold: dict[str, str] = {}
    by_values: dict[Any, str] = {}
    for label in labels:
        other = by_fold.setdefault(label.name.casefold(), label.name)
        if other != label.name:
            report((label.name,), f"differs from {other!r} in case only: their files would collide on some disks")
        twin = by_values.setdefault(frozenset(label.values), label.name) if label.values else label.name
        if twin != label.name:
            report((label.name,), f"has the same values as {twin!r}")


def check_unions(labels: tuple[Label, ...], report: Report) -> None:
    """Report pairs of labels whose `union_<a>_<b>` would have one name."""
    pairs: dict[str, str] = {}
    for a, b in combinations([label.name for label in labels], 2):
        pair = f"{a} with {b}"
        other = pairs.setdefault(f"{a}_{b}", pair)
        if other != pair:
            report(
                (),
                f"the unions of {other} and of {pair} would both be union_{a}_{b}; rename one of the labels",
            )
