"""Tiny corpora, written by hand."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.schema import CATALOG_SCHEMA, DROPS_SCHEMA

Row = dict[str, Any]
WriteCorpus = Callable[..., Path]

USUAL: Row = {
    "image": "images/A/ct_00--A--1--x_0003.png",
    "mask": "masks/A/ct_00--A--1--x_0003--0001_000.png",
    "dataset": "A",
    "case": "1",
    "patient": "p1",
    "modality": "CT",
    "axis": "x",
    "slice": 3,
    "label": "liver",
    "label_id": 1,
    "instance": 0,
    "anatomy": "abdomen",
    "height": 512,
    "width": 400,
    "area": 4096,
    "area_fraction": 0.02,
}
"""What a row holds where a test says nothing else."""


def _write_corpus(
    folder: Path, rows: Sequence[Row], drops: Sequence[Row] | None = None, row_group_size: int = 3
) -> Path:
    """Write rows, completed from USUAL, in the given order."""
    table = pa.Table.from_pylist([USUAL | row for row in rows], schema=CATALOG_SCHEMA)
    pq.write_table(table, folder / "catalog.parquet", row_group_size=row_group_size)
    if drops is not None:
        table = pa.Table.from_pylist(list(drops), schema=DROPS_SCHEMA)
        pq.write_table(table, folder / "drops.parquet", row_group_size=row_group_size)
    return folder


@pytest.fixture(scope="session")
def write_corpus() -> WriteCorpus:
    """A function that writes catalog.parquet, and drops.parquet if drops are given, and returns the folder."""
    return _write_corpus
