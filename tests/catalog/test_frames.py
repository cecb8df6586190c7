"""Data frames of a catalog: nullable types, and clear errors where a package is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

import catalog
from catalog.errors import MissingPackageError
from catalog.schema import CATALOG_SCHEMA
from tests.catalog.conftest import WriteCorpus

pandas = pytest.importorskip("pandas")

ROWS = [
    {"case": "1", "axis": None, "slice": None, "spacing_row": None, "redistributable": None, "label_id": 1},
    {"case": "2", "axis": "z", "slice": 7, "spacing_row": 0.5, "redistributable": True, "label_id": 2},
]


@pytest.fixture
def corpus(tmp_path: Path, write_corpus: WriteCorpus) -> catalog.Corpus:
    return catalog.open(write_corpus(tmp_path, ROWS))


def test_pandas_has_nullable_types(corpus: catalog.Corpus) -> None:
    frame = corpus.to_pandas()
    assert list(frame.columns) == CATALOG_SCHEMA.names
    kinds = {str(field.type): str(frame.dtypes[field.name]) for field in CATALOG_SCHEMA}
    assert kinds == {
        "string": "string", "int32": "Int32", "int16": "Int16", "float": "Float32", "bool": "boolean",
    }  # fmt: skip
    assert frame["slice"].tolist() == [pandas.NA, 7]
    assert frame["split"].isna().all()
    assert frame["split"].dtype == "string"
    assert frame["spacing_row"].tolist() == [pandas.NA, 0.5]
    assert frame["redistributable"].tolist() == [pandas.NA, True]
    assert corpus.to_pandas("slice > 3", ["slice", "case"]).to_dict("records") == [{"slice": 7, "case": "2"}]


def test_an_empty_result_keeps_its_types(corpus: catalog.Corpus) -> None:
    frame = corpus.to_pandas("false")
    assert len(frame) == 0
    assert frame["slice"].dtype == "Int32"


def test_polars(corpus: catalog.Corpus) -> None:
    polars = pytest.importorskip("polars")
    frame = corpus.to_polars("slice is null", ["case", "slice"])
    assert frame.schema == {"case": polars.String, "slice": polars.Int32}
    assert frame.rows() == [("1", None)]


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_missing_package_is_named(package: str, corpus: catalog.Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=f"pip install {package}"):
        getattr(corpus, f"to_{package}")()


def test_len_and_datasets(corpus: catalog.Corpus) -> None:
    assert len(corpus) == 2
    assert corpus.datasets == ["A"]


def test_all_names_are_there_and_loaded_late() -> None:
    assert dir(catalog) == sorted(catalog.__all__)
    for name in catalog.__all__:
        assert getattr(catalog, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        catalog.nothing  # noqa: B018
    code = "import catalog, sys; print([n for n in ('pyarrow', 'numpy', 'duckdb', 'cv2') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("package", ["catalog", "curate", "predict", "train"])
def test_packages_are_typed(package: str) -> None:
    assert (Path(__file__).parents[2] / package / "py.typed").is_file()
