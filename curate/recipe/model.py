"""The recipe as written: its keys, their types, and what an editor shows for each.

This module checks single keys; `curate.recipe.resolve` checks keys against each other. Keys of `Defaults` may be at the
top or inside a group of `cases`, which wins; null means the default.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from catalog.names import ANATOMIES, DATASET_PATTERN, MODALITY_TOKENS
from curate.dicom.rules import RULE_KEYS
from curate.imaging.window import PRESETS
from curate.labels.registry import ENCODINGS

NAME_PATTERN = rf"^(?:{DATASET_PATTERN})$"
SEQUENCE_PATTERN = r"^[a-z0-9]+$"
URL_PATTERN = r"^https?://\S+$"
LABEL_PATTERN = r"^[A-Za-z0-9_.+-]+$"
CHANNEL_PATTERN = r"^(?:0|[1-9][0-9]{0,3})$"

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
    Encoding = Literal[tuple(ENCODINGS)]
    WindowName = Literal[(*PRESETS, "percentile", "minmax", "none", "dicom")]
Number = Annotated[float, Field(allow_inf_nan=False)]


def _one_or_list(value: Any) -> str:
    return "<list>" if isinstance(value, list) else "<one>"


def _one_or_mapping(value: Any) -> str:
    return "<mapping>" if isinstance(value, dict) else "<one>"


def _window_shape(value: Any) -> str:
    if not isinstance(value, dict):
        return "<name>"
    return next((f"<{key}>" for key in ("percentile", "minmax") if key in value), "<level>")


class Mapping(BaseModel):
    """A mapping of a recipe: no unknown keys, no conversions (the text "1" is no number)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def keys_of(kind: type[Mapping]) -> list[str]:
    """Return the keys of a mapping as a recipe writes them."""
    return [field.alias or name for name, field in kind.model_fields.items()]


class License(Mapping):
    """Under which terms the source may be used."""

    name: str = Field(description="SPDX id, such as CC-BY-4.0, or the source's own words.", min_length=1)
    redistributable: bool | None = Field(None, description="May copies be passed on? null: unknown.")
    commercial: bool | None = Field(None, description="May it be used commercially? null: unknown.")


class LevelWidth(Mapping):
    """A window by its centre and its width, in HU or stored units."""

    level: Number = Field(description="The window's centre.")
    width: Number = Field(description="The window's width.", gt=0)


class Percentile(Mapping):
    """A window between two percentiles of the non-zero pixels of the volume."""

    percentile: list[Annotated[Number, Field(ge=0, le=100)]] = Field(
        description="Low and high, in percent.", min_length=2, max_length=2
    )


class MinMax(Mapping):
    """A window between the extremes."""

    minmax: Literal["volume", "slice"] = Field(description="Of what the extremes are taken.")


Window = Annotated[
    Annotated[WindowName, Tag("<name>")]
    | Annotated[LevelWidth, Tag("<level>")]
    | Annotated[Percentile, Tag("<percentile>")]
    | Annotated[MinMax, Tag("<minmax>")],
    Discriminator(_window_shape),
]


class PatientTable(Mapping):
    """A CSV file that tells each case's patient."""

    csv: str = Field(description="Path relative to the source folder.", min_length=1)
    case: str = Field(description="The column with the case id.", min_length=1)
    patient: str = Field(description="The column with the patient id.", min_length=1)


class Rescale(Mapping):
    """Intensity = stored value x slope + intercept, for files whose header lacks it."""

    slope: Annotated[float, Field(allow_inf_nan=False)] = Field(1.0, description="Factor; not 0.")
    intercept: Annotated[float, Field(allow_inf_nan=False)] = Field(0.0, description="Offset, such as -1024 for CT.")


_RULE = {"type": ["string", "number"]}
_SERIES_SCHEMA = {
    "type": "object",
    "properties": {
        key: {"anyOf": [_RULE, {"type": "array", "items": _RULE, "minItems": 1}], "description": rule.description}
        for key, rule in RULE_KEYS.items()
    },
    "additionalProperties": False,
}


class Channel(Mapping):
    """One channel of a 4D or multi-channel image, or one word of a modality map: an image of its own."""

    sequence: Annotated[str, Field(pattern=SEQUENCE_PATTERN)] | None = Field(
        None, description="Such as flair or t1c; part of the image's name."
    )
    modality: Modality | None = Field(None, description="Where it is not the group's.")
    window: Window | None = Field(None, description="Where it is not the group's.")


