"""What came of a prediction, as others may rely on it."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

METRICS = ("dsc", "nsd", "dsc_cvpr24", "nsd_cvpr24")
"""`dsc` and `nsd` are by the scorer `correct`, the others by `cvpr24`."""
NUMBERS = (*METRICS, "seconds", "boxes")


@dataclass(frozen=True)
class Outcome:
    """A case that was segmented.

    `seconds` it took to read the file, to segment it and to write `target`, without the waiting in between. `names` are
    the objects' own, if they have any, `iou` what the model expects of each, `dropped` the labels of those that were
    not drawn for it. `scores` by metric where the case was scored; nan: there was nothing to score.
    """

    name: str
    modality: str | None
    seconds: float
    boxes: int
    target: str = ""
    names: tuple[str, ...] = ()
    iou: tuple[float, ...] = ()
    dropped: tuple[int, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)

    def numbers(self) -> dict[str, float]:
        """Return the scores, the seconds and the number of boxes."""
        return {**self.scores, "seconds": self.seconds, "boxes": self.boxes}


def to_json(outcomes: Sequence[Outcome], failed: Mapping[str, str], precision: str) -> dict[str, Any]:
    """Return the summary: each case, the means, those by modality, each failed case's reason, the model's precision.

    The mean is that of the modalities' means: each counts the same, however many cases it has; cases of which no
    modality is known are one of them. What is nan is null, and left out of every mean.
    """
    by = means_by_modality(outcomes)
    return {
        "cases": [
            {"name": one.name, "modality": one.modality, **_rounded(one.numbers()), "dropped": list(one.dropped)}
            for one in outcomes
        ],
        "mean": _rounded(mean_of(by.values())),
        "by": {"modality": {name: _rounded(means) for name, means in by.items() if name is not None}},
        "failed": dict(failed),
        "precision": precision,
    }


def means_by_modality(outcomes: Sequence[Outcome]) -> dict[str | None, dict[str, float]]:
    """Return the mean numbers of each modality in alphabetical order, last those of cases of which none is known."""
    modalities = sorted({one.modality for one in outcomes}, key=lambda name: (name is None, name))
    return {name: mean_of([one.numbers() for one in outcomes if one.modality == name]) for name in modalities}


def mean_of(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each number over the rows that have it; nan where none has."""
    rows = list(rows)
    means = {}
    for name in NUMBERS:
        values = [row[name] for row in rows if name in row]
        if values:
            there = [value for value in values if not math.isnan(value)]
            means[name] = fmean(there) if there else math.nan
    return means


def objects_table(outcomes: Sequence[Outcome]) -> str | None:
    """Return, as CSV, which label of which file is which object; None where no object has a name."""
    if not any(one.names for one in outcomes):
        return None
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "label", "name", "expected_iou", "drawn"])
    for one in outcomes:
        for label, name in enumerate(one.names, start=1):
            table.writerow([one.target, label, name, f"{one.iou[label - 1]:.4f}", int(label not in one.dropped)])
    return text.getvalue()


def _rounded(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {
        name: None
        if math.isnan(value)
        else value
        if isinstance(value, int)
        else round(value, 3 if name in ("seconds", "boxes") else 4)
        for name, value in numbers.items()
    }
