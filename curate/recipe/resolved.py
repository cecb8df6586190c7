"""A recipe with every default filled in and every key checked: what the pipeline works with."""

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from curate.dicom.rules import Wanted
from curate.imaging.window import Window

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Label:
    """A class of a recipe; `id` counts from 1 in the recipe's order and is not the id in the corpus.

    `values`: ids, grey levels, (red, green, blue), or words of file names; empty where the encoding has one
    label.
    """

    name: str
    id: int
    values: tuple[int, ...] | tuple[Color, ...] | tuple[str, ...]
    anatomy: str


@dataclass(frozen=True)
class Channel:
    """One output image of a case: the channel `index` of the file, or (None) the file as a whole."""

    index: int | None
    modality: str
    sequence: str | None
    window: Window


@dataclass(frozen=True)
class PatientTable:
    """A CSV file, relative to the source folder, and its columns with the case and the patient."""

    csv: str
    case: str
    patient: str


@dataclass(frozen=True)
class License:
    """The source's terms; None where they are unknown."""

    name: str
    redistributable: bool | None
    commercial: bool | None


@dataclass(frozen=True)
class Group:
    """Cases with one layout; the keys are those of the recipe, `spacing` in mm.

    With `any_label` each word found in place of `{label}` is a label, and `labels` is empty until they are found. With
    `series` the images are DICOM series chosen by tags, and `image` is that rule as text; `label_series` does the same
    for labels.
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
    series: Wanted | None = None
    label_series: Wanted | None = None
    suv: str | None = None


@dataclass(frozen=True)
class Recipe:
    """A checked recipe; `exclude` maps case ids to reasons, `expect` is what a whole source holds."""

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

    @cached_property
    def hash(self) -> str:
        """16 hex digits of everything that changes an output row or pixel.

        It leaves out title, homepage, notes, expect, exclude, source, path, whether commercial use is allowed,
        comments, and the order of keys other than labels.
        """
        meaning: dict[str, Any] = {
            "name": self.name,
            "license": [self.license.name, self.license.redistributable],
            "groups": [_without_defaults(group) for group in self.groups],
        }
        text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_defaults(group: Group) -> dict[str, Any]:
    """Return a group's keys, those with a default only where it was changed, so that a new key leaves old hashes."""
    defaults = {one.name: one.default for one in fields(Group) if one.default is not MISSING}
    return {name: value for name, value in asdict(group).items() if name not in defaults or value != defaults[name]}
