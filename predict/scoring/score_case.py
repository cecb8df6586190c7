"""Cases scored by the truth they come with, and the tables of scores."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from predict.engines.engine import Labels
from predict.inputs.case import Case
from predict.outputs.summary import METRICS, Outcome
from predict.scoring.metrics import correct, cvpr24


def score_case(case: Case, labels: Labels) -> dict[str, float]:
    """Return DSC and NSD of a case's labels by both scorers, under the names of `METRICS`.

    The tolerance is the challenge's: 2 mm, or 2 pixels where no spacing is known.
    """
    assert case.truth is not None
    ours = correct(case.truth, labels, case.spacing)
    theirs = cvpr24(case.truth, labels, case.spacing)
    return dict(zip(METRICS, (*ours, *theirs), strict=True))


def challenge_tables(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return the challenge's two tables as CSV, by file name: the scores of `cvpr24`, and the running times.

    Columns and names are those of its scripts (read: bowang-lab/MedSAM, evaluation/compute_metrics.py and
    CVPR24_time_eval.py).
    """
    ordered = sorted(outcomes, key=lambda one: one.target)
    return {
        "metrics.csv": _csv(
            ("case", "dsc", "nsd"),
            ((one.target, round(one.scores["dsc_cvpr24"], 4), round(one.scores["nsd_cvpr24"], 4)) for one in ordered),
        ),
        "running_time.csv": _csv(("CaseName", "RunningTime"), ((one.target, one.seconds) for one in ordered)),
    }


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    return text.getvalue()
