"""metadata.parquet: the catalog with one row an image, as Hugging Face `datasets` reads folders of images.

`datasets` replaces the column `image_file_name` by the decoded image, and `masks_file_names` by a list of masks.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.atomic import replacing
from catalog.corpus import Corpus
from catalog.images import image_numbers
from catalog.schema import CATALOG_SCHEMA, MASK_COLUMNS

FILE = "metadata.parquet"
ROWS = 1 << 14
"""Rows a row group: `datasets` turns one at a time into Python objects."""

_OF_MASKS = MASK_COLUMNS | {"anatomy", "source_label"}
_WITHOUT = ("image_index", "mask_index")
_IMAGE = [name for name in CATALOG_SCHEMA.names if name not in _OF_MASKS and name not in _WITHOUT]
_MASK = [name for name in CATALOG_SCHEMA.names if name in _OF_MASKS and name not in _WITHOUT]
_NAMES = {"image": "image_file_name", "mask": "masks_file_names"}

SCHEMA = pa.schema(
    [pa.field("name", pa.string())]
    + [CATALOG_SCHEMA.field(name).with_name(_NAMES.get(name, name)) for name in _IMAGE]
    + [pa.field(_NAMES.get(name, name), pa.list_(CATALOG_SCHEMA.field(name).type)) for name in _MASK]
)
"""The image's name and columns, then those of its masks as lists."""


def write_image_index(corpus: Corpus, suffix: str) -> None:
    """Write metadata.parquet for the images whose files have this suffix, in the catalog's order.

    Raises:
        CatalogError: The catalog is damaged.
        OutputError: The file cannot be written.
    """
    with replacing(corpus.root / FILE) as partial, pq.ParquetWriter(partial, SCHEMA, compression="zstd") as writer:
        for table in corpus.whole_cases([*_IMAGE, *_MASK], rows=ROWS):
            rows = table.filter(pc.ends_with(table["image"].cast(pa.string()), suffix))
            if len(rows):
                writer.write_table(_by_image(rows), row_group_size=ROWS)


def _by_image(rows: pa.Table) -> pa.Table:
    """Return one row an image, the columns of its masks as lists."""
    numbers = image_numbers(rows)
    _, first, numbers = np.unique(numbers, return_index=True, return_inverse=True)
    numbers = np.argsort(np.argsort(first))[numbers]  # images are numbered in the catalog's order
    order = np.argsort(numbers, kind="stable")
    rows, numbers = rows.take(pa.array(order)), numbers[order]
    images = rows.take(pa.array(np.searchsorted(numbers, np.arange(len(first)))))
    has_mask = rows["mask"].is_valid().to_numpy()
    masks = rows.filter(pa.array(has_mask))
    ends = np.cumsum(np.bincount(numbers[has_mask], minlength=len(first)))
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
    columns = [images[name].cast(CATALOG_SCHEMA.field(name).type) for name in _IMAGE]
    paths = columns[_IMAGE.index("image")]
    columns.insert(0, pc.replace_substring_regex(paths, r"^.*/|\.[^.]*$", ""))
    for name in _MASK:
        values = masks[name].cast(CATALOG_SCHEMA.field(name).type).combine_chunks()
        columns.append(pa.ListArray.from_arrays(offsets, values))
    return pa.table(columns, schema=SCHEMA)
