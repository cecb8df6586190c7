"""Faults of a recipe: a stable code, the key, and a message with the value, what is allowed and the nearest match."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

KeyPath = tuple[str | int, ...]
"""Keys and list positions from the top of a document to a value."""

_MAX_LENGTH = 60


class Code(StrEnum):
    """The kind of a fault. Codes are stable; messages may change."""

    YAML = "yaml"  # not YAML, or YAML that recipes do not use (tags, endless aliases)
    DUPLICATE_KEY = "duplicate_key"  # a key that occurs twice in one mapping
    UNKNOWN_KEY = "unknown_key"  # a key that does not exist
    MISPLACED_KEY = "misplaced_key"  # a key that belongs at the top, or inside `cases`
    MISSING = "missing"  # a required key is missing
    UNKNOWN_VALUE = "unknown_value"  # none of the words that are allowed
    BAD_VALUE = "bad_value"  # a value of the wrong type, form or size
    DUPLICATE_VALUE = "duplicate_value"  # an item that occurs twice in one list
    PATTERN = "pattern"  # a path pattern or a template with wrong syntax
    UNKNOWN_FIELD = "unknown_field"  # a {field} that the image pattern does not have
    NO_EFFECT = "no_effect"  # a key that means nothing for this encoding or layout
    CONFLICT = "conflict"  # values that contradict each other


@dataclass(frozen=True)
class Fault:
    """One fault: at which key, of which kind, and the message. `line` counts from 1; None means that of the key."""

    path: KeyPath
    code: Code
    message: str
    line: int | None = None

    @property
    def key(self) -> str:
        """The path as messages show it, such as `cases[0].image`; empty for the document as a whole."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path).lstrip(".")


def quote(value: Any) -> str:
    """Return a YAML value as messages show it: `null`, `true`, 'text', 5; long values are shortened."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 4]} ..."


def nearest(value: Any, allowed: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or an empty string if no allowed word is similar."""
    by_fold = {word.casefold(): word for word in allowed}
    match = difflib.get_close_matches(str(value).casefold(), by_fold, n=1, cutoff=0.6)
    return f"; did you mean {by_fold[match[0]]!r}?" if match else ""


def unknown(value: Any, allowed: Iterable[str]) -> str:
    """Return the message for a value that is not one of the allowed words."""
    words = list(allowed)
    return f"{quote(value)} is not known; allowed: {', '.join(words)}{nearest(value, words)}"


def not_allowed(value: Any, allowed: str) -> str:
    """Return the message for a value of the wrong type, form or size."""
    return f"{quote(value)} is not allowed here; allowed: {allowed}"
