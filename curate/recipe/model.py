"""The recipe as written: its keys, their types, and their descriptions for editors.

This module checks each key alone; `curate.recipe.resolve` checks keys against each other. A key of `Defaults` may be at
the top or in a group of `cases`; the group takes precedence. null means the default.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PlainValidator, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from catalog.names import ANATOMIES, DATASET_PATTERN, MODALITY_TOKENS
from curate.imaging.window import PRESETS
from curate.labels.registry import ENCODINGS

NAME_PATTERN = rf"^(?:{DATASET_PATTERN})$"
SEQUENCE_PATTERN = r"^[a-z0-9]+$"
URL_PATTERN = r"^https?://\S+$"
LABEL_PATTERN = r"^[A-Za-z0-9_.+-]+$"
CHANNEL_PATTERN = r"^(?:0|[1-9][0-9]{0,3})$"
DOI_PATTERN = r"^10\.[0-9]{4,9}/\S+$"
RECIPE_PATTERN = r"^[a-z0-9_]+(?:/[a-z0-9_]+)*$"


def _registered_encoding(name: Any) -> Any:
    """Check the name of an encoding when a recipe is read, since encodings can be registered at any time."""
    if not isinstance(name, str) or name not in ENCODINGS:
        expected = " or ".join(map(repr, ENCODINGS))
        raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
    return name


Axis = Literal["x", "y", "z"]
AXES: tuple[Axis, ...] = ("x", "y", "z")
if TYPE_CHECKING:
    Modality = str
    Anatomy = str
    Encoding = str
    WindowName = str
else:
    Modality = Literal[tuple(MODALITY_TOKENS)]
    Anatomy = Literal[ANATOMIES]
    Encoding = Annotated[
        str, PlainValidator(_registered_encoding), WithJsonSchema({"type": "string", "enum": list(ENCODINGS)})
    ]
    WindowName = Literal[(*PRESETS, "percentile", "minmax", "none")]
Number = Annotated[float, Field(allow_inf_nan=False)]


def _one_or_list(value: Any) -> str:
    return "<list>" if isinstance(value, list) else "<one>"


def _one_or_mapping(value: Any) -> str:
    return "<mapping>" if isinstance(value, dict) else "<one>"


def _split_shape(value: Any) -> str:
    if not isinstance(value, dict):
        return "<name>"
    return next((f"<{key}>" for key in ("csv", "lists") if key in value), "<field>")


def _window_shape(value: Any) -> str:
    if not isinstance(value, dict):
        return "<name>"
    return next((f"<{key}>" for key in ("percentile", "minmax") if key in value), "<level>")


class Mapping(BaseModel):
    """A mapping in a recipe: unknown keys are refused and values are not converted (the text "1" is not a number)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def keys_of(kind: type[Mapping]) -> list[str]:
    """Return the keys of a mapping as a recipe writes them."""
    return [field.alias or name for name, field in kind.model_fields.items()]


class License(Mapping):
    """The terms of use of the source."""

    name: str = Field(description="SPDX id, such as CC-BY-4.0, or the source's own words.", min_length=1)
    redistributable: bool | None = Field(None, description="Whether copies may be redistributed; null: unknown.")
    commercial: bool | None = Field(None, description="Whether commercial use is allowed; null: unknown.")


class LevelWidth(Mapping):
    """A window given by its centre and width, in HU or stored units."""

    level: Number = Field(description="Centre of the window.")
    width: Number = Field(description="Width of the window.", gt=0)


class Percentile(Mapping):
    """A window between two percentiles of the non-zero pixels of the volume."""

    percentile: list[Annotated[Number, Field(ge=0, le=100)]] = Field(
        description="Low and high, in percent.", min_length=2, max_length=2
    )


class MinMax(Mapping):
    """A window from the minimum to the maximum."""

    minmax: Literal["volume", "slice"] = Field(description="Take the extremes of the volume or of each slice.")


Window = Annotated[
    Annotated[WindowName, Tag("<name>")]
    | Annotated[LevelWidth, Tag("<level>")]
    | Annotated[Percentile, Tag("<percentile>")]
    | Annotated[MinMax, Tag("<minmax>")],
    Discriminator(_window_shape),
]


