"""Boxes and points of many images in one file, CSV or JSON.

Boxes: columns image, x0, y0, x1, y1 and, of volumes, z0 and z1, and `label`, the object's name, if wanted; in JSON a
list of such objects, or {image: [[x0, y0, x1, y1], ...]}, of volumes [x0, y0, z0, x1, y1, z1]. Points: columns image,
object (1 is the image's first box), x, y and inside (1 or 0). Places count pixels (in a volume the file's own voxel
indices) from 0; a box runs from its first pixel to its last one.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predict.errors import PromptError

FLAT = ("x0", "y0", "x1", "y1")
SOLID = ("x0", "y0", "z0", "x1", "y1", "z1")
POINT = ("object", "x", "y", "inside")
LABEL = "label"
SHOWN = 5

Record = tuple[str, Mapping[str, Any]]
"""Where something stands, and what stands there."""


@dataclass(frozen=True)
class Objects:
    """The objects of one image: boxes (N, 4) or (N, 6), float64, and the name of each, empty if it has none."""

    boxes: NDArray[np.float64]
    names: tuple[str, ...]


def read_boxes(path: Path) -> dict[str, Objects]:
    """Return the objects of each image, by the name that the file gives it.

    Raises:
        PromptError: the file cannot be read, or has rows that are no boxes; the message lists the first of them.
    """
    rows: dict[str, list[tuple[list[float], str]]] = {}
    faults = []
    for where, record in _records(path, ("image", *FLAT)):
        try:
            image, box = _text(record, "image"), _box(record)
            others = rows.setdefault(image, [])
            if others and len(others[0][0]) != len(box):
                raise ValueError(f"{image} has a box of {len(box)} numbers after one of {len(others[0][0])}")
            others.append((box, str(record.get(LABEL) or "").strip()))
        except ValueError as error:
            faults.append(f"{where}: {error}")
    _raise(path, faults, "no boxes", bool(rows))
    return {
        image: Objects(np.array([box for box, _ in found], np.float64), tuple(name for _, name in found))
        for image, found in rows.items()
    }


def read_points(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the points (M, 4) of each image: object, x, y, inside.

    Raises:
        PromptError: the file cannot be read, or has rows that are no points; the message lists the first of them.
    """
    rows: dict[str, list[list[float]]] = {}
    faults = []
    for where, record in _records(path, ("image", *POINT)):
        try:
            image, point = _text(record, "image"), [_number(record, column) for column in POINT]
            if point[0] < 1 or point[0] != int(point[0]):
                raise ValueError(f"object is {point[0]:g}; objects count 1, 2, 3, ...")
            if point[3] not in (0, 1):
                raise ValueError(f"inside is {point[3]:g}; it must be 1 (inside the object) or 0")
            rows.setdefault(image, []).append(point)
        except ValueError as error:
            faults.append(f"{where}: {error}")
    _raise(path, faults, "no points", bool(rows))
    return {image: np.array(found) for image, found in rows.items()}


def _records(path: Path, columns: tuple[str, ...]) -> Iterator[Record]:
    """Yield each row with the place where it stands."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if path.suffix.lower() == ".json":
        yield from _json_records(path, text)
        return
    reader = csv.DictReader(text.splitlines(), restkey="")
    try:
        there = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = there
        if missing := [name for name in columns if name not in there]:
            raise PromptError(
                f"{path} has no column {', '.join(missing)}; its first line names {', '.join(there) or 'nothing'}. "
                f"It must name {', '.join(columns)}, set apart by commas"
            )
        for record in reader:
            yield f"line {reader.line_num}", record
    except csv.Error as error:
        raise PromptError(f"{path} is no CSV file: {error}") from error


def _json_records(path: Path, text: str) -> Iterator[Record]:
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise PromptError(f"{path} is no JSON file: {error}") from error
    if isinstance(content, list):
        for number, record in enumerate(content, start=1):
            yield f"entry {number}", record if isinstance(record, dict) else {}
    elif isinstance(content, dict):
        for image, boxes in content.items():
            for number, box in enumerate(boxes if isinstance(boxes, list) else [None], start=1):
                yield f"{image}, box {number}", {"image": image, **_named(box)}
    else:
        raise PromptError(f"{path} holds {type(content).__name__}; it must be a list of objects, or image: boxes")


def _named(box: Any) -> dict[str, Any]:
    columns = {4: FLAT, 6: SOLID}.get(len(box) if isinstance(box, list) else 0)
    return dict(zip(columns, box, strict=True)) if columns else {}


def _text(record: Mapping[str, Any], column: str) -> str:
    text = record.get(column)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{column} is missing")
    return text.strip()


def _box(record: Mapping[str, Any]) -> list[float]:
    blank = all(record.get(column) in (None, "") for column in ("z0", "z1"))
    return [_number(record, column) for column in (FLAT if blank else SOLID)]


def _number(record: Mapping[str, Any], column: str) -> float:
    value = record.get(column)
    if value is None or value == "":
        raise ValueError(f"{column} is missing")
    try:
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{column} is {value!r}, no number") from None


def _raise(path: Path, faults: Iterable[str], nothing: str, some: bool) -> None:
    faults = list(faults)
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise PromptError(f"{path}: {'; '.join(faults[:SHOWN])}{more}")
    if not some:
        raise PromptError(f"{path} holds {nothing}")
