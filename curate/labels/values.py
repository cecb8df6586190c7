"""How recipes write the values of labels: ids, grey levels, colours, words."""

import re
import unicodedata
from typing import Any

from curate.labels.base import Values

Color = tuple[int, int, int]

_COLOR = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")


def _whole_number(low: int, high: int) -> Any:
    return lambda item: item if type(item) is int and low <= item <= high else None


def _name_first(item: Any, path: tuple[str | int, ...]) -> str:
    swapped = path and isinstance(item, str) and str(path[0]).isdigit()
    return f"; write the name first: {item}: {path[0]}" if swapped else ""


def _read_color(item: Any) -> Color | None:
    if isinstance(item, str):
        found = _COLOR.fullmatch(item)
        item = [int(part, 16) for part in found.groups()] if found else None
    if not isinstance(item, list) or len(item) != 3:
        return None
    red, green, blue = item
    return (red, green, blue) if all(type(v) is int and 0 <= v <= 255 for v in item) else None


def _is_color(written: Any) -> bool:
    return not isinstance(written, list) or bool(written and all(type(v) is int for v in written))


def _read_word(item: Any) -> str | None:
    word = unicodedata.normalize("NFC", item) if isinstance(item, str) else ""
    return word if word.strip(".") and not re.search(r"[/\\*{}\0]", word) else None


IDS = Values("a whole number, or a list of them", _whole_number(-(2**31), 2**31 - 1), hint=_name_first)
GREY_LEVELS = Values("a grey level from 0 to 65535, or a list of them", _whole_number(0, 65535), hint=_name_first)
CHANNELS = Values("a channel counted from 0, or a list of them", _whole_number(0, 9999), hint=_name_first)
COLORS = Values(
    'a colour such as "#ff0000" (in quotes) or [255, 0, 0], or a list of them',
    _read_color,
    _is_color,
    lambda item, path: "; a colour without quotes is a comment" if item is None else "",
)
WORDS = Values(
    "the word that stands for {label} in the file name, without / and *, or a list of them",
    _read_word,
    hint=lambda item, path: "; in quotes it is text" if type(item) in (int, float, bool) else "",
)
