"""How a fault is told: what stands there, what is allowed, and the nearest match."""

import difflib
from collections.abc import Iterable
from typing import Any

_LONGEST = 60


def shown(value: Any) -> str:
    """Return a YAML value as a message shows it: `null`, `true`, 'text', 5; long ones are cut."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


def nearest(value: Any, allowed: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or nothing where no allowed word is near."""
    by_fold = {word.casefold(): word for word in allowed}
    match = difflib.get_close_matches(str(value).casefold(), by_fold, n=1, cutoff=0.6)
    return f"; did you mean {by_fold[match[0]]!r}?" if match else ""


def one_of(value: Any, allowed: Iterable[str]) -> str:
    """Return the message of a value that is none of the allowed words."""
    words = list(allowed)
    return f"{shown(value)} is not known; allowed: {', '.join(words)}{nearest(value, words)}"


def not_allowed(value: Any, allowed: str) -> str:
    """Return the message of a value that is not what stands here otherwise."""
    return f"{shown(value)} is not allowed here; allowed: {allowed}"
