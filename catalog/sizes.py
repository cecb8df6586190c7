"""Byte sizes as users write and read them: `8G`, `500M`, `1.5 GB`.

Units are powers of 1024, as in `docker --memory` or Java's `-Xmx`; `K`, `KB` and `KiB` mean the same.
"""

import re

_UNITS = ("", "K", "M", "G", "T")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])i?)?B?", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Return the number of bytes that `8G`, `500M`, `1.5 GiB` or a plain number stands for.

    Raises:
        ValueError: The text is not a size, or is zero; the message is written for users.
    """
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * 1024 ** _UNITS.index((match[2] or "").upper())) if match else 0
    if not size:
        raise ValueError(f"{text!r} is not a size: write a number and a unit, such as 8G or 500M")
    return size


def format_size(size: float) -> str:
    """Return a number of bytes with three significant digits and a unit: `512 B`, `1.5 KB`, `8 GB`, `-2 MB`."""
    value, unit = abs(size), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    digits = max(0, 2 - len(str(int(value))) + 1) if unit else 0
    number = f"{value:.{digits}f}"
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{'-' if size < 0 else ''}{number} {_UNITS[unit]}B"
