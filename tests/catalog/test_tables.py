"""The catalog is written streaming, sorted, and whole or not at all."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog import tables as write
from catalog.errors import OutputError
from catalog.schema import CATALOG_SCHEMA, DROPS_SCHEMA, SCHEMA_VERSION, SORT_COLUMNS, VERSION_KEY
from catalog.tables import CATALOG_FILE, DROPS_FILE, TableWriter, write_catalog

CASE_SCHEMA = pa.schema(
    [*CATALOG_SCHEMA, *(DROPS_SCHEMA.field(name) for name in ("reason", "value", "threshold", "detail"))]
)


def case_table(dataset: str, case: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{"dataset": dataset, "case": case, **row} for row in rows], schema=CASE_SCHEMA)


def kept(
    axis: str | None, number: int | None, label_id: int | None, instance: int | None, token: str
) -> dict[str, Any]:
    name = f"{token}-{axis}-{number}"
    mask = None if label_id is None else f"masks/{name}-{label_id}-{instance}"
    return {
        "image": f"images/{name}", "mask": mask, "axis": axis, "slice": number, "label_id": label_id,
        "instance": instance, "mask_hash": mask and f"{hash(mask) & 0xFFFFFFFFFFFFFFFF:016x}",
    }  # fmt: skip


def drop(number: int, reason: str = "small") -> dict[str, Any]:
    return {"axis": "z", "slice": number, "reason": reason, "value": 3.5, "threshold": 9.0}


def cases(seed: int, datasets: int = 2, count: int = 5) -> list[pa.Table]:
    """Cases in order, of several sequences each, their rows in any order."""
    dice = random.Random(seed)
    tables = []
    for d in range(datasets):
        for c in range(count):
            rows = [
                kept(axis, number, label_id, instance, token)
                for token in ("mr_t1", "mr_flair")
                for axis in dice.sample(["x", "y", "z"], dice.randint(0, 3))
                for number in dice.sample(range(12), 3)
                for label_id in (2, 1)
                for instance in range(dice.randint(0, 3))
            ]
            rows += [kept("z", 50, None, None, "mr_t1")] if dice.random() < 0.3 else []
            rows += [drop(n) for n in range(dice.randint(0, 4))]
            dice.shuffle(rows)
            tables.append(case_table(f"D{d}", f"case_{c:02d}", rows))
    return tables


def sorted_by_pandas(tables: list[pa.Table], columns: list[str], dropped: bool) -> pd.DataFrame:
    frame = pa.concat_tables(tables).to_pandas(types_mapper=pd.ArrowDtype)
    frame = frame[frame["reason"].notna() == dropped][columns]
    if dropped:
        return frame.reset_index(drop=True)
    return frame.sort_values(list(SORT_COLUMNS), na_position="last", kind="stable").reset_index(drop=True)


def read(path: Path) -> pd.DataFrame:
    return pq.read_table(path).to_pandas(types_mapper=pd.ArrowDtype)


def check(root: Path, tables: list[pa.Table]) -> None:
    for file, schema, dropped in ((CATALOG_FILE, CATALOG_SCHEMA, False), (DROPS_FILE, DROPS_SCHEMA, True)):
        wanted = sorted_by_pandas(tables, schema.names, dropped)
        pd.testing.assert_frame_equal(read(root / file), wanted, check_dtype=False)


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


# ---- order and content ----


@pytest.mark.parametrize("batch_cases", [1, 2, 512])
@pytest.mark.parametrize("row_group", [1, 7, 1 << 19])
def test_the_order_is_that_of_one_sort_over_all(
    row_group: int, batch_cases: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "ROW_GROUP", row_group)
    monkeypatch.setattr(write, "BATCH_CASES", batch_cases)
    tables = cases(seed=1)
    write_catalog(tmp_path, iter(tables))
    check(tmp_path, tables)
    assert names(tmp_path) == [CATALOG_FILE, DROPS_FILE]


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(0, 4))
@settings(max_examples=25)
def test_any_cases(seed: int, datasets: int, count: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        tables = cases(seed, datasets, count)
        write_catalog(Path(folder), tables)
        if tables:
            check(Path(folder), tables)
        else:
            assert pq.read_metadata(Path(folder) / CATALOG_FILE).num_rows == 0


def test_the_sequences_of_a_case_are_sorted_together(tmp_path: Path) -> None:
    one = [kept("z", n, 1, 0, "mr_t1") for n in (3, 1)]
    other = [kept("z", n, 1, 0, "mr_flair") for n in (1, 3)]
    table = pa.concat_tables([case_table("D", "a", one), case_table("D", "a", other)])
    write_catalog(tmp_path, [table])
    assert pq.read_table(tmp_path / CATALOG_FILE)["image"].to_pylist() == [
        "images/mr_flair-z-1", "images/mr_t1-z-1", "images/mr_flair-z-3", "images/mr_t1-z-3",
    ]  # fmt: skip


def test_numbers_sort_as_numbers_and_null_last(tmp_path: Path) -> None:
    rows = [kept("z", 10, 2, 0, "t"), kept("z", 9, 10, 0, "t"), kept("z", 9, 2, 11, "t"), kept("z", 9, 2, 2, "t")]
    rows += [kept(None, None, 1, 0, "t"), kept("z", 9, None, None, "t")]
    write_catalog(tmp_path, [case_table("D", "a", rows)])
    found = pq.read_table(tmp_path / CATALOG_FILE).select(["axis", "slice", "label_id", "instance"]).to_pylist()
    assert [tuple(row.values()) for row in found] == [
        ("z", 9, 2, 2), ("z", 9, 2, 11), ("z", 9, 10, 0), ("z", 9, None, None), ("z", 10, 2, 0), (None, None, 1, 0),
    ]  # fmt: skip


def test_nothing_but_drops_and_nothing_at_all(tmp_path: Path) -> None:
    write_catalog(tmp_path, [case_table("D", "a", [drop(1), drop(2, "unreadable")])])
    assert pq.read_table(tmp_path / CATALOG_FILE).num_rows == 0
    assert pq.read_table(tmp_path / DROPS_FILE)["reason"].to_pylist() == ["small", "unreadable"]
    write_catalog(tmp_path, [])
    assert pq.read_table(tmp_path / DROPS_FILE).num_rows == 0


def test_more_specks_than_16_bits_count(tmp_path: Path) -> None:
    wide = CASE_SCHEMA.set(CASE_SCHEMA.get_field_index("instance"), DROPS_SCHEMA.field("instance"))
    rows = [
        {"dataset": "D", "case": "a", "reason": "small", "instance": 40_000},
        {"dataset": "D", "case": "a", "instance": 3},
    ]
    write_catalog(tmp_path, [pa.Table.from_pylist(rows, schema=wide)])
    assert pq.read_table(tmp_path / DROPS_FILE)["instance"].to_pylist() == [40_000]
    assert pq.read_table(tmp_path / CATALOG_FILE)["instance"].to_pylist() == [3]


# ---- the files ----


def test_schema_version_and_compression(tmp_path: Path) -> None:
    write_catalog(tmp_path, cases(seed=2))
    for file, schema in ((CATALOG_FILE, CATALOG_SCHEMA), (DROPS_FILE, DROPS_SCHEMA)):
        stored = pq.read_schema(tmp_path / file)
        assert stored.metadata[VERSION_KEY] == SCHEMA_VERSION.encode()
        assert stored.equals(schema)
        group = pq.read_metadata(tmp_path / file).row_group(0)
        columns = [group.column(n) for n in range(group.num_columns)]
        assert {column.compression for column in columns} == {"ZSTD"}
        for column in columns:
            if column.physical_type != "BYTE_ARRAY":
                continue
            plain = column.path_in_schema in ("mask", "mask_hash")
            assert ("RLE_DICTIONARY" in column.encodings) != plain, column.path_in_schema


def test_the_same_cases_give_the_same_bytes(tmp_path: Path) -> None:
    for n in range(2):
        (tmp_path / str(n)).mkdir()
        write_catalog(tmp_path / str(n), cases(seed=3))
    for file in (CATALOG_FILE, DROPS_FILE):
        assert (tmp_path / "0" / file).read_bytes() == (tmp_path / "1" / file).read_bytes()


# ---- memory ----


def test_no_more_than_a_row_group_stands_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "ROW_GROUP", 2000)
    monkeypatch.setattr(write, "BATCH_ROWS", 500)
    rows = [kept("z", n, 1, 0, "ct_00") for n in range(100)]
    table = case_table("D", "a", rows).combine_chunks()
    before = pa.total_allocated_bytes()
    peak = 0

    def stream(count: int) -> Iterator[pa.Table]:
        nonlocal peak
        for n in range(count):
            column = pa.array([f"case_{n:05d}"] * table.num_rows)
            yield table.set_column(table.schema.get_field_index("case"), "case", column)
            peak = max(peak, pa.total_allocated_bytes() - before)

    peaks = []
    for count in (100, 800):
        peak = 0
        write_catalog(tmp_path, stream(count))
        assert pq.read_metadata(tmp_path / CATALOG_FILE).num_rows == 100 * count
        peaks.append(peak)
    sizes = [pq.read_metadata(tmp_path / CATALOG_FILE).row_group(n).num_rows for n in range(40)]
    assert set(sizes) == {2000}
    assert peaks[1] < 1.5 * peaks[0], "eight times the rows, the same memory"


def test_cases_of_one_row_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of one row takes some 30 kB: a row group of such tables would take gigabytes."""
    waiting = 0
    original = TableWriter.write

    def watched(self: TableWriter, table: pa.Table) -> None:
        nonlocal waiting
        original(self, table)
        waiting = max(waiting, len(self._waiting))

    monkeypatch.setattr(TableWriter, "write", watched)
    monkeypatch.setattr(write, "BATCH_CASES", 64)
    write_catalog(tmp_path, (case_table("D", f"{n:05d}", [kept(None, None, 1, 0, "us")]) for n in range(640)))
    assert pq.read_metadata(tmp_path / CATALOG_FILE).num_rows == 640
    assert waiting == 10


