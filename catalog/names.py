"""The grammar of file names, as in the SA-Med2D-20M release.

An image is `{token}--{dataset}--{case}--{axis}_{NNNN}` (2D sources: `--2d_none`); a mask is the name of its image and
`--{class:04d}_{instance:03d}`. `--` never occurs inside a part. Tokens are the 34 in the file names of the release
(github.com/OpenGVLab/SAM-Med2D), and four that it lacks.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from catalog.errors import CatalogError

MODALITY_TOKENS: dict[str, str] = {
    "CT": "ct_00",
    "MR": "mr_00",
    "PET": "pet_00",
    "X-ray": "x_ray",
    "Ultrasound": "ultrasound_00",
    "Dermoscopy": "dermoscopy_00",
    "Endoscopy": "endoscopy_00",
    "Fundus": "fundus_photography",
    "OCT": "oct_00",
    "Mammography": "mammography_00",
    "Microscopy": "microscopy_00",
    "Histopathology": "histopathology_00",
}
"""The token of an image without a sequence, by the modality in the catalog."""

SEQUENCES: dict[str, tuple[str, ...]] = {
    "CT": ("cbf", "cbv", "mtt", "tmax"),
    "MR": (
        "adc", "cbf", "cbv", "cmr", "dwi", "flair", "hbv", "lge", "mprage", "mtt", "pd", "rcbf", "rcbv",
        "t1", "t1c", "t1ce", "t1gd", "t1w", "t2", "t2w", "tmax", "ttp",
    ),
}  # fmt: skip
"""Sequences with their own token in the release; others fall back to the modality's `_00`."""

ANATOMIES = ("head_and_neck", "thorax", "abdomen", "pelvis", "lesion", "other")
"""SA-Med2D's groups of anatomy."""

DATASET_PATTERN = r"[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*"
"""A data set's name: letters, digits, `_` and single `-`."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_PLANE = re.compile(r"(?P<axis>[xyz])_(?P<slice>[0-9]{4,})|2d_none")
_COMPONENT = re.compile(r"(?P<label>[0-9]{4})_(?P<instance>[0-9]{3,})")


def modality_token(modality: str, sequence: str | None = None) -> str:
    """Return the first part of a name, such as `mr_flair`, `ct_00` or `x_ray`.

    A sequence without a token in the release is written in the same way (`mr_swi`).

    Raises:
        CatalogError: The modality is unknown.
    """
    token = MODALITY_TOKENS.get(modality)
    if token is None:
        raise CatalogError(f"unknown modality {modality!r}. Known are {', '.join(MODALITY_TOKENS)}")
    if sequence is None:
        return token
    return f"{token.removesuffix('_00')}_{sequence}"


MAX_PART = 120
"""Longest case id in a name, characters; a file name has room for 255 bytes in all."""


def safe_part(text: str) -> str:
    """Return `text` as a part of a name: ASCII letters, digits, `_`, `.` and single `-`; never empty, never hidden.

    Letters with accents become plain ones. A short hash follows where characters outside ASCII were replaced, so that
    two names that differ only in these stay two, and where the part is longer than MAX_PART and is cut.
    """
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    part = re.sub(r"-{2,}", "-", _UNSAFE.sub("_", plain)).strip("-.") or "_"
    if len(part) > MAX_PART:
        return f"{part[: MAX_PART - 9]}.{_digest(text)}"
    return part if text.isascii() else f"{part}.{_digest(text)}"


def _digest(text: str) -> str:
    normal = unicodedata.normalize("NFC", text).encode("utf-8", "surrogateescape")
    return hashlib.sha256(normal).hexdigest()[:8]


def image_name(token: str, dataset: str, case: str, axis: str | None = None, index: int | None = None) -> str:
    """Return the name of an image, without suffix; `axis` and `index` are None for a 2D source."""
    plane = "2d_none" if axis is None else f"{axis}_{index:04d}"
    return f"{token}--{dataset}--{case}--{plane}"


def mask_name(image: str, label_id: int, instance: int) -> str:
    """Return the name of a mask, without suffix, from the name of its image."""
    return f"{image}--{label_id:04d}_{instance:03d}"


@dataclass(frozen=True)
class ParsedName:
    """The parts of an image's or a mask's name; `label_id` and `instance` are None for an image."""

    token: str
    dataset: str
    case: str
    axis: str | None
    slice: int | None
    label_id: int | None
    instance: int | None


def parse_name(name: str) -> ParsedName:
    """Split the name of an image or a mask, without suffix, into its parts.

    Raises:
        CatalogError: The name does not follow the grammar.
    """
    parts = name.split("--")
    plane = _PLANE.fullmatch(parts[3]) if len(parts) in (4, 5) else None
    component = _COMPONENT.fullmatch(parts[4]) if len(parts) == 5 else None
    if plane is None or (len(parts) == 5 and component is None) or not all(parts):
        raise CatalogError(
            f"{name!r} is not the name of an image or mask: expected TOKEN--DATASET--CASE--AXIS_NNNN or --2d_none, "
            "for masks followed by --CLASS_INSTANCE"
        )
    axis, index = plane["axis"], plane["slice"]
    return ParsedName(
        token=parts[0],
        dataset=parts[1],
        case=parts[2],
        axis=axis,
        slice=int(index) if index is not None else None,
        label_id=int(component["label"]) if component else None,
        instance=int(component["instance"]) if component else None,
    )
