"""The tables of a run, next to the labels."""

from collections.abc import Sequence
from pathlib import Path

from catalog.atomic import write_atomic
from predict.outputs.objects_table import csv_of, objects_table
from predict.outputs.summary import Outcome

OBJECTS = "objects.csv"


def write_tables(out: Path, finished: Sequence[Outcome], scored: Sequence[Outcome]) -> None:
    """Write objects.csv of all finished cases of the folder, and the challenge's two tables of those that were scored.

    Raises:
        OutputError: the disk is full, or the folder must not be written to.
    """
    objects = objects_table(finished)
    if objects is None:
        (out / OBJECTS).unlink(missing_ok=True)  # of an earlier run
    else:
        write_atomic(out / OBJECTS, objects.encode())
    if scored:
        for name, text in challenge_tables(scored).items():
            write_atomic(out / name, text.encode())


def challenge_tables(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return the challenge's two tables as CSV, by file name: the scores of `cvpr24`, and the running times.

    Columns and names are those of its scripts (read: bowang-lab/MedSAM, evaluation/compute_metrics.py and
    CVPR24_time_eval.py).
    """
    ordered = sorted(outcomes, key=lambda outcome: outcome.target)
    scores = (
        (outcome.target, round(outcome.scores["dsc_cvpr24"], 4), round(outcome.scores["nsd_cvpr24"], 4))
        for outcome in ordered
    )
    return {
        "metrics.csv": csv_of(("case", "dsc", "nsd"), scores),
        "running_time.csv": csv_of(
            ("CaseName", "RunningTime"), ((outcome.target, outcome.seconds) for outcome in ordered)
        ),
    }
