"""The columns of catalog.parquet and drops.parquet."""

import pyarrow as pa

SCHEMA_VERSION = "1"
VERSION_KEY = b"medcorpus.schema_version"

SORT_COLUMNS = ("dataset", "case", "axis", "slice", "label_id", "instance", "image")
"""The catalog's order; `image` settles ties between the sequences of one case."""


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
"""One row a mask. `image_index` is the image's row in a shard (null for png and npz); `mask_index` the mask's
position among its image's masks in an npz or a shard row (null for png)."""

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
"""One row a dropped mask, slice or case; `detail` is the sentence a user reads for a case."""
