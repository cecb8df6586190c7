"""labels.json: an id once given never changes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import CatalogError
from catalog.label_map import FILE, LabelMap, read_labels, with_labels

additions = st.lists(
    st.tuples(st.sampled_from(["KiTS23", "MSD_Spleen", "A"]), st.lists(st.text(min_size=1, max_size=4), max_size=6)),
    max_size=12,
)


@given(additions)
def test_ids_never_change(steps: list[tuple[str, list[str]]]) -> None:
    labels: LabelMap = {}
    for dataset, names in steps:
        before = json.dumps(labels)
        grown = with_labels(labels, dataset, names)
        assert json.dumps(labels) == before, "the map given is left alone"
        for other, ids in labels.items():
            assert grown[other].items() >= ids.items()
        assert all(grown[other] == labels[other] for other in labels if other != dataset)
        assert set(names) <= set(grown[dataset])
        labels = grown
    for ids in labels.values():
        assert sorted(ids.values()) == [f"{n:04d}" for n in range(1, len(ids) + 1)]


@given(additions)
def test_adding_again_adds_nothing(steps: list[tuple[str, list[str]]]) -> None:
    labels: LabelMap = {}
    for dataset, names in steps:
        labels = with_labels(labels, dataset, names)
    for dataset, names in steps:
        assert with_labels(labels, dataset, names) == labels
        assert with_labels(labels, dataset, reversed(names)) == labels


def test_new_labels_follow_in_order() -> None:
    labels = with_labels({}, "KiTS23", ["kidney", "kidney_tumor", "kidney"])
    assert labels == {"KiTS23": {"kidney": "0001", "kidney_tumor": "0002"}}
    labels = with_labels(labels, "KiTS23", ["cyst", "kidney", "aorta"])
    assert labels["KiTS23"] == {"kidney": "0001", "kidney_tumor": "0002", "cyst": "0003", "aorta": "0004"}


def test_ids_that_are_gone_are_not_given_again() -> None:
    """New ids follow the highest, whatever gaps a person has left."""
    assert with_labels({"A": {"x": "0002", "y": "0040"}}, "A", ["z"])["A"]["z"] == "0041"


def test_room_for_9999() -> None:
    names = [f"l{n}" for n in range(9999)]
    labels = with_labels({}, "A", names)
    assert labels["A"]["l9998"] == "9999"
    assert with_labels(labels, "A", names) == labels
    with pytest.raises(CatalogError, match=r"A would have 10000 labels; file names have room for 9999"):
        with_labels(labels, "A", ["one_more"])
    assert with_labels(labels, "B", ["one"])["B"] == {"one": "0001"}


def test_read_what_was_written(tmp_path: Path) -> None:
    assert read_labels(tmp_path) == {}
    labels = {"KiTS23": {"größe": "0001"}, "B": {}}
    (tmp_path / FILE).write_text(json.dumps(labels), "utf-8")
    assert read_labels(tmp_path) == labels


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b'{"A": {"x": "0001"}', b"[]", b"3", b"null", b'{"A": ["x"]}', b'{"A": "x"}', b'{"A": {"x": null}}',
        b'{"A": {"x": 1}}', b'{"A": {"x": "one"}}', b'{"A": {"x": "1"}}', b'{"A": {"x": "-001"}}',
        b'{"A": {"x": "00001"}}',
        '{"A": {"x": "٠٠٠١"}}'.encode(), b'{"A": {"x": ["0001"]}}', b'\xff\xfe{"A"',
        b'{"A": {"x": "0001", "y": "0001"}}',
    ],
)  # fmt: skip
def test_a_broken_file_is_an_error_that_names_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(content)
    with pytest.raises(CatalogError, match="is not a label map") as caught:
        read_labels(tmp_path)
    assert str(path) in str(caught.value)
    assert "Restore it" in str(caught.value)
    assert path.read_bytes() == content
