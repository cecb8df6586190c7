"""The columns others rely on, and the reasons, as docs/design.md tells them."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.drop_reasons import Reason
from catalog.schema import CATALOG_SCHEMA, DROPS_SCHEMA, SCHEMA_VERSION, SORT_COLUMNS, VERSION_KEY

PROMISED = {
    "string": """image mask dataset case patient modality sequence axis label anatomy image_hash mask_hash source_image
                 source_label license recipe_hash split""",
    "int32": "image_index mask_index slice height width area x0 y0 x1 y1",
    "int16": "label_id instance parts_at_256",
    "float": "spacing_row spacing_col spacing_slice area_fraction window_low window_high",
    "bool": "redistributable",
}


def test_the_catalogs_columns() -> None:
    promised = {name: kind for kind, names in PROMISED.items() for name in names.split()}
    assert {field.name: str(field.type) for field in CATALOG_SCHEMA} == promised
    assert len(CATALOG_SCHEMA.names) == len(promised), "no name twice"


def test_the_columns_of_drops() -> None:
    assert DROPS_SCHEMA.names == [
        "dataset", "case", "axis", "slice", "label", "instance", "reason", "value", "threshold", "detail",
    ]  # fmt: skip


def test_it_is_sorted_by_columns_it_has() -> None:
    assert SORT_COLUMNS[:6] == ("dataset", "case", "axis", "slice", "label_id", "instance")
    assert set(SORT_COLUMNS) <= set(CATALOG_SCHEMA.names)


@pytest.mark.parametrize("schema", [CATALOG_SCHEMA, DROPS_SCHEMA])
def test_the_version_goes_into_the_file(schema: pa.Schema) -> None:
    buffer = io.BytesIO()
    pq.write_table(schema.empty_table(), buffer)
    assert pq.read_schema(buffer).metadata[VERSION_KEY] == SCHEMA_VERSION.encode()
    assert pq.read_schema(buffer).equals(schema)


def test_reasons_are_words_of_their_own() -> None:
    values = [reason.value for reason in Reason]
    assert len(set(values)) == len(values)
    assert all(value.replace("_", "").isalpha() and value.islower() for value in values)
    assert Reason("small") is Reason.SMALL
