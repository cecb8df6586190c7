import re

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.errors import CatalogError, DataError
from catalog.samples import hashed_split, load_samples


def test_every_mask_stands_once_with_its_image(corpora):
    for corpus in corpora.values():
        samples = load_samples(corpus)
        rows = pq.read_table(corpus.catalog).to_pylist()
        assert samples.masks == len(rows)
        assert sorted(samples.grouped.tolist()) == list(range(len(rows)))
        images = {}
        for row in rows:
            key = row["image"], row["image_index"]
            place = row["mask"], row["mask_index"], (row["x0"], row["y0"], row["x1"], row["y1"])
            images.setdefault(key, []).append(place)
        found = {}
        for image in range(samples.images):
            places = [samples.place(row) for row in samples.rows(image)]
            assert len({place[:2] for place in places}) == 1
            found[places[0][:2]] = [place[2:] for place in places]
        assert found == images


def test_a_patient_is_in_one_split_alone(write_catalog, tmp_path):
    corpus = write_catalog(tmp_path, [{"patient": str(i // 5), "dataset": "AB"[i % 2]} for i in range(2000)])
    patients = {}
    for split in ("train", "val", "test"):
        table = load_samples(corpus, split).table
        for pair in zip(table["dataset"].to_pylist(), table["patient"].to_pylist(), strict=True):
            assert patients.setdefault(pair, split) == split
    assert len(patients) == 800
    shares = [list(patients.values()).count(split) / 800 for split in ("train", "val", "test")]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.03)


def test_the_hash_never_changes():
    # Written down once: who is in the test split today is so in every release.
    found = [hashed_split("KiTS23", f"case_{i:05d}") for i in range(12)]
    assert " ".join(found) == "val test train train train train train train train val train train"


@given(st.text(), st.text())
def test_every_patient_falls_somewhere(dataset, patient):
    assert hashed_split(dataset, patient) in ("train", "val", "test")
    assert hashed_split(dataset, patient, {"all": 0.3}) == "all"
    assert hashed_split(dataset, patient, {"none": 0, "all": 1}) == "all"


def test_the_catalogs_own_split_comes_first(write_catalog, tmp_path):
    corpus = write_catalog(tmp_path, [{"split": "val"}] * 30 + [{"split": None}] * 30 + [{"split": "fold 1"}] * 30)
    given_val = {str(i) for i in range(30)}
    parts = {split: set(load_samples(corpus, split).table["case"].to_pylist()) for split in ("train", "val", "fold 1")}
    assert given_val <= parts["val"]
    assert parts["train"] <= {str(i) for i in range(30, 60)}
    assert parts["fold 1"] == {str(i) for i in range(60, 90)}


def test_images_without_masks_are_passed_over_and_conditions_hold(write_catalog, tmp_path):
    rows = [{"mask": None}, {"redistributable": True}, {"redistributable": False}, {}]
    corpus = write_catalog(tmp_path, rows)
    assert load_samples(corpus).masks == 3
    samples = load_samples(corpus, where=pc.field("redistributable"))
    assert samples.table["case"].to_pylist() == ["1"]


@pytest.mark.parametrize(
    ("rows", "options", "told"),
    [
        ([], {}, "no mask among its 0 rows"),
        ([{"mask": None}], {}, "no mask among its 1 rows"),
        ([{}], {"where": pc.field("label") == "spleen"}, "no mask for which the conditions hold"),
        ([{"split": "train"}], {"split": "val"}, "its column `split` holds train."),
        ([{}], {"split": "vall"}, "1 patient(s) without one are dealt out to train, val, test. Train without"),
    ],
)
def test_nothing_to_train_on_is_told(write_catalog, tmp_path, rows, options, told):
    corpus = write_catalog(tmp_path, rows)
    with pytest.raises(DataError, match=re.escape(told)):
        load_samples(corpus, **options)


def test_columns(write_catalog, tmp_path):
    corpus = write_catalog(tmp_path, [{"anatomy": name} for name in ("thorax", None, "abdomen", None)])
    samples = load_samples(corpus, columns=["anatomy"])
    group, count = samples.groups(["anatomy", "modality"])
    assert count == 3
    assert group[1] == group[3]
    assert len(set(group.tolist())) == 3
    with pytest.raises(CatalogError, match="did you mean 'anatomy'"):
        load_samples(corpus, columns=["anatomi"])
    with pytest.raises(DataError, match="'license' was not loaded"):
        samples.groups(["license"])


def test_a_million_rows_are_columns(write_catalog, tmp_path):
    corpus = write_catalog(tmp_path, [{"case": "1", "slice": i // 4} for i in range(4000)])
    samples = load_samples(corpus)
    assert samples.images == 1000
    held = samples.table.nbytes + samples.grouped.nbytes + samples.starts.nbytes
    assert held / samples.masks < 250
    assert samples.table["image"].type.index_type == "int32"
    assert isinstance(samples.grouped, np.ndarray)