# ---- whole or not at all ----


class Killed(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError("broken fragment"), KeyboardInterrupt(), Killed()])
def test_what_raises_leaves_the_old_files(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "ROW_GROUP", 10)
    tables = cases(seed=4)

    def broken() -> Iterator[pa.Table]:
        yield from tables[:5]
        raise error

    with pytest.raises(type(error)):
        write_catalog(tmp_path, broken())
    assert names(tmp_path) == []
    write_catalog(tmp_path, tables)
    with pytest.raises(type(error)):
        write_catalog(tmp_path, broken())
    assert names(tmp_path) == [CATALOG_FILE, DROPS_FILE]
    check(tmp_path, tables)


@pytest.mark.parametrize("step", ["write_table", "close"])
def test_a_full_disk_leaves_the_old_files(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = cases(seed=5)
    write_catalog(tmp_path, tables)
    original = getattr(pq.ParquetWriter, step)

    def full(self: pq.ParquetWriter, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, step, full)
        with pytest.raises(OutputError, match="No space left"):
            write_catalog(tmp_path, cases(seed=6))
    assert names(tmp_path) == [CATALOG_FILE, DROPS_FILE]
    check(tmp_path, tables)


def test_tables_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises((pa.ArrowInvalid, KeyError)):
        write_catalog(tmp_path, [pa.table({"image": ["a"], "reason": [None]})])
    assert names(tmp_path) == []
