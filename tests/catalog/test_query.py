"""SQL conditions over a catalog: against Arrow's own filters, and all that a condition must not do."""

import contextlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import catalog
from catalog.errors import CatalogError, QueryError
from catalog.frames import batches
from catalog.schema import CATALOG_SCHEMA
from tests.catalog.conftest import WriteCorpus

ROWS = [
    {
        "case": f"{i // 6:03d}",
        "slice": None if i % 5 == 0 else i % 6,
        "modality": "CT" if i % 3 else "MR",
        "sequence": None if i % 3 else "t1",
        "area": i * 10,
        "redistributable": None if i % 7 == 0 else i % 2 == 0,
    }
    for i in range(60)
]
FIELD = {name: pc.field(name) for name in CATALOG_SCHEMA.names}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, write_corpus: WriteCorpus) -> catalog.Corpus:
    return catalog.open(write_corpus(tmp_path_factory.mktemp("corpus"), ROWS, row_group_size=7))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("modality = 'CT' and area > 500", (FIELD["modality"] == "CT") & (FIELD["area"] > 500)),
        ("area between 100 and 200 or slice is null", FIELD["area"].isin(range(100, 201)) | FIELD["slice"].is_null()),
        ("\"case\" in ('003', '009')", FIELD["case"].isin(["003", "009"])),
        ("not redistributable", ~FIELD["redistributable"]),
        ("sequence like 't%'", FIELD["sequence"].is_valid()),
        ("MODALITY = 'MR'", FIELD["modality"] == "MR"),
        ("area = (select max(area) from catalog)", FIELD["area"] == 590),
        ("false", pc.scalar(False)),
    ],
)
def test_conditions(corpus: catalog.Corpus, where: str, expected: pc.Expression) -> None:
    found = corpus.to_arrow(where)
    assert found.schema.equals(CATALOG_SCHEMA)
    assert found.equals(pq.read_table(corpus.catalog, filters=expected).cast(CATALOG_SCHEMA))


@given(st.integers(1, 70), st.sampled_from([None, "true", "area % 20 = 0"]))
def test_order_and_size_of_batches(corpus: catalog.Corpus, size: int, where: str | None) -> None:
    found = list(batches(corpus.catalog, where, ["area", "case"], size))
    assert all(batch.schema.names == ["area", "case"] and batch.num_rows <= size for batch in found)
    areas = [row["area"] for batch in found for row in batch.to_pylist()]
    assert areas == [row["area"] for row in ROWS if where != "area % 20 = 0" or row["area"] % 20 == 0]


WRONG = {
    "modalty = 'CT'": "no column 'modalty'; did you mean 'modality'",
    "modality = CT": r"no column 'CT'\. Text is written in single quotes",
    "case = 'x'": 'write the column as "case", in double quotes',
    "area >": r"syntax error at or near .>.*Write a condition such as",
    "area = 'large'": "Could not convert string 'large'",
    "modality": "Could not convert string '(MR|CT)' to BOOL",
    "foo(area)": "foo does not exist",
    "count(*) > 3": "aggregates",
    "": "where: ",
    "'": "unterminated",
    "area > ?": "where: ",
    "true order by area": "where: ",
    "area > 1; select 1": "where: ",
    "area > 1) or (1 = 1": "where: ",
}


@pytest.mark.parametrize("where", WRONG)
def test_a_wrong_condition_is_one_line(corpus: catalog.Corpus, where: str) -> None:
    with pytest.raises(QueryError, match=WRONG[where]) as caught:
        corpus.to_arrow(where)
    assert "\n" not in str(caught.value)
    assert caught.value.code == "query"
    assert isinstance(caught.value, CatalogError)
    with pytest.raises(QueryError):
        list(corpus.images(where))