class PatientTable(Mapping):
    """A CSV file that gives the patient of each case."""

    csv: str = Field(description="Path relative to the source folder.", min_length=1)
    case: str = Field(description="Name of the column with the case id.", min_length=1)
    patient: str = Field(description="Name of the column with the patient id.", min_length=1)


SplitName = Literal["train", "val", "test"]
_SplitMap = Annotated[dict[str, SplitName | None], Field(min_length=1)]


class SplitField(Mapping):
    """The official split by a field of the image's path, such as the folder."""

    field: str = Field(description="A field of `image`.", min_length=1)
    map: _SplitMap | None = Field(
        None, description="Word of the field to train, val, test, or null for none. Default: the words themselves."
    )


class SplitTable(Mapping):
    """The official split by a CSV file."""

    csv: str = Field(description="Path relative to the source folder.", min_length=1)
    case: str = Field(description="The column with the case id or the patient id.", min_length=1)
    split: str = Field(description="The column with the split.", min_length=1)
    map: _SplitMap | None = Field(
        None, description="Word of the column to train, val, test, or null for none. Default: the words themselves."
    )


class SplitLists(Mapping):
    """The official split by text files with one case id, patient id or file name a line."""

    lists: dict[SplitName, Annotated[str, Field(min_length=1)]] = Field(
        description="Split to the path of its list, relative to the source folder.", min_length=1
    )


class Rescale(Mapping):
    """Intensity = stored value x slope + intercept, for files whose header lacks them."""

    slope: Number = Field(1.0, description="Factor; not 0.")
    intercept: Number = Field(0.0, description="Offset, such as -1024 for CT.")


class Channel(Mapping):
    """One channel of a 4D or multi-channel image, or one word of a modality map; each becomes a separate image."""

    sequence: Annotated[str, Field(pattern=SEQUENCE_PATTERN)] | None = Field(
        None, description="Sequence, such as flair or t1c; part of the image's name."
    )
    modality: Modality | None = Field(None, description="Modality, if different from the group's.")
    window: Window | None = Field(None, description="Window, if different from the group's.")


class ModalityMap(Mapping):
    """The modality, given by a field of the file name."""

    field: str = Field(description="Name of a field in `image`.", min_length=1)
    map: dict[
        str,
        Annotated[
            Annotated[Modality, Tag("<one>")] | Annotated[Channel, Tag("<mapping>")], Discriminator(_one_or_mapping)
        ],
    ] = Field(
        description="Maps each word of the field to a modality, or to {modality: ..., sequence: ..., window: ...}.",
        min_length=1,
    )


_VALUE = {
    "anyOf": [
        {"type": "integer"},
        {"type": "string"},
        {"type": "array", "minItems": 1, "items": {"type": ["integer", "string", "array"]}},
    ]
}
_LABELS_SCHEMA = {
    "oneOf": [
        {"const": "*"},
        {
            "type": "array",
            "items": {"type": "string", "pattern": LABEL_PATTERN},
            "minItems": 1,
            "uniqueItems": True,
        },
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": LABEL_PATTERN},
            "additionalProperties": {
                "anyOf": [
                    *_VALUE["anyOf"],
                    {
                        "type": "object",
                        "properties": {
                            "value": {**_VALUE, "description": "Id, grey level, colour or word, or a list of them."},
                            "anatomy": {
                                "enum": list(ANATOMIES),
                                "description": "Anatomical group, if different from the recipe's first.",
                            },
                        },
                        "additionalProperties": False,
                    },
                ]
            },
        },
    ]
}
_IGNORE_SCHEMA = {"type": "array", "items": {"type": ["integer", "string", "array"]}}


