import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from predict.errors import ScoreError
from train.scoring.scores import Interval, bootstrap, mean_by, mean_over, rank_models


def row(name, modality, dsc, patient="p", **more):
    return {"name": name, "modality": modality, "dataset": "A", "patient": patient, "dsc": dsc, **more}


ROWS = [row("a", "CT", 0.2), row("b", "CT", 0.4), row("c", "MR", 0.9), row("d", "MR", math.nan)]


def test_means():
    assert mean_by(ROWS, "modality", ["dsc"]) == {"CT": {"dsc": pytest.approx(0.3)}, "MR": {"dsc": 0.9}}
    assert mean_over(ROWS, "modality", ["dsc"]) == {"dsc": pytest.approx(0.6)}


def test_a_group_without_any_score_is_left_out():
    rows = [*ROWS[:2], ROWS[3]]
    assert math.isnan(mean_by(rows, "modality", ["dsc"])["MR"]["dsc"])
    assert mean_over(rows, "modality", ["dsc"]) == {"dsc": pytest.approx(0.3)}


def test_interval_of_independent_rows_is_that_of_theory():
    values = np.random.default_rng(0).normal(0.7, 0.1, 400)
    found = bootstrap([row(str(i), "CT", v, str(i)) for i, v in enumerate(values)], "dsc")
    half = 1.96 * values.std() / 20
    assert found.mean == pytest.approx(values.mean())
    assert found == pytest.approx((values.mean(), values.mean() - half, values.mean() + half), abs=0.0015)


def test_interval_agrees_with_scipys_bootstrap():
    values = np.random.default_rng(1).beta(5, 2, 60)
    found = bootstrap([row(str(i), "CT", v, str(i)) for i, v in enumerate(values)], "dsc", repeats=8000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=8000, method="percentile", rng=1).confidence_interval
    assert found[1:] == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_rows_of_one_patient_are_drawn_together():
    values = np.random.default_rng(2).normal(0.7, 0.1, 20)
    once = [row(str(i), "CT", v, str(i)) for i, v in enumerate(values)]
    assert bootstrap(once * 50, "dsc") == pytest.approx(bootstrap(once, "dsc"))
    assert bootstrap([one | {"patient": "p"} for one in once], "dsc")[1:] == pytest.approx([values.mean()] * 2)
    twins = [one | {"dataset": name} for one in once for name in "AB"]
    assert np.ptp(bootstrap(twins, "dsc")[1:]) < 0.8 * np.ptp(bootstrap(once, "dsc")[1:])


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["CT", "MR"]), st.floats(0, 1)), min_size=1),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_leaves_no_trace(parts, random):
    rows = [row("x", modality, dsc, patient) for patient, modality, dsc in parts]
    shuffled = random.sample(rows, len(rows))
    assert bootstrap(rows, "dsc", repeats=50) == bootstrap(shuffled, "dsc", repeats=50)
    low, high = bootstrap(rows, "dsc", repeats=50)[1:]
    assert min(r["dsc"] for r in rows) - 1e-12 <= low <= high <= max(r["dsc"] for r in rows) + 1e-12


def test_nothing_but_nan():
    assert all(map(math.isnan, bootstrap(ROWS[3:], "dsc")))
    assert isinstance(bootstrap(ROWS[3:], "dsc"), Interval)


def scored(values, modality="CT"):
    return [
        row(str(i), modality, 0, dsc_cvpr24=dsc, nsd_cvpr24=nsd, seconds=seconds)
        for i, (dsc, nsd, seconds) in enumerate(values)
    ]


def test_ranks_come_before_means():
    # `steady` wins two cases of three by a hair and loses one by far: its mean is lower, its rank better.
    steady = scored([(0.91, 0.91, 1), (0.91, 0.91, 1), (0.1, 0.1, 1)])
    other = scored([(0.90, 0.90, 1), (0.90, 0.90, 1), (0.9, 0.9, 1)])
    ranking = rank_models({"other": other, "steady": steady})
    assert [rank.model for rank in ranking] == ["steady", "other"]
    assert ranking[0].by["CT"] == pytest.approx({"dsc_cvpr24": 4 / 3, "nsd_cvpr24": 4 / 3, "seconds": 3 / 2})
    assert ranking[0].mean == pytest.approx((4 / 3 + 4 / 3 + 1.5) / 3)


def test_modalities_count_the_same_fewer_seconds_are_better_and_nan_is_last():
    fast = scored([(0.5, 0.5, 1)] * 9) + [r | {"name": "mr"} for r in scored([(math.nan, 0.1, 1)], "MR")]
    slow = scored([(0.6, 0.6, 2)] * 9) + [r | {"name": "mr"} for r in scored([(0, 0.2, 2)], "MR")]
    slow.reverse()
    ranks = {rank.model: rank for rank in rank_models({"fast": fast, "slow": slow})}
    assert ranks["fast"].by == {m: {"dsc_cvpr24": 2, "nsd_cvpr24": 2, "seconds": 1} for m in ("CT", "MR")}
    assert ranks["slow"].mean == pytest.approx(4 / 3)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: mean_by([], "modality"), "nothing was evaluated"),
        (lambda: mean_by(ROWS, "organ", ["dsc"]), "'organ'"),
        (lambda: mean_by(ROWS, "modality", ["iou"]), "'iou'"),
        (lambda: bootstrap(ROWS, "dsc", repeats=0), "at least 1"),
        (lambda: rank_models({}), "no models"),
        (lambda: rank_models({"a": scored([(1, 1, 1)]), "b": scored([(1, 1, 1)] * 2)}), "same cases"),
        (lambda: rank_models({"a": scored([(1, 1, 1)]) * 2}), "2 rows for 1 cases"),
    ],
)
def test_trouble_is_told(call, told):
    with pytest.raises(ScoreError, match=told):
        call()
