"""Read a table of a CSV or a JSON file, as spreadsheets and programs write them, row by row."""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from predict.errors import PromptError

Record = tuple[str, Mapping[str, Any]]
"""Where a row is in its file, and its values by column."""

DELIMITERS = (",", ";", "\t")
SEPARATOR_LINE = re.compile(r"sep=(.)\s*$")
"""The first line by which Excel names the delimiter."""
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

ALIASES = {
    "image": ("image", "filename", "file_name", "file", "path", "image_path", "image_name"),
    "label": ("label", "class", "class_name"),
    "x0": ("x0", "xmin", "x_min"),
    "y0": ("y0", "ymin", "y_min"),
    "z0": ("z0", "zmin", "z_min"),
    "x1": ("x1", "xmax", "x_max"),
    "y1": ("y1", "ymax", "y_max"),
    "z1": ("z1", "zmax", "z_max"),
}
"""Names of each column that are understood, in any case of letters."""
COLUMN_OF = {alias: column for column, aliases in ALIASES.items() for alias in aliases}


def records(path: Path, columns: tuple[str, ...]) -> Iterator[Record]:
    """Yield the rows of a table with their place in the file; columns have their own names, whichever alias was used.

    Raises:
        PromptError: the file cannot be read, lacks one of `columns`, or names one twice.
    """
    text = _text(path)
    yield from _json_records(path, text) if path.suffix.lower() == ".json" else _csv_records(path, text, columns)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PromptError(f"{path} cannot be read: {error.strerror or error}") from error
    encoding = next((encoding for bom, encoding in BOMS.items() if content.startswith(bom)), None)
    if encoding is None and content[1:2] == b"\0":
        encoding = "utf-16-le"  # without the mark that says so; a table begins with a letter of ASCII
    try:
        return content.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        raise PromptError(f"{path} is neither UTF-8 nor UTF-16: save it as CSV in UTF-8 ({error})") from error


def _csv_records(path: Path, text: str, columns: tuple[str, ...]) -> Iterator[Record]:
    said = SEPARATOR_LINE.match(text.partition("\n")[0])
    start = text.find("\n") + 1 if said else 0
    rows = csv.reader(io.StringIO(text[start:], newline=""), delimiter=said[1] if said else _delimiter(text))
    offset = 1 if said else 0
    try:
        header = next((row for row in rows if any(cell.strip() for cell in row)), [])
        names = [column_name(cell) for cell in header]
        if twice := {name for name in names if names.count(name) > 1 and name}:
            raise PromptError(f"{path} names the column {', '.join(sorted(twice))} twice: {', '.join(header)}")
        if missing := [name for name in columns if name not in names]:
            raise PromptError(
                f"{path} has no column {', '.join(missing)}; its first line names {', '.join(header) or 'nothing'}. "
                f"It must name {', '.join(columns)}, separated by commas, semicolons or tabs"
            )
        for row in rows:
            if any(cell.strip() for cell in row):
                yield f"line {rows.line_num + offset}", dict(zip(names, row, strict=False))
    except csv.Error as error:
        raise PromptError(f"{path} is not a CSV file: {error}") from error


def _delimiter(text: str) -> str:
    """Return the delimiter that occurs most in the first line that is not blank."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(DELIMITERS, key=first.count)


def column_name(text: str) -> str:
    """Return the column that a name or an alias of it means, in lower case."""
    name = text.strip().lower().replace(" ", "_")
    return COLUMN_OF.get(name, name)


def _json_records(path: Path, text: str) -> Iterator[Record]:
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise PromptError(f"{path} is not a JSON file: {error}") from error
    if isinstance(content, list):
        for number, record in enumerate(content, start=1):
            values = record if isinstance(record, dict) else {}
            yield f"entry {number}", {column_name(key): value for key, value in values.items()}
    elif isinstance(content, dict):
        for image, boxes in content.items():
            for number, box in enumerate(boxes if isinstance(boxes, list) else [None], start=1):
                yield f"{image}, box {number}", {"image": image, "box": box}
    else:
        raise PromptError(f"{path} holds {type(content).__name__}; it must be a list of objects, or image: boxes")
