"""The resolved recipe, with every key checked and every default filled in, as the pipeline uses it."""

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from curate.imaging.window import Window

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Label:
    """A label of a recipe; `id` counts from 1 in the recipe's order and differs from the id in the corpus.

    `values` holds ids, grey levels, (red, green, blue) colours, or words of file names; it is empty if the encoding has
    a single label.
    """

    name: str
    id: int
    values: tuple[int, ...] | tuple[Color, ...] | tuple[str, ...]
    anatomy: str


@dataclass(frozen=True)
class Channel:
    """One output image of a case: the channel `index` of the file; None means the whole file."""

    index: int | None
    modality: str
    sequence: str | None
    window: Window


@dataclass(frozen=True)
class PatientTable:
    """A CSV file, relative to the source folder, and the names of its case and patient columns."""

    csv: str
    case: str
    patient: str


@dataclass(frozen=True)
class SplitField:
    """A field of the image's path, and (word, split) for what it holds; None is no split."""

    field: str
    words: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class SplitTable:
    """A CSV file, relative to the source folder, its columns with the case or patient and the split, and its words."""

    csv: str
    case: str
    split: str
    words: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class SplitLists:
    """(split, text file relative to the source folder) with a case, patient or file name a line."""

    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class License:
    """The terms of use of a source; None means unknown."""

    name: str
    redistributable: bool | None
    commercial: bool | None


@dataclass(frozen=True)
class Group:
    """Cases with one layout; attributes have the names of the recipe's keys, `spacing` is in mm.

    With `any_label`, every word found in place of `{label}` becomes a label; `labels` is empty until then.
    """

    image: str
    label: str | None
    case: str | None
    patient: str | PatientTable | None
    channels: tuple[Channel, ...]
    labels: tuple[Label, ...]
    encoding: str
    threshold: float | None
    tolerance: int
    ignore: tuple[int, ...] | tuple[Color, ...]
    axes: tuple[str, ...]
    stack: str
    orient: str
    isotropic: bool
    geometry: str
    aspect: bool | None
    min_area: float
    union: bool
    subsample: int
    spacing: tuple[float, ...] | None
    excluded_images: tuple[str, ...] = ()
    any_label: bool = False
    default_anatomy: str = "other"
    nearest: bool = False
    nan: str = "error"
    rescale: tuple[float, float] | None = None
    split: str | SplitField | SplitTable | SplitLists | None = None
    missing_labels: str = "error"


@dataclass(frozen=True)
class Recipe:
    """A checked recipe; `exclude` maps case ids to reasons, `expect` holds the counts of a complete source.

    `modalities` and `anatomies` are all that the recipe names, also if it is incomplete and has no groups.
    """

    name: str
    title: str | None
    homepage: str | None
    license: License
    source: str | None
    groups: tuple[Group, ...]
    exclude: dict[str, str] = field(default_factory=dict)
    expect: dict[str, int] = field(default_factory=dict)
    notes: str | None = None
    path: Path | None = None
    doi: str | None = None
    citation: str | None = None
    status: str | None = None
    reason: str | None = None
    overlaps: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    anatomies: tuple[str, ...] = ()

    @cached_property
    def hash(self) -> str:
        """Hash (16 hex digits) of everything in the recipe that affects an output row or pixel.

        Title, homepage, doi, citation, status, overlaps, notes, expect, exclude, source, path, commercial use,
        comments, and the order of keys other than labels do not affect it.
        """
        meaning: dict[str, Any] = {
            "name": self.name,
            "license": [self.license.name, self.license.redistributable],
            "groups": [_without_defaults(group) for group in self.groups],
        }
        text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_defaults(group: Group) -> dict[str, Any]:
    """Return a group's keys without those at their default, so that adding a key to `Group` keeps old hashes."""
    defaults = {key.name: key.default for key in fields(Group) if key.default is not MISSING}
    return {name: value for name, value in asdict(group).items() if name not in defaults or value != defaults[name]}
