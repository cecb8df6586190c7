import json
import math

import numpy as np
import pytest

from train.scoring.evaluate import CaseScore, Evaluation, MaskScore
from train.scoring.report import by_model, report
from train.scoring.scores import bootstrap


def evaluation(scores, seconds=(1.0, 2.0)):
    """Scores {case: (modality, patient, (dsc of each model))}, an image with one mask each."""
    models = ("first", "second")[: len(next(iter(scores.values()))[2])]
    masks, cases = [], []
    for name, (modality, patient, found) in scores.items():
        for model, dsc, time in zip(models, found, seconds, strict=False):
            same = {"dsc": dsc, "nsd": dsc / 2, "dsc_cvpr24": dsc, "nsd_cvpr24": dsc / 4}
            masks.append(MaskScore(model, "A", patient, modality, "organ", name, 0, **same))
            cases.append(CaseScore(model, name, "A", patient, modality, **same, seconds=time, boxes=1))
    return Evaluation(models, tuple(masks), tuple(cases), {name: i for i, name in enumerate(scores)}, {})


ONE = {
    "a": ("CT", "p", (0.2,)),
    "b": ("CT", "q", (0.4,)),
    "c": ("MR", "r", (0.9,)),
}
TWO = {
    "a": ("CT", "p", (0.2, 0.3)),
    "b": ("CT", "q", (0.4, 0.5)),
    "c": ("MR", "r", (0.9, 0.8)),
}


def test_a_modality_counts_as_much_as_any_other():
    found = report(evaluation(ONE), {"split": "test"})
    assert found["by"]["modality"]["CT"]["dsc"] == pytest.approx(0.3)
    assert found["mean"]["dsc"] == pytest.approx(0.6)
    assert found["by"]["dataset"]["A"]["dsc"] == pytest.approx(0.5)
    assert found["by"]["label"]["organ"]["nsd_cvpr24"] == pytest.approx(0.125)
    assert found["mean"]["seconds"] == 1
    counted = found["by"]["modality"]["CT"]
    assert (counted["images"], counted["masks"], counted["patients"]) == (2, 2, 2)
    assert found["asked"] == {"split": "test"}
    assert set(found["scorers"]) == {"cvpr24", "correct"}


def test_intervals_are_the_bootstraps_and_one_patient_has_none():
    found = report(evaluation(ONE), {})
    rows = [{"dataset": "A", "patient": p, "modality": m, "dsc": d[0]} for m, p, d in ONE.values()]
    assert found["interval"]["dsc"] == pytest.approx(bootstrap(rows, "dsc")[1:], abs=1e-6)
    assert found["by"]["modality"]["CT"]["interval"]["dsc"] == pytest.approx([0.2, 0.4])
    assert found["by"]["modality"]["MR"]["interval"] == dict.fromkeys(("dsc", "nsd", "dsc_cvpr24", "nsd_cvpr24"))


def test_ratios_refer_to_the_first_and_ranks_come_best_first():
    found = report(evaluation(TWO), {})
    assert list(found["ratio"]) == ["second"]
    assert found["ratio"]["second"]["mean"]["dsc"] == pytest.approx(0.6 / 0.6)
    assert found["ratio"]["second"]["by"]["modality"]["CT"]["dsc"] == pytest.approx(4 / 3, abs=1e-6)
    assert found["ratio"]["second"]["mean"]["seconds"] == 2
    # CT: second wins DSC and NSD and loses time; MR: first wins all: 1 + 2 of 6 against 4 of 6
    assert [(rank["model"], rank["mean"]) for rank in found["ranking"]] == [
        ("first", pytest.approx(8 / 6)),
        ("second", pytest.approx(10 / 6)),
    ]


def test_what_is_no_number_is_null():
    found = report(evaluation({"a": ("CT", "p", (math.nan,)), "b": ("MR", "q", (0.5,))}), {})
    assert found["by"]["modality"]["CT"]["dsc"] is None
    assert found["mean"]["dsc"] == 0.5
    json.dumps(found, allow_nan=False)
    two = report(evaluation({"a": ("CT", "p", (0.0, 0.5))}), {})
    assert two["ratio"]["second"]["mean"]["dsc"] is None


def test_by_model():
    assert list(by_model(report(evaluation(TWO), {}))) == ["first", "second"]
    one = report(evaluation(ONE), {})
    assert by_model(one)["first"]["mean"] == one["mean"]
    assert np.isclose(one["cases"][0]["dsc"], 0.2)
    assert "model" not in one["cases"][0]
