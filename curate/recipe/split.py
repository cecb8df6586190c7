"""The official split of a group: a word, a field of the path, a CSV column, or list files."""

from collections.abc import Callable
from typing import Any

from curate.paths.pattern import Pattern, PatternError, parse_pattern
from curate.recipe import model, resolved
from curate.recipe.faults import Code, nearest, quote

Report = Callable[..., None]
"""Called for each fault with a key of the group, the code, the message, and the path below the key."""

_SAME = tuple((word, word) for word in ("train", "val", "test"))


def read_split(
    written: Any, image: Pattern, report: Report
) -> str | resolved.SplitField | resolved.SplitTable | resolved.SplitLists | None:
    """Return the split of what is written; faults go to `report`."""
    if isinstance(written, model.SplitField):
        if written.field not in image.fields:
            known = f"{', '.join(image.fields) or '(none)'}{nearest(written.field, image.fields)}"
            message = f"the field {quote(written.field)} is not in `image`, whose fields are: {known}"
            report("split", Code.UNKNOWN_FIELD, message, "field")
        return resolved.SplitField(written.field, _words(written.map))
    if isinstance(written, model.SplitTable):
        refuse_fields(written.csv, "split", report, "csv")
        return resolved.SplitTable(written.csv, written.case, written.split, _words(written.map))
    if isinstance(written, model.SplitLists):
        for name, path in written.lists.items():
            refuse_fields(path, "split", report, "lists", name)
        return resolved.SplitLists(tuple(written.lists.items()))
    return None if written is None else str(written)


def refuse_fields(path: str, key: str, report: Report, *below: str) -> None:
    """Report a path to one file that holds fields, `*`, or what no path inside a source holds."""
    try:
        pattern = parse_pattern(path)
    except PatternError as error:
        for message in error.faults:
            report(key, Code.PATTERN, f"{quote(path)} {message}", *below)
        return
    if pattern.fields or pattern.wild:
        report(key, Code.PATTERN, f"{quote(path)} must name one file; write a path without fields and `*`", *below)


def _words(written: dict[str, Any] | None) -> tuple[tuple[str, str | None], ...]:
    return _SAME if written is None else tuple(written.items())
