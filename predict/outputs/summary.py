"""The outcome of a prediction, as other programs may rely on it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from predict.errors import InputError
from predict.notes import Note

METRICS = ("dsc", "nsd", "dsc_cvpr24", "nsd_cvpr24")
"""`dsc` and `nsd` are by the scorer `correct`, the others by `cvpr24`."""
NUMBERS = (*METRICS, "seconds", "boxes")


@dataclass(frozen=True)
class Outcome:
    """A case that was segmented.

    name, modality: Of the case.
    seconds: Reading, segmenting and writing, without waiting in between.
    boxes: Number of objects.
    target: The file of its labels, relative to the folder of results.
    files: All files of labels; several where each object has one of its own.
    names: The objects' names, if they have any.
    iou: The IoU that the model expects of each object; nan: not known.
    dropped: Labels of the objects that were not drawn, since that is too low.
    pixels: Pixels or voxels of each object's mask.
    hidden: How many of these have the label of a smaller object.
    notes: What the user should know.
    scores: By metric, where the case was scored; nan: there was nothing to score.
    """

    name: str
    modality: str | None
    seconds: float
    boxes: int
    target: str = ""
    files: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    iou: tuple[float, ...] = ()
    dropped: tuple[int, ...] = ()
    pixels: tuple[int, ...] = ()
    hidden: tuple[int, ...] = ()
    notes: tuple[Note, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)

    def numbers(self) -> dict[str, float]:
        """Return the scores, the seconds and the number of boxes."""
        return {**self.scores, "seconds": self.seconds, "boxes": self.boxes}


def to_json(
    outcomes: Sequence[Outcome],
    failed: Mapping[str, InputError],
    precision: str,
    finished_before: int = 0,
    notes: Mapping[str, Note] | None = None,
) -> dict[str, Any]:
    """Return the summary of a run: cases, their means, those by modality, failed cases, notes, the model's precision.

    The mean is that of the modalities' means: each counts the same, however many cases it has; cases of no known
    modality are one of them. What is nan is null, and left out of every mean. `finished_before` of the cases were
    finished by an earlier run; `notes` are those on files that are not cases.
    """
    by = means_by_modality(outcomes)
    said = [(outcome.name, note) for outcome in outcomes for note in outcome.notes]
    return {
        "cases": [
            {
                "name": outcome.name,
                "modality": outcome.modality,
                **_rounded(outcome.numbers()),
                "dropped": list(outcome.dropped),
                "hidden": list(outcome.hidden),
                "files": list(outcome.files),
            }
            for outcome in outcomes
        ],
        "mean": _rounded(mean_of(by.values())),
        "by": {"modality": {name: _rounded(means) for name, means in by.items() if name is not None}},
        "failed": {name: {"code": error.fault.value, "message": str(error)} for name, error in failed.items()},
        "notes": [
            {"case": name, "code": note.kind.value, "count": note.count, "message": note.text}
            for name, note in (*(notes or {}).items(), *said)
        ],
        "finished_before": finished_before,
        "precision": precision,
    }


def means_by_modality(outcomes: Sequence[Outcome]) -> dict[str | None, dict[str, float]]:
    """Return the mean numbers of each modality in alphabetical order, last those of cases of no known one."""
    modalities = sorted({outcome.modality for outcome in outcomes}, key=lambda name: (name is None, name))
    return {
        name: mean_of([outcome.numbers() for outcome in outcomes if outcome.modality == name]) for name in modalities
    }


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


def _rounded(numbers: Mapping[str, float]) -> dict[str, float | None]:
    return {
        name: None
        if math.isnan(value)
        else value
        if isinstance(value, int)
        else round(value, 3 if name in ("seconds", "boxes") else 4)
        for name, value in numbers.items()
    }
