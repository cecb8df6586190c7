"""Conditions on a catalog against pandas, and the split by hash, written down once."""

import numpy as np
import pytest

from catalog.errors import CatalogError, DataError
from catalog.samples import hashed_split
from catalog.selection import Selection


@pytest.fixture
def catalog(tmp_path, write_catalog):
    """Sixty masks with nulls in every column that the conditions look at."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "dataset": str(rng.choice(["A", "B", "C=D"])),
            "modality": str(rng.choice(["CT", "MR"])),
            "sequence": [None, "t1", "flair"][rng.integers(3)],
            "slice": [None, *range(12)][rng.integers(13)],
            "axis": [None, "x", "z"][rng.integers(3)],
            "redistributable": [None, True, False][rng.integers(3)],
            "label_id": int(rng.integers(4)),
            "spacing_row": [None, 0.5, 1.0][rng.integers(3)],
        }
        for _ in range(60)
    ]
    return write_catalog(tmp_path, rows)


CONDITIONS = {
    "modality=CT": lambda t: t.modality == "CT",
    "dataset=A|B": lambda t: t.dataset.isin(["A", "B"]),
    "dataset=C=D": lambda t: t.dataset == "C=D",
    "sequence=t1": lambda t: t.sequence == "t1",
    "sequence=null": lambda t: t.sequence.isna(),
    "sequence=null|flair": lambda t: t.sequence.isna() | (t.sequence == "flair"),
    "redistributable=false": lambda t: t.redistributable.map(lambda v: v is not None and not v),
    "redistributable=True|null": lambda t: t.redistributable.map(lambda v: v is None or bool(v)),
    "label_id=0|3": lambda t: t.label_id.isin([0, 3]),
    "spacing_row=0.5": lambda t: t.spacing_row == 0.5,
    "slice=7": lambda t: t.slice == 7,
}


def kept(samples):
    return set(samples.table["image"].to_pylist())


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_and_its_opposite(condition, catalog):
    table = pandas_table(catalog)
    holds = CONDITIONS[condition](table).astype(bool)
    assert 0 < holds.sum() < len(table)
    assert kept(Selection(catalog.root, only=(condition,)).load(None)) == set(table.image[holds])
    # What is null neither equals a value nor is left out for not doing so.
    assert kept(Selection(catalog.root, without=(condition,)).load(None)) == set(table.image[~holds])


def pandas_table(catalog):
    pandas = pytest.importorskip("pandas")
    return pandas.read_parquet(catalog.catalog, dtype_backend="numpy_nullable").astype(object).where(
        lambda t: t.notna(), None
    )  # fmt: skip


def test_conditions_narrow_one_another_and_any_that_is_barred_bars(catalog):
    table = pandas_table(catalog)
    selection = Selection(catalog.root, only=("modality=CT", "dataset=A|B"), without=("axis=x", "sequence=null"))
    expected = (table.modality == "CT") & table.dataset.isin(["A", "B"]) & (table.axis != "x") & table.sequence.notna()
    assert kept(selection.load(None)) == set(table.image[expected.astype(bool)])


def test_every_nth_slice_and_all_images_that_are_no_slices(catalog):
    table = pandas_table(catalog)
    expected = table.slice.map(lambda number: number is None or number % 5 == 0).astype(bool)
    assert kept(Selection(catalog.root, every=5).load(None)) == set(table.image[expected])
    assert kept(Selection(catalog.root, every=1).load(None)) == set(table.image)


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("modality", "not a condition: 'modality'. Write COLUMN=VALUE"),
        ("=CT", "not a condition"),
        ("modality=", "not a condition"),
        ("label_id=many", "'label_id=many': 'many' is not a value of the column's type int16"),
        ("label_id=99999", "'99999' is not a value"),
        ("label_id=1|", "'' is not a value"),
        ("redistributable=perhaps", "'perhaps' is not a value of the column's type bool"),
    ],
)
def test_what_is_no_condition_is_told(condition, told, catalog):
    for selection in (Selection(catalog.root, only=(condition,)), Selection(catalog.root, without=(condition,))):
        with pytest.raises(DataError) as caught:
            selection.load(None)
        assert told in str(caught.value)
        assert caught.value.exit_code == 2


def test_a_column_that_is_none_is_told(catalog):
    with pytest.raises(CatalogError, match="modalty"):
        Selection(catalog.root, only=("modalty=CT",)).load(None)


def test_when_nothing_is_left_it_is_told(catalog):
    with pytest.raises(DataError, match=r"(?s)has no mask .*among its 60 rows"):
        Selection(catalog.root, only=("modality=PET",)).load(None)
    with pytest.raises(DataError, match="no mask in the split 'holdout'"):
        Selection(catalog.root).load("holdout")
    with pytest.raises(DataError, match="every 0"):
        Selection(catalog.root, every=0).load(None)


def test_the_split_is_the_same_for_ever():
    """Written down once: another outcome would let patients of an older test split into training."""
    patients = [f"case_{number:05d}" for number in range(12)]
    dealt = {seed: [hashed_split("KiTS23", patient, seed=seed) for patient in patients] for seed in (0, 22)}
    assert dealt == {
        0: ["val", "test", "train", "train", "train", "train", "train", "train", "train", "val", "train", "train"],
        22: ["train", "train", "train", "test", "train", "val", "train", "train", "train", "train", "train", "val"],
    }
    shares = {"train": 0.7, "val": 0.1, "test": 0.2}
    counted = [hashed_split("A", str(number), shares, 22) for number in range(4000)]
    for split, share in shares.items():
        assert counted.count(split) / 4000 == pytest.approx(share, abs=0.025)


def test_patients_are_dealt_out_by_the_selections_shares_and_seed(catalog):
    shares = {"train": 0.5, "test": 0.5}
    for seed in (0, 5):
        for split in shares:
            found = Selection(catalog.root, shares=shares, split_seed=seed).load(split)
            named = zip(found.table["dataset"].to_pylist(), found.table["patient"].to_pylist(), strict=True)
            assert {hashed_split(*name, shares, seed) for name in named} == {split}