class Defaults(Mapping):
    """Keys allowed at the top of a recipe and in a group of cases; the group takes precedence."""

    modality: (
        Annotated[
            Annotated[Modality, Tag("<one>")] | Annotated[ModalityMap, Tag("<mapping>")],
            Discriminator(_one_or_mapping),
        ]
        | None
    ) = Field(None, description="Modality, or {field: ..., map: ...} to take it from a field. Required.")
    sequence: Annotated[str, Field(pattern=SEQUENCE_PATTERN)] | None = Field(
        None, description="MR sequence or similar, such as flair or t1c; part of the image's name."
    )
    anatomy: (
        Annotated[
            Annotated[Anatomy, Tag("<one>")] | Annotated[list[Anatomy], Field(min_length=1), Tag("<list>")],
            Discriminator(_one_or_list),
        ]
        | None
    ) = Field(None, description="Anatomical group or groups; the first applies to the labels. Required.")
    patient: (
        Annotated[
            Annotated[str, Field(min_length=1), Tag("<one>")] | Annotated[PatientTable, Tag("<mapping>")],
            Discriminator(_one_or_mapping),
        ]
        | None
    ) = Field(
        None,
        description="Template of the patient id, such as {site}_{patient}, or a CSV file. "
        "Default: the field {patient}, else the case id.",
    )
    split: (
        Annotated[
            Annotated[SplitName, Tag("<name>")]
            | Annotated[SplitField, Tag("<field>")]
            | Annotated[SplitTable, Tag("<csv>")]
            | Annotated[SplitLists, Tag("<lists>")],
            Discriminator(_split_shape),
        ]
        | None
    ) = Field(
        None,
        description="The official split: train, val or test; or {field: ..., map: ...} by a field of the path; or "
        "{csv: ..., case: COLUMN, split: COLUMN, map: ...}; or {lists: {train: FILE, test: FILE}}.",
    )
    labels: Annotated[Any, WithJsonSchema(_LABELS_SCHEMA)] = Field(
        None,
        description="Maps names to values, in the order of the class ids. A value is an id, a grey level, a colour, "
        "a word of the file name, or a list of these (a region). '*' with one file per label takes every word found. "
        "Required if a group has a label.",
    )
    encoding: Encoding | None = Field(
        "ids",
        description="How label files encode labels. "
        + "; ".join(f"{encoding.name}: {encoding.meaning}" for encoding in ENCODINGS.values()),
    )
    threshold: Number | None = Field(
        None,
        description="Foreground is >= threshold (inverted: < threshold). Default: 128 for threshold, inverted and "
        "outline; any non-zero value for files, instance_files and one_hot.",
    )
    tolerance: Annotated[int, Field(ge=0, le=127)] | None = Field(
        0, description="grey and rgb: largest allowed distance of a channel from a listed level (JPEG)."
    )
    nearest: bool | None = Field(
        False, description="grey and rgb: take the nearest listed level or colour at any distance (blended edges)."
    )
    ignore: Annotated[list[Any], WithJsonSchema(_IGNORE_SCHEMA)] | None = Field(
        None,
        description="Ids, levels or colours to ignore. 0 and black are background unless a label has them.",
    )
    window: Window | None = Field(
        None,
        description="Conversion of intensities to 8 bits: a CT preset, a level and width, percentile, minmax, or "
        "none. Default by modality; required for CT.",
    )
    nan: Literal["error", "background"] | None = Field(
        "error", description="error: NaN and infinities fail the case; background: they become the lowest value."
    )
    rescale: Rescale | None = Field(None, description="Slope and intercept for files whose header lacks them.")
    channels: dict[Annotated[str, Field(pattern=CHANNEL_PATTERN)], Channel] | None = Field(
        None,
        description="Channels of a 4D or multi-channel image, by index from 0; each becomes a separate image.",
        min_length=1,
    )
    axes: Annotated[list[Axis], Field(min_length=1)] | None = Field(
        list(AXES), description="Slice axes of volumes: sagittal (x), coronal (y), axial (z)."
    )
    stack: Literal["volume", "frames"] | None = Field(
        "volume", description="Treat the pages of a file as slices of a volume, or as frames: separate 2D images."
    )
    orient: Literal["radiological", "native"] | None = Field(
        "radiological", description="Orient slices as radiologists view them, or keep the stored order (native)."
    )
    isotropic: bool | None = Field(False, description="Resize slices to square pixels.")
    geometry: Literal["header", "index"] | None = Field(
        "header", description="header: match label and image by position; index: by voxel index (wrong headers)."
    )
    aspect: bool | None = Field(
        None, description="Drop slices whose short edge is less than half the long edge. Default: volumes only."
    )
    min_area: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        100, description="Smallest mask to keep, in pixels of a slice resized to 256 x 256."
    )
    union: bool | None = Field(False, description="Also write union_<a>_<b> masks of labels that touch.")
    subsample: Annotated[int, Field(ge=1)] | None = Field(1, description="Keep every n-th case, in name order.")
    missing_labels: Literal["error", "skip"] | None = Field(
        "error",
        description="An image without a label file fails, or (skip) is left out: sources that label a part of theirs.",
    )
    spacing: (
        Annotated[list[Annotated[float, Field(gt=0, allow_inf_nan=False)]], Field(min_length=2, max_length=3)] | None
    ) = Field(None, description="[row, col] or [slice, row, col] in mm, for formats without spacing.")