class ModalityMap(Mapping):
    """The modality by a field of the file name."""

    field: str = Field(description="A field of `image`.", min_length=1)
    map: dict[
        str,
        Annotated[
            Annotated[Modality, Tag("<one>")] | Annotated[Channel, Tag("<mapping>")], Discriminator(_one_or_mapping)
        ],
    ] = Field(
        description="Word of the field to a modality, or to {modality: ..., sequence: ..., window: ...}.", min_length=1
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
                            "value": {**_VALUE, "description": "Id, grey level, colour or word, or a list."},
                            "anatomy": {
                                "enum": list(ANATOMIES),
                                "description": "Where not the recipe's first.",
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
    """Keys that may stand at the top of a recipe, or inside a group of cases, where they win."""

    modality: (
        Annotated[
            Annotated[Modality, Tag("<one>")] | Annotated[ModalityMap, Tag("<mapping>")],
            Discriminator(_one_or_mapping),
        ]
        | None
    ) = Field(None, description="What kind of image it is, or {field: ..., map: ...} by a field. Required.")
    sequence: Annotated[str, Field(pattern=SEQUENCE_PATTERN)] | None = Field(
        None, description="The sequence, such as flair or t1c; part of the image's name."
    )
    anatomy: (
        Annotated[
            Annotated[Anatomy, Tag("<one>")] | Annotated[list[Anatomy], Field(min_length=1), Tag("<list>")],
            Discriminator(_one_or_list),
        ]
        | None
    ) = Field(None, description="Anatomical group or groups; the first is that of the labels. Required.")
    patient: (
        Annotated[
            Annotated[str, Field(min_length=1), Tag("<one>")] | Annotated[PatientTable, Tag("<mapping>")],
            Discriminator(_one_or_mapping),
        ]
        | None
    ) = Field(
        None,
        description="How the patient id is made from the fields, such as {site}_{patient}, or a CSV file. "
        " Default: the field {patient}, else the case id.",
    )
    labels: Annotated[Any, WithJsonSchema(_LABELS_SCHEMA)] = Field(
        None,
        description="Names to values, in the order of the class ids. A value is an id, a level, a colour, "
        "a word of the file name, or a list of these (a region); '*' with one file a label: every word found. "
        "Required where a group has a label.",
    )
    encoding: Encoding | None = Field(
        "ids",
        description="How a label file marks labels. " + "; ".join(f"{e.name}: {e.meaning}" for e in ENCODINGS.values()),
    )
    threshold: Number | None = Field(
        None,
        description="Foreground is >= threshold (inverted: <). Default 128 for threshold, inverted and "
        "outline, any non-zero value for files and instance_files.",
    )
    tolerance: Annotated[int, Field(ge=0, le=127)] | None = Field(
        0, description="grey and rgb: greatest distance a channel may have from a level (JPEG)."
    )
    nearest: bool | None = Field(
        False, description="grey and rgb: take the nearest listed level or colour, however far (blended edges)."
    )
    ignore: Annotated[list[Any], WithJsonSchema(_IGNORE_SCHEMA)] | None = Field(
        None,
        description="Ids, levels or colours that are neither a label nor unknown. 0 and black always are.",
    )
    window: Window | None = Field(
        None,
        description="How intensities become 8 bits: a CT preset, a level and a width, percentile, minmax, none, or "
        "dicom (the file's own). Required for CT.",
    )
    suv: Literal["bw"] | None = Field(
        None, description="PET series: standardised uptake values by body weight, with decay."
    )
    nan: Literal["error", "background"] | None = Field(
        "error", description="NaN and infinities fail the case, or become the image's lowest value."
    )
    rescale: Rescale | None = Field(None, description="Slope and intercept for stored values whose header lacks them.")
    channels: dict[Annotated[str, Field(pattern=CHANNEL_PATTERN)], Channel] | None = Field(
        None,
        description="Channels of a 4D or multi-channel image by index from 0; one output image each.",
        min_length=1,
    )
    axes: Annotated[list[Axis], Field(min_length=1)] | None = Field(
        list(AXES), description="Volumes: sagittal (x), coronal (y), axial (z) slices."
    )
    stack: Literal["volume", "frames"] | None = Field(
        "volume", description="Pages of a file are slices of a volume, or frames, each a 2D image."
    )
    orient: Literal["radiological", "native"] | None = Field(
        "radiological", description="Turn slices as a radiologist expects them, or keep the stored order."
    )
    isotropic: bool | None = Field(False, description="Resize slices to square pixels.")
    geometry: Literal["header", "index"] | None = Field(
        "header", description="index: the label's header is known to be wrong, voxels correspond by index."
    )
    aspect: bool | None = Field(
        None, description="Drop slices whose short edge is under half the long one. Default: of volumes only."
    )
    min_area: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        100, description="Smallest mask, in pixels of a slice of 256 x 256."
    )
    union: bool | None = Field(False, description="Also union_<a>_<b> masks of labels that touch.")
    subsample: Annotated[int, Field(ge=1)] | None = Field(1, description="Keep every n-th case, in name order.")
    spacing: (
        Annotated[list[Annotated[float, Field(gt=0, allow_inf_nan=False)]], Field(min_length=2, max_length=3)] | None
    ) = Field(None, description="[row, col] or [slice, row, col] in mm, for formats that have none.")


class Group(Defaults):
    """Cases that lie alike: one pattern for the images and one for the labels."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["image"]}, {"required": ["series"]}]})

    image: str | None = Field(
        None,
        description="Pattern of the images relative to the source folder: {word} or {word:REGEX} is a field, "
        "* matches inside a name, ** any folders.",
    )
    series: Annotated[dict[str, Any], WithJsonSchema(_SERIES_SCHEMA)] | None = Field(
        None, description="In place of `image`: DICOM series chosen by their tags; a list holds alternatives."
    )
    label: (
        Annotated[
            Annotated[str, Tag("<one>")] | Annotated[dict[str, Any], Tag("<mapping>"), WithJsonSchema(_SERIES_SCHEMA)],
            Discriminator(_one_or_mapping),
        ]
        | None
    ) = Field(
        None,
        description="Pattern of the labels, filled with the image's fields; may hold {label} (files), "
        "{instance} (instance_files) and *; with `series` also rules that choose the DICOM object. "
        "Without it only images are kept.",
    )
    excluded_images: Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        alias="not",
        description="Patterns of files that are not images of this group, such as label files in the same folder.",
    )
    case: str | None = Field(
        None,
        description="How the case id is made from the fields: {site}_{case}. Default: {case}, else all.",
    )


class Expect(Mapping):
    """What a whole source holds; another number is a warning."""

    cases: Annotated[int, Field(ge=0)] | None = Field(None, description="Number of case ids.")
    images: Annotated[int, Field(ge=0)] | None = Field(None, description="Number of image files.")


class Recipe(Defaults):
    """A source of images and segmentations, and how to read it."""

    model_config = ConfigDict(title="medcorpus recipe", json_schema_extra={"required": ["name", "license", "cases"]})

    name: Annotated[str, Field(pattern=NAME_PATTERN)] | None = Field(
        None, description="The data set's name in the corpus: letters, digits, _ and single -; unique."
    )
    title: str | None = Field(None, description="For readers.")
    homepage: Annotated[str, Field(pattern=URL_PATTERN)] | None = Field(None, description="For readers.")
    notes: str | None = Field(None, description="What a reader must know of the source, and where it was seen.")
    license: License | None = Field(None, description="Terms of use; null: unknown.")
    source: str | None = Field(
        None,
        description="Where the data lie: package:NAME/sub/folder inside an installed Python package, or an "
        "absolute folder. --source wins.",
    )
    cases: (
        Annotated[
            Annotated[Group, Tag("<one>")] | Annotated[list[Group], Field(min_length=1), Tag("<list>")],
            Discriminator(_one_or_list),
        ]
        | None
    ) = Field(None, description="One group of cases, or several.")
    exclude: dict[str, Annotated[str, Field(min_length=1)]] | None = Field(
        None, description="Known bad cases: case id to the reason."
    )
    expect: Expect | None = Field(None, description="What a whole source holds; another number is a warning.")

    @property
    def groups(self) -> list[Group]:
        """The groups, of which a recipe may write a single one without the list."""
        if self.cases is None:
            return []
        return self.cases if isinstance(self.cases, list) else [self.cases]
