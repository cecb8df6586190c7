"""A small corpus of real images in each store, and catalogs written by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.read import Corpus
from catalog.schema import CATALOG_SCHEMA

SOURCES = {
    "recipes/kvasir_seg.yaml": "Kvasir-SEG",
    "recipes/samples/busi_mini.yaml": "BUSI_mini",
    "recipes/samples/brats_deepmedic.yaml": "BRATS_deepmedic",
}
"""Endoscopy in colour, grey ultrasound, both oblong; an MR volume with two sequences and overlapping labels."""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def corpora(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Corpus]:
    """The same corpus in each store: two cases a source, axial slices."""
    from typer.testing import CliRunner

    from curate.cli import app
    from curate.store import STORES

    found = {}
    for store in STORES:
        out = tmp_path_factory.mktemp("corpora") / store
        for recipe, source in SOURCES.items():
            if not (shared_data / source).is_dir():
                pytest.skip(f"the real data has no {source}")
            options = {"--source": shared_data / source, "--out": out, "--store": store, "--axes": "z",
                       "--workers": 1, "--limit": 2, "--memory": "2G"}  # fmt: skip
            words = [str(word) for pair in options.items() for word in pair]
            done = CliRunner().invoke(app, ["run", str(ROOT / recipe), *words])
            assert done.exit_code == 0, done.output
        found[store] = Corpus.open(out)
    return found


@pytest.fixture(params=["png", "npz", "shards"])
def corpus(request: pytest.FixtureRequest, corpora: dict[str, Corpus]) -> Corpus:
    return corpora[request.param]


def _write_catalog(folder: Path, rows: list[dict[str, Any]]) -> Corpus:
    """A catalog of these rows, completed; each is a mask of an image of its own unless told otherwise."""
    usual = [
        {
            "image": f"images/{i}.png",
            "mask": f"masks/{i}.png",
            "dataset": "A",
            "case": str(i),
            "patient": str(i),
            "modality": "CT",
            "label": "liver",
            "height": 40,
            "width": 40,
            "x0": 0,
            "y0": 0,
            "x1": 10,
            "y1": 10,
        }
        for i in range(len(rows))
    ]
    table = pa.Table.from_pylist([a | b for a, b in zip(usual, rows, strict=True)], schema=CATALOG_SCHEMA)
    pq.write_table(table, folder / "catalog.parquet")
    return Corpus.open(folder)


@pytest.fixture(scope="session")
def write_catalog() -> Callable[[Path, list[dict[str, Any]]], Corpus]:
    """A function that writes catalog.parquet to a folder from parts of rows, and opens it."""
    return _write_catalog