@pytest.mark.parametrize(
    "where",
    [
        "area > (select count(*) from read_csv('{secret}'))",
        "area > (select count(*) from read_text('{secret}'))",
        "area > (select count(*) from '{secret}')",
        "area > (select count(*) from read_parquet('{catalog}'))",
        "(copy catalog to '{target}')",
        "area > 1; copy catalog to '{target}'",
        "area > 1; attach '{target}' as other",
        "area > 1; set enable_external_access = true",
        "area > (select count(*) from glob('{folder}/*'))",
        "area > (select count(*) from table_of_python)",
        "area > (select count(*) from duckdb_secrets())",
        "load_extension('httpfs')",
    ],
)
def test_a_condition_reads_and_writes_nothing_else(corpus: catalog.Corpus, where: str, tmp_path: Path) -> None:
    table_of_python = pa.table({"area": [1]})
    assert table_of_python.num_rows == 1
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    places = {
        "secret": tmp_path / "secret.csv", "catalog": corpus.catalog, "target": tmp_path / "target", "folder": tmp_path,
    }  # fmt: skip
    with pytest.raises(QueryError):
        corpus.to_arrow(where.format(**places))
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_unknown_columns_are_named(corpus: catalog.Corpus) -> None:
    for call in (corpus.to_arrow, corpus.to_pandas):
        for where in (None, "true"):
            with pytest.raises(QueryError, match="no column 'lable'; did you mean 'label'"):
                call(where, ["lable"])


def flipped(path: Path, at: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def test_a_flipped_bit_in_a_page_is_an_error(tmp_path: Path) -> None:
    """Without page checksums a third of all flips read as other values."""
    from catalog.tables import table_writer

    table = pa.Table.from_pylist([catalog_row(i) for i in range(500)], schema=CATALOG_SCHEMA)
    path = tmp_path / "catalog.parquet"
    silent = 0
    for n in range(120):
        with table_writer(path, CATALOG_SCHEMA) as writer:
            writer.write(table)
        metadata = pq.read_metadata(path)
        column = metadata.row_group(0).column(n % metadata.num_columns)
        start = min(column.dictionary_page_offset or column.data_page_offset, column.data_page_offset)
        end = start + column.total_compressed_size
        flipped(path, start + (n * 7919) % (end - start), n % 8)
        for read in (lambda: catalog.open(tmp_path).to_arrow(), lambda: catalog.open(tmp_path).to_arrow("true")):
            with contextlib.suppress(CatalogError):
                silent += not read().equals(table)
    assert silent <= 2, "flips in a page's header that change no value's place"


def catalog_row(i: int) -> dict[str, Any]:
    return {
        "image": f"images/{i}.png", "mask": f"masks/{i}.png", "dataset": "A", "case": f"{i // 9:03d}", "patient": "p",
        "modality": "CT", "label": "liver", "label_id": i % 7, "height": 512, "width": i, "area": i * i % 1009,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.set_column(0, "image", t["image"].cast(pa.large_string())), "image is large_string, expected str"),
        (lambda t: t.set_column(10, "slice", t["slice"].cast(pa.float64())), "slice is double, expected int32"),
        (lambda t: t.append_column("label", t["label"]), "has the column label twice"),
        (lambda t: t.set_column(5, "case", pa.nulls(len(t), pa.string())), "without a value in the column case"),
        (
            lambda t: t.set_column(7, "modality", pa.nulls(len(t), pa.string())),
            "without a value in the column modality",
        ),
        (lambda t: t.set_column(7, "modality", pa.array(["Xray"] * len(t))), "unknown modality 'Xray'"),
        (lambda t: t.set_column(0, "image", pa.array(["images/a\0.png"] * len(t))), "outside of its corpus"),
        (lambda t: t.set_column(0, "image", pa.array(["images/a.tif"] * len(t))), "no store has files of this kind"),
    ],
)
def test_odd_catalogs_are_one_line(change: Any, message: str, tmp_path: Path) -> None:
    table = change(pa.Table.from_pylist([catalog_row(i) for i in range(5)], schema=CATALOG_SCHEMA))
    pq.write_table(table.replace_schema_metadata(CATALOG_SCHEMA.metadata), tmp_path / "catalog.parquet")
    for where in (None, "true"):
        with pytest.raises(CatalogError, match=message) as caught:
            print([(image.name, image.pixels) for image in catalog.open(tmp_path).images(where)])
        assert "\n" not in str(caught.value)
