"""Boxes and points of many images in one file, CSV or JSON.

Boxes: columns image, x0, y0, x1, y1, of volumes also z0 and z1, and label, the object's name, if wanted; in JSON a list
of such objects, or {image: [[x0, y0, x1, y1], ...]}, of volumes [x0, y0, z0, x1, y1, z1]. Points: columns image, object
(1 is the image's first box), x, y and inside (1 or 0). Positions count pixels (in a volume the file's own voxel
indices) from 0; a box runs from its first pixel to its last one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predict.errors import PromptError, UsageError
from predict.prompts.table_file import records

FLAT = ("x0", "y0", "x1", "y1")
SOLID = ("x0", "y0", "z0", "x1", "y1", "z1")
POINT = ("object", "x", "y", "inside")
SHOWN = 5
DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
"""A number as spreadsheets write it where the decimal sign is a comma, and columns are separated otherwise."""


@dataclass(frozen=True)
class NamedBoxes:
    """The boxes of one image: (N, 4) or (N, 6), float64, and the name of each object, empty if it has none."""

    boxes: NDArray[np.float64]
    names: tuple[str, ...]


NO_BOXES = NamedBoxes(np.empty((0, 4)), ())
NO_SCAN_BOXES = NamedBoxes(np.empty((0, 6)), ())


def read_boxes(path: Path) -> dict[str, NamedBoxes]:
    """Return the boxes of each image, by the name that the file gives it.

    Raises:
        PromptError: the file cannot be read, or has rows that are not boxes; the message lists the first of them.
    """
    rows: dict[str, list[tuple[list[float], str]]] = {}
    faults = []
    for where, record in records(path, ("image", *FLAT)):
        try:
            image, box = _text(record, "image"), _box(record)
            others = rows.setdefault(image, [])
            if others and len(others[0][0]) != len(box):
                raise ValueError(f"{image} has a box of {len(box)} numbers after one of {len(others[0][0])}")
            others.append((box, str(record.get("label") or "").strip()))
        except ValueError as error:
            faults.append(f"{where}: {error}")
    _raise(path, faults, "no boxes", bool(rows))
    return {
        image: NamedBoxes(np.array([box for box, _ in found], np.float64), tuple(name for _, name in found))
        for image, found in rows.items()
    }


def read_points(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the points (M, 4) of each image: object, x, y, inside.

    Raises:
        PromptError: the file cannot be read, or has rows that are not points; the message lists the first of them.
    """
    rows: dict[str, list[list[float]]] = {}
    faults = []
    for where, record in records(path, ("image", *POINT)):
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


def parse_boxes(texts: Iterable[str]) -> NamedBoxes:
    """Return the boxes of one image, each written as x0,y0,x1,y1 or x0,y0,z0,x1,y1,z1.

    Raises:
        UsageError: a text is not a box, or they are of two kinds.
    """
    boxes: list[list[float]] = []
    for text in texts:
        try:
            box = [float(number) for number in text.split(",")]
        except ValueError:
            box = []
        if len(box) not in (len(FLAT), len(SOLID)) or (boxes and len(box) != len(boxes[0])):
            raise UsageError(f"--box {text}: write {','.join(FLAT)} for a picture, {','.join(SOLID)} for a scan")
        boxes.append(box)
    return NamedBoxes(np.array(boxes), ("",) * len(boxes))


def _text(record: Mapping[str, Any], column: str) -> str:
    text = record.get(column)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{column} is missing")
    return text.strip()


def _box(record: Mapping[str, Any]) -> list[float]:
    if "box" in record and "x0" not in record:
        columns = {4: FLAT, 6: SOLID}.get(len(record["box"]) if isinstance(record["box"], list) else 0, ())
        record = dict(zip(columns, record["box"], strict=True)) if columns else {}
    flat = all(_is_blank(record.get(column)) for column in ("z0", "z1"))
    return [_number(record, column) for column in (FLAT if flat else SOLID)]


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _number(record: Mapping[str, Any], column: str) -> float:
    value = record.get(column)
    if _is_blank(value):
        raise ValueError(f"{column} is missing")
    if isinstance(value, str) and DECIMAL_COMMA.fullmatch(value.strip()):
        value = value.replace(",", ".")
    try:
        if isinstance(value, bool):
            raise TypeError
        return float(value)  # type: ignore[arg-type]  # what is not a number raises
    except (TypeError, ValueError):
        raise ValueError(f"{column} is {value!r}, not a number") from None


def _raise(path: Path, faults: Iterable[str], nothing: str, some: bool) -> None:
    faults = list(faults)
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise PromptError(f"{path}: {'; '.join(faults[:SHOWN])}{more}")
    if not some:
        raise PromptError(f"{path} holds {nothing}")
