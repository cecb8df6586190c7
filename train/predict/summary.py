"""What came of a prediction, as others may rely on it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """A case that was segmented: `seconds` from the file read to the file written."""

    name: str
    modality: str | None
    seconds: float
    boxes: int


def to_json(outcomes: Sequence[Outcome], failed: Mapping[str, str]) -> dict[str, Any]:
    """Return the summary: each case, their means, the means by modality, and the reason of each that failed."""
    modalities = sorted({one.modality for one in outcomes if one.modality is not None})
    return {
        "cases": [{**asdict(one), "seconds": round(one.seconds, 3)} for one in outcomes],
        "mean": _means(outcomes),
        "by": {"modality": {name: _means([one for one in outcomes if one.modality == name]) for name in modalities}},
        "failed": dict(failed),
    }


def _means(outcomes: Sequence[Outcome]) -> dict[str, float]:
    if not outcomes:
        return {}
    return {
        "seconds": round(fmean(one.seconds for one in outcomes), 3),
        "boxes": round(fmean(one.boxes for one in outcomes), 3),
    }
