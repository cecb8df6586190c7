"""CSV files of a source that tell something of each case: its patient, its split."""

import csv
from pathlib import Path

from curate.errors import SourceError


def read_table(path: Path, key: str, value: str, what: str) -> dict[str, str]:
    """Return column `key` to column `value` of a CSV file (comma, semicolon or tab; UTF-8); empty cells are left out.

    `what` names the column `value` in messages. Raises FileNotFoundError where there is no file, SourceError where it
    cannot be read, lacks a column, or gives one case two values.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        rows = list(csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count)))
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"the {what} table {path} cannot be read: {error}") from None
    header = [column.strip() for column in rows[0]] if rows else []
    missing = [column for column in (key, value) if column not in header]
    if missing:
        columns = ", ".join(header) or "(none)"
        raise SourceError(f"the {what} table {path} has no column {' and '.join(missing)}; it has: {columns}")
    at_key, at_value = header.index(key), header.index(value)
    found: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        if len(row) <= max(at_key, at_value) or not row[at_key].strip() or not row[at_value].strip():
            continue
        case, content = row[at_key].strip(), row[at_value].strip()
        if found.setdefault(case, content) != content:
            raise SourceError(f"{path}:{number}: case {case!r} has two {what}s: {found[case]!r}, {content!r}")
    return found