class Group(Defaults):
    """Cases with the same layout: one pattern for the images and one for the labels."""

    model_config = ConfigDict(json_schema_extra={"required": ["image"]})

    image: str | None = Field(
        None,
        description="Pattern of the images, relative to the source folder: {word} or {word:REGEX} is a field, "
        "* matches within a name, ** any folders.",
    )
    label: str | None = Field(
        None,
        description="Pattern of the labels, filled with the image's fields; may contain {label} (files), "
        "{instance} (instance_files) and *. Without it, the group has images only.",
    )
    excluded_images: Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        alias="not",
        description="Patterns of files that are not images of this group, such as label files in the same folder.",
    )
    case: str | None = Field(
        None,
        description="Template of the case id, such as {site}_{case}. Default: {case}, else all fields.",
    )


class Expect(Mapping):
    """The counts of a complete source; a different number is a warning."""

    cases: Annotated[int, Field(ge=0)] | None = Field(None, description="Number of case ids.")
    images: Annotated[int, Field(ge=0)] | None = Field(None, description="Number of image files.")


def _required(schema: dict[str, Any]) -> None:
    """Add what a recipe needs: cases, or the reason why it has none."""
    incomplete = {"properties": {"status": {"const": "incomplete"}}, "required": ["status"]}
    schema["required"] = ["name", "license"]
    schema["if"], schema["then"], schema["else"] = incomplete, {"required": ["reason"]}, {"required": ["cases"]}


class Recipe(Defaults):
    """A source of images and segmentations, and how to read it."""

    model_config = ConfigDict(title="medcorpus recipe", json_schema_extra=_required)

    name: Annotated[str, Field(pattern=NAME_PATTERN)] | None = Field(
        None, description="Unique name of the data set in the corpus: letters, digits, _ and single -."
    )
    title: str | None = Field(None, description="Title of the data set, for readers.")
    homepage: Annotated[str, Field(pattern=URL_PATTERN)] | None = Field(None, description="Home page, for readers.")
    doi: Annotated[str, Field(pattern=DOI_PATTERN)] | None = Field(
        None, description="DOI of the data set, else of its paper: 10.5281/zenodo.7262581."
    )
    citation: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="The publication to cite: authors, title, journal, year."
    )
    status: Literal["seen", "recalled", "incomplete"] | None = Field(
        None,
        description="Were the layout and the labels seen in a published loader or description (seen), are they from "
        "memory in part (recalled), or can the source not be curated yet (incomplete, with a reason)?",
    )
    reason: Annotated[str, Field(min_length=1)] | None = Field(None, description="Why a recipe is incomplete.")
    overlaps: list[Annotated[str, Field(pattern=RECIPE_PATTERN)]] | None = Field(
        None, description="Recipes of sources that share scans or patients with this one.", min_length=1
    )
    notes: str | None = Field(None, description="What a reader must know about the source, and the evidence for it.")
    license: License | None = Field(None, description="Terms of use; null: unknown.")
    source: str | None = Field(
        None,
        description="Folder of the data: package:NAME/sub/folder in an installed Python package, or an absolute "
        "path. --source takes precedence.",
    )
    cases: (
        Annotated[
            Annotated[Group, Tag("<one>")] | Annotated[list[Group], Field(min_length=1), Tag("<list>")],
            Discriminator(_one_or_list),
        ]
        | None
    ) = Field(None, description="One group of cases, or several; an incomplete recipe may do without.")
    exclude: dict[str, Annotated[str, Field(min_length=1)]] | None = Field(
        None, description="Cases to leave out: maps each case id to the reason."
    )
    expect: Expect | None = Field(None, description="Counts of a complete source; a different number is a warning.")

    @property
    def groups(self) -> list[Group]:
        """The groups of cases; a recipe may write a single group without a list."""
        if self.cases is None:
            return []
        return self.cases if isinstance(self.cases, list) else [self.cases]
