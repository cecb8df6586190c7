"""The labels of a recipe: names to ids, grey levels, colours or words, as the encoding has them."""

import re
from collections.abc import Callable
from itertools import combinations
from typing import Any

from catalog.names import ANATOMIES
from curate.labels.base import Encoding, Values
from curate.recipe.faults import nearest, not_allowed, one_of, shown
from curate.recipe.model import LABEL_PATTERN
from curate.recipe.resolved import Label

Report = Callable[[tuple[str | int, ...], str], None]
"""Takes the path below `labels` (or `ignore`) and the message of a fault."""


def read_labels(written: Any, encoding: Encoding, anatomy: str, report: Report) -> tuple[Label, ...]:
    """Return the labels of a recipe's `labels`; `anatomy` is their default. Faults go to `report`."""
    entries = _entries(written, encoding, report)
    if encoding.single and len(entries) > 1:
        report((), f"{len(entries)} labels; the encoding {encoding.name} has exactly one: [{next(iter(entries))}]")
    labels = []
    for number, (name, value) in enumerate(entries.items(), 1):
        _check_name(name, report)
        if isinstance(value, dict):
            value, own = _long_form(name, value, report)
        else:
            own = None
        values: tuple[Any, ...] = ()
        if encoding.values is not None:
            values = read_values(value, encoding.values, (name,), report)
        elif value is not None:
            report((name,), not_allowed(value, f"no value, as in [{name}]: {encoding.name} has one label"))
        labels.append(Label(name, number, values, own or anatomy))
    _check_together(labels, report)
    return tuple(labels)


def read_values(value: Any, kind: Values, path: tuple[str | int, ...], report: Report) -> tuple[Any, ...]:
    """Return one value, or a list of them, as a tuple. Faults go to `report` with `path`."""
    several = not kind.is_item(value)
    values = value if several else [value]
    if not values:
        report(path, f"an empty list; allowed: {kind.allowed}")
    out: list[Any] = []
    for i, item in enumerate(values):
        where = (*path, i) if several else path
        one = kind.read(item)
        if one is None:
            report(where, not_allowed(item, kind.allowed) + kind.hint(item, path))
        elif one in out:
            report(where, f"{shown(item)} is listed twice")
        else:
            out.append(one)
    return tuple(out)


def _entries(written: Any, encoding: Encoding, report: Report) -> dict[str, Any]:
    """Return name to value as written; of a list of names, the value is the name (words) or none."""
    listable = encoding.by_word or encoding.single
    allowed = "a mapping of names to values" + (", or a list of names" if listable else "")
    if isinstance(written, dict) and written:
        return written
    if not isinstance(written, list) or not written:
        report((), not_allowed(written, allowed))
        return {}
    names: dict[str, Any] = {}
    for i, name in enumerate(written):
        if not isinstance(name, str):
            report((i,), not_allowed(name, "a name, as text"))
        elif name in names:
            report((i,), f"{name!r} is listed twice")
        else:
            names[name] = name if encoding.by_word else None
    if not listable:
        assert encoding.values is not None
        report((), f"a list of names; the encoding {encoding.name} needs values: {allowed}, {encoding.values.allowed}")
        return {}
    return names


def _long_form(name: str, value: dict[str, Any], report: Report) -> tuple[Any, str | None]:
    for key in value:
        if key not in ("value", "anatomy"):
            report((name, key), f"is not a known key; allowed: value, anatomy{nearest(key, ('value', 'anatomy'))}")
    anatomy = value.get("anatomy")
    if anatomy is not None and anatomy not in ANATOMIES:
        report((name, "anatomy"), one_of(anatomy, ANATOMIES))
        anatomy = None
    return value.get("value"), anatomy


def is_label_name(name: str) -> bool:
    """Tell whether `name` may be a label: letters, digits, `_ . +` and single `-`, not beginning with `union_`."""
    return bool(re.fullmatch(LABEL_PATTERN.strip("^$"), name)) and "--" not in name and not name.startswith("union_")


def _check_name(name: str, report: Report) -> None:
    if is_label_name(name):
        return
    if name.startswith("union_"):
        report((name,), f"{name!r} begins with union_, which is kept for the masks of touching labels")
    else:
        report((name,), f"{name!r} is not a label name; allowed: letters, digits, _ . + and single -")


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
            report((), f"the unions of {other} and of {pair} would both be union_{a}_{b}; rename one of the labels")
