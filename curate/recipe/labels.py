"""Check the labels of a recipe: names mapped to ids, grey levels, colours or words, depending on the encoding."""

import re
from collections.abc import Callable
from itertools import combinations
from typing import Any

from catalog.names import ANATOMIES
from curate.labels.base import Encoding, Values
from curate.recipe.faults import Code, nearest, not_allowed, quote, unknown
from curate.recipe.model import LABEL_PATTERN
from curate.recipe.resolved import Label

Report = Callable[[tuple[str | int, ...], Code, str], None]
"""Called for each fault with its path below `labels` (or `ignore`), its code and its message."""


def read_labels(written: Any, encoding: Encoding, anatomy: str, report: Report) -> tuple[Label, ...]:
    """Return the labels that the key `labels` describes; `anatomy` is their default. Faults go to `report`."""
    entries = _entries(written, encoding, report)
    if encoding.single and len(entries) > 1:
        message = f"{len(entries)} labels; the encoding {encoding.name} has exactly one: [{next(iter(entries))}]"
        report((), Code.CONFLICT, message)
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
            allowed = f"no value, as in [{name}]: {encoding.name} has one label"
            report((name,), Code.BAD_VALUE, not_allowed(value, allowed))
        labels.append(Label(name, number, values, own or anatomy))
    _check_together(labels, report)
    return tuple(labels)


def read_values(value: Any, kind: Values, path: tuple[str | int, ...], report: Report) -> tuple[Any, ...]:
    """Return a single value, or a list of values, as a tuple. Faults go to `report` with `path`."""
    several = not kind.is_item(value)
    values = value if several else [value]
    if not values:
        report(path, Code.BAD_VALUE, f"an empty list is not allowed here; allowed: {kind.allowed}")
    out: list[Any] = []
    for i, item in enumerate(values):
        where = (*path, i) if several else path
        checked = kind.read(item)
        if checked is None:
            report(where, Code.BAD_VALUE, not_allowed(item, kind.allowed) + kind.hint(item, path))
        elif checked in out:
            report(where, Code.DUPLICATE_VALUE, f"{quote(item)} occurs twice")
        else:
            out.append(checked)
    return tuple(out)


def _entries(written: Any, encoding: Encoding, report: Report) -> dict[str, Any]:
    """Return names with their values as written; in a list of names, the value is the name itself (words) or None."""
    listable = encoding.by_word or encoding.single
    allowed = "a mapping of names to values" + (", or a list of names" if listable else "")
    if isinstance(written, dict) and written:
        return written
    if not isinstance(written, list) or not written:
        report((), Code.BAD_VALUE, not_allowed(written, allowed))
        return {}
    names: dict[str, Any] = {}
    for i, name in enumerate(written):
        if not isinstance(name, str):
            report((i,), Code.BAD_VALUE, not_allowed(name, "a name, as text"))
        elif name in names:
            report((i,), Code.DUPLICATE_VALUE, f"{name!r} occurs twice")
        else:
            names[name] = name if encoding.by_word else None
    if not listable:
        assert encoding.values is not None
        message = f"is a list of names; the encoding {encoding.name} needs {allowed}: {encoding.values.allowed}"
        report((), Code.BAD_VALUE, message)
        return {}
    return names


def _long_form(name: str, value: dict[str, Any], report: Report) -> tuple[Any, str | None]:
    for key in value:
        if key not in ("value", "anatomy"):
            known = ("value", "anatomy")
            message = f"is not a known key; allowed: {', '.join(known)}{nearest(key, known)}"
            report((name, key), Code.UNKNOWN_KEY, message)
    anatomy = value.get("anatomy")
    if anatomy is not None and anatomy not in ANATOMIES:
        report((name, "anatomy"), Code.UNKNOWN_VALUE, unknown(anatomy, ANATOMIES))
        anatomy = None
    return value.get("value"), anatomy


def is_label_name(name: str) -> bool:
    """Return whether `name` is a valid label: letters, digits, `_ . +` and single `-`, without the prefix `union_`."""
    return bool(re.fullmatch(LABEL_PATTERN.strip("^$"), name)) and "--" not in name and not name.startswith("union_")


def _check_name(name: str, report: Report) -> None:
    if is_label_name(name):
        return
    if name.startswith("union_"):
        message = f"{name!r} begins with union_, which is reserved for the masks of touching labels"
    else:
        message = f"{name!r} is not a valid label name; allowed: letters, digits, _ . + and single -"
    report((name,), Code.BAD_VALUE, message)


def _check_together(labels: list[Label], report: Report) -> None:
    by_fold: dict[str, str] = {}
    by_values: dict[Any, str] = {}
    for label in labels:
        other = by_fold.setdefault(label.name.casefold(), label.name)
        if other != label.name:
            message = f"differs from {other!r} only in case, so their files would collide on some disks"
            report((label.name,), Code.CONFLICT, message)
        twin = by_values.setdefault(frozenset(label.values), label.name) if label.values else label.name
        if twin != label.name:
            report((label.name,), Code.CONFLICT, f"has the same values as {twin!r}")


def check_unions(labels: tuple[Label, ...], report: Report) -> None:
    """Report pairs of labels whose names `union_<a>_<b>` would be equal."""
    pairs: dict[str, str] = {}
    for a, b in combinations([label.name for label in labels], 2):
        pair = f"{a} with {b}"
        other = pairs.setdefault(f"{a}_{b}", pair)
        if other != pair:
            message = f"the unions of {other} and of {pair} would both be named union_{a}_{b}; rename one of the labels"
            report((), Code.CONFLICT, message)
