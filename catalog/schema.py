"""The columns of catalog.parquet and drops.parquet."""

import difflib
from collections.abc import Sequence

import pyarrow as pa

from catalog.errors import QueryError

SCHEMA_VERSION = "1"
VERSION_KEY = b"medcorpus.schema_version"

SORT_COLUMNS = ("dataset", "case", "axis", "slice", "label_id", "instance", "image")
"""The catalog's order; `image` orders the sequences of one case."""

REQUIRED = frozenset({"image", "dataset", "case", "patient", "modality", "height", "width"})
"""Columns of the catalog that have a value in every row."""

UNIQUE_COLUMNS = {"mask": "DELTA_BYTE_ARRAY", "mask_hash": "PLAIN"}
"""Columns whose values are nearly all different, with their Parquet encoding: a dictionary would only cost space."""

MASK_COLUMNS = frozenset(
    {"mask", "mask_index", "mask_hash", "label", "label_id", "instance", "parts_at_256"}
    | {"area", "area_fraction", "x0", "y0", "x1", "y1"}
)
"""Columns that are null only in the one row of an image without any mask."""


def _strings(*names: str) -> list[pa.Field]:
    return [pa.field(name, pa.string()) for name in names]


CATALOG_SCHEMA = pa.schema(
    [
        *_strings("image", "mask"),
        pa.field("image_index", pa.int32()),
        pa.field("mask_index", pa.int32()),
        *_strings("dataset", "case", "patient", "modality", "sequence", "axis"),
        pa.field("slice", pa.int32()),
        *_strings("label"),
        pa.field("label_id", pa.int16()),
        pa.field("instance", pa.int16()),
        *_strings("anatomy"),
        pa.field("height", pa.int32()),
        pa.field("width", pa.int32()),
        pa.field("spacing_row", pa.float32()),
        pa.field("spacing_col", pa.float32()),
        pa.field("spacing_slice", pa.float32()),
        pa.field("area", pa.int32()),
        pa.field("area_fraction", pa.float32()),
        pa.field("x0", pa.int32()),
        pa.field("y0", pa.int32()),
        pa.field("x1", pa.int32()),
        pa.field("y1", pa.int32()),
        pa.field("parts_at_256", pa.int16()),
        pa.field("window_low", pa.float32()),
        pa.field("window_high", pa.float32()),
        *_strings("image_hash", "mask_hash", "source_image", "source_label", "license"),
        pa.field("redistributable", pa.bool_()),
        *_strings("recipe_hash", "split"),
    ],
    metadata={VERSION_KEY: SCHEMA_VERSION.encode()},
)
"""One row a mask. `image_index` is the image's row in a shard (null for png and npz); `mask_index` is the mask's
position among the masks of its image in an npz file or a row of a shard (null for png)."""

DROPS_SCHEMA = pa.schema(
    [
        *_strings("dataset", "case", "axis"),
        pa.field("slice", pa.int32()),
        *_strings("label"),
        pa.field("instance", pa.int32()),
        *_strings("reason"),
        pa.field("value", pa.float64()),
        pa.field("threshold", pa.float64()),
        *_strings("detail"),
    ],
    metadata={VERSION_KEY: SCHEMA_VERSION.encode()},
)
"""One row a dropped mask, slice or case; `detail` is the message that a user reads for a case."""


def check_columns(columns: Sequence[str]) -> None:
    """Raise QueryError, with the nearest name, if a catalog has no such column."""
    for column in columns:
        if column not in CATALOG_SCHEMA.names:
            near = difflib.get_close_matches(column, CATALOG_SCHEMA.names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise QueryError(
                f"the catalog has no column {column!r}{hint} The columns: {', '.join(CATALOG_SCHEMA.names)}"
            )
