"""Fragments and JSON files are there whole or not at all."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.drop_reasons import Reason
from curate.ledger import fragments as state
from curate.ledger.case_key import CaseKey
from curate.ledger.case_result import CaseResult, CaseWarning
from curate.ledger.rows import FRAGMENT_SCHEMA, DropRow, build_fragment


class Killed(BaseException):
    pass


KEY = CaseKey("ct_00", "a")
RESULT = CaseResult(
    KEY, "Blobs", "f0", "/data/blobs", "r1", 3, 40, 1.25, {"small": 2}, ("organ",), {"organ": 1}, ("ä b/a.nii",), True,
    1.5, 0.5, (CaseWarning("window", "too narrow"),), "unreadable",
)  # fmt: skip


def table(count: int = 1) -> pa.Table:
    drops = [DropRow(Reason.UNREADABLE, detail=f"detail {n}") for n in range(count)]
    return build_fragment([], drops, {}, {}, {}, {"dataset": "Blobs", "case": "a"})


@pytest.mark.parametrize("count", [0, 1, 5000])
def test_a_fragment_comes_back(count: int, tmp_path: Path) -> None:
    path = tmp_path / "Blobs" / "ct_00--a.arrow"
    path.parent.mkdir()
    state.write_fragment(path, table(count), RESULT)
    assert state.read_result(path) == RESULT
    assert state.read_fragment(path).equals(table(count))
    assert state.read_fragment(path).schema.equals(FRAGMENT_SCHEMA)
    assert list(path.parent.iterdir()) == [path]


@given(
    st.builds(
        CaseResult, st.just(KEY), st.just("Blobs"), st.text(), st.text(), st.text(), st.integers(0, 10**9),
        st.integers(0, 10**9), st.floats(0, 1e9), st.dictionaries(st.text(), st.integers()), st.just(()),
        st.dictionaries(st.text(), st.integers(1, 9999)), st.tuples(st.text()), st.booleans(), st.floats(0, 1e9),
        st.floats(0, 1e9), st.tuples(st.builds(CaseWarning, st.text(), st.text())), st.none() | st.text(),
    )
)  # fmt: skip
def test_any_result_comes_back(result: CaseResult) -> None:
    assert CaseResult.from_json(result.to_json(), KEY, "Blobs") == result


def test_a_record_of_0_1_is_read() -> None:
    text = json.dumps(
        {"fingerprint": "f", "source": "/data", "case": "a", "failed": False, "images": 3, "masks": 4, "seconds": 1.5,
         "resampled": True}
    )  # fmt: skip
    result = CaseResult.from_json(text, KEY, "Blobs")
    assert (result.fingerprint, result.source, result.images, result.masks) == ("f", "/data", 3, 4)
    assert result.resampled
    assert not result.failed
    assert CaseResult.from_json(text.replace("false", "true"), KEY, "Blobs").failed


@pytest.mark.parametrize(("owner", "step"), [(pa.RecordBatchFileWriter, "write_table"), (Path, "replace")])
def test_killed_while_writing(owner: type, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "Blobs" / "ct_00--a.arrow"
    path.parent.mkdir()
    other = CaseResult(KEY, "Blobs", "f1")

    def kill(*args: Any, **kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, kill)
        with pytest.raises(Killed):
            state.write_fragment(path, table(), RESULT)
    assert not path.exists()
    assert state.read_result(path) is None
    state.write_fragment(path, table(), RESULT)
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, kill)
        with pytest.raises(Killed):
            state.write_fragment(path, table(2), other)
    assert state.read_result(path) == RESULT
    assert state.read_fragment(path).num_rows == 1


def test_a_truncated_fragment_has_no_marker(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    state.write_fragment(path, table(), RESULT)
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:size])
        assert state.read_result(path) is None, size


def test_no_marker_where_there_is_none(tmp_path: Path) -> None:
    assert state.read_result(tmp_path / "none.arrow") is None
    path = tmp_path / "other.arrow"
    for metadata in (None, {b"x": b"y"}, {b"medcorpus.marker": b'{"fingerprint": "f", "size": 3}'}):
        with pa.ipc.new_file(str(path), pa.schema([pa.field("a", pa.int8())], metadata=metadata)):
            pass
        assert state.read_result(path) is None
    path.write_bytes(b"no arrow file at all" * 10)
    assert state.read_result(path) is None


def test_fragments_come_in_the_catalogs_order(tmp_path: Path) -> None:
    """By case, then by modality token: as strings, code point by code point."""
    keys = ["mr_t1--b", "ct_00--b", "mr_t1--a", "ct_00--a.1", "ct_00--a_2", "ct_00--B", "excluded--c", "ct_00--a-1"]
    folder = state.dataset_folder(tmp_path, "Blobs")
    folder.mkdir(parents=True)
    for key in keys:
        state.write_fragment(state.fragment_path(tmp_path, "Blobs", CaseKey.parse(key)), table(), RESULT)
    (folder / "ct_00--z.parquet").write_bytes(b"")
    state.open_path(tmp_path, "Blobs", CaseKey("ct_00", "y")).write_bytes(b"")
    (folder / "ct_00--x.arrow.part").write_bytes(b"")
    found = list(state.fragments(tmp_path, "Blobs"))
    assert [str(key) for key, _ in found] == [
        "ct_00--B", "mr_t1--a", "ct_00--a-1", "ct_00--a.1", "ct_00--a_2", "ct_00--b", "mr_t1--b", "excluded--c",
    ]  # fmt: skip
    assert all(path == state.fragment_path(tmp_path, "Blobs", key) for key, path in found)
    cases = pa.table({"case": [key.case for key, _ in found]})
    assert cases.sort_by("case").equals(cases), "as Arrow sorts strings"


def test_data_sets(tmp_path: Path) -> None:
    assert state.datasets(tmp_path) == []
    for name in ("b", "a-1", "A"):
        state.dataset_folder(tmp_path, name).mkdir(parents=True)
    (tmp_path / ".state" / "run.lock").write_text("")
    assert state.datasets(tmp_path) == ["A", "a-1", "b"]


def test_the_files_of_a_case_are_in_one_folder(tmp_path: Path) -> None:
    paths = [make(tmp_path, "Blobs", CaseKey("ct_00", "a.b")) for make in (state.fragment_path, state.open_path)]
    assert [path.name for path in paths] == ["ct_00--a.b.arrow", "ct_00--a.b.open"]
    assert {path.parent for path in paths} == {tmp_path / ".state" / "Blobs"}
    assert paths[1].with_suffix(".arrow") == paths[0]
    assert state.dataset_folders(tmp_path, "Blobs").state == paths[0].parent
