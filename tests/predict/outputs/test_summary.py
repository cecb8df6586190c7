import json
import math
from dataclasses import replace

import numpy as np
import pytest

from predict.cli.score_table import print_scores
from predict.errors import CaseFault, InputError
from predict.inputs.case import PromptedCase
from predict.notes import Note, NoteKind
from predict.outputs.objects_table import objects_table
from predict.outputs.summary import Outcome, mean_of, to_json
from predict.outputs.tables import challenge_tables, write_tables
from predict.scoring.metrics import correct, cvpr24
from predict.scoring.score_case import score_case
from train.scoring.scores import mean_by, mean_over


def outcome(name, modality, dsc, **more):
    scores = dict(zip(("dsc", "nsd", "dsc_cvpr24", "nsd_cvpr24"), (dsc, dsc / 2, dsc, dsc / 3), strict=True))
    return Outcome(name, modality, 1.23456, 2, target=f"{name}.npz", files=(f"{name}.npz",), scores=scores, **more)


OUTCOMES = [outcome("b", "CT", 0.9), outcome("c", "CT", 0.7), outcome("a", "MR", 0.4), outcome("d", None, math.nan)]


def test_means_are_those_of_train_scores():
    rows = [{"modality": str(one.modality), **one.numbers()} for one in OUTCOMES]
    told = to_json(OUTCOMES, {}, "f32")
    for metric in ("dsc", "nsd", "dsc_cvpr24", "nsd_cvpr24"):
        assert told["mean"][metric] == pytest.approx(mean_over(rows, metrics=[metric])[metric], abs=5e-5)
        for modality in ("CT", "MR"):
            expected = mean_by(rows, "modality", [metric])[modality][metric]
            assert told["by"]["modality"][modality][metric] == pytest.approx(expected, abs=5e-5)
    assert set(told["by"]["modality"]) == {"CT", "MR"}


def test_json_has_the_agreed_keys_and_no_nan():
    notes = {"ct.png": Note(NoteKind.LEFT_OUT, "left out")}
    outcomes = [*OUTCOMES, outcome("f", "CT", 1.0, notes=(Note(NoteKind.CLIPPED, "3 boxes", 3),), hidden=(4, 0))]
    summary = to_json(outcomes, {"e": InputError(CaseFault.NO_PROMPT, "no boxes")}, "bf16", 2, notes)
    told = json.loads(json.dumps(summary, allow_nan=False))
    assert set(told) == {"cases", "mean", "by", "failed", "notes", "finished_before", "precision"}
    agreed = {"name", "modality", "dsc", "nsd", "dsc_cvpr24", "nsd_cvpr24", "seconds", "boxes"}
    assert all(agreed <= set(case) for case in told["cases"])
    assert told["cases"][0] == {"name": "b", "modality": "CT", "dsc": 0.9, "nsd": 0.45, "dsc_cvpr24": 0.9,
                                "nsd_cvpr24": 0.3, "seconds": 1.235, "boxes": 2, "dropped": [], "hidden": [],
                                "files": ["b.npz"]}  # fmt: skip
    assert told["cases"][3]["dsc"] is None
    assert told["failed"] == {"e": {"code": "no_prompt", "message": "no boxes"}}
    assert told["notes"] == [
        {"case": "ct.png", "code": "left_out", "count": 1, "message": "left out"},
        {"case": "f", "code": "clipped", "count": 3, "message": "3 boxes"},
    ]
    assert (told["precision"], told["finished_before"]) == ("bf16", 2)


def test_nothing_gives_empty_means():
    nothing = {"cases": [], "mean": {}, "by": {"modality": {}}, "failed": {}, "notes": [], "finished_before": 0,
               "precision": "f32"}  # fmt: skip
    assert to_json([], {}, "f32") == nothing
    assert mean_of([{"dsc": math.nan, "seconds": 2.0}])["seconds"] == 2


def test_a_case_is_scored_by_both_scorers():
    truth = np.zeros((8, 20, 20), np.uint8)
    truth[2:6, 5:12, 5:12] = 1
    truth[2:6, 14:18, 14:18] = 2
    found = np.roll(truth, 1, 2)
    spacing = (5.0, 1.0, 0.5)
    case = PromptedCase("3DBox_CT_1", truth, np.zeros((2, 6)), spacing=spacing, truth=truth)
    told = score_case(case, found)
    assert (told["dsc"], told["nsd"]) == correct(truth, found, spacing)
    assert (told["dsc_cvpr24"], told["nsd_cvpr24"]) == cvpr24(truth, found, spacing)
    assert told["nsd"] != told["nsd_cvpr24"]


def test_the_challenges_tables():
    tables = challenge_tables(OUTCOMES[:3])
    assert tables["metrics.csv"] == "case,dsc,nsd\na.npz,0.4,0.1333\nb.npz,0.9,0.3\nc.npz,0.7,0.2333\n"
    assert tables["running_time.csv"].splitlines()[:2] == ["CaseName,RunningTime", "a.npz,1.23456"]


HEADER = "file,label,name,expected_iou,drawn,pixels,hidden"


def test_the_table_of_objects_says_which_label_is_what(tmp_path):
    assert objects_table(OUTCOMES) is None
    named = outcome(
        "x", "CT", 0.9, names=("liver, left", ""), iou=(0.91234, math.nan), dropped=(2,), pixels=(9, 0), hidden=(2, 0)
    )
    write_tables(tmp_path, [named], scored=())
    assert [path.name for path in tmp_path.iterdir()] == ["objects.csv"]
    assert (tmp_path / "objects.csv").read_text().splitlines() == [
        HEADER, 'x.npz,1,"liver, left",0.9123,1,9,2', "x.npz,2,,nan,0,0,0"
    ]  # fmt: skip


def test_an_object_without_a_pixel_left_is_not_drawn():
    covered = outcome("x", "CT", 0.9, iou=(0.9, 0.8), pixels=(9, 9), hidden=(9, 0))
    assert objects_table([covered]).splitlines()[1:] == ["x.npz,1,,0.9000,0,9,9", "x.npz,2,,0.8000,1,9,0"]


def test_objects_in_files_of_their_own_hide_nothing():
    layered = replace(
        outcome("x", "CT", 0.9, iou=(0.9, 0.8), pixels=(9, 9), hidden=(9, 0)), files=("x--001.npz", "x--002.npz")
    )
    assert objects_table([layered]).splitlines()[1:] == ["x--001.npz,1,,0.9000,1,9,0", "x--002.npz,2,,0.8000,1,9,0"]


def test_the_printed_table(capsys):
    print_scores(OUTCOMES)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["CT", "2", "80.00", "40.00", "80.00", "26.67", "1.23"]
    assert lines[3] == ["unknown", "1", "-", "-", "-", "-", "1.23"]
    assert lines[4] == ["mean", "4", "60.00", "30.00", "60.00", "20.00", "1.23"]
