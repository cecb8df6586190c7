"""An evaluation in figures: means by modality, data set and label, intervals, ratios and ranks, as JSON has them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from predict.scoring.metrics import TOLERANCE
from train.scoring.evaluate import Evaluation
from train.scoring.scores import METRICS, PATIENT, Row, bootstrap, mean_by, mean_over, rank_models

MEASURED = (*METRICS, "seconds", "boxes")
"""What a case has a figure of."""
GROUPED = ("modality", "dataset")
"""The columns that cases are grouped by; masks are grouped by label."""
DIGITS = 6


def scorers(tolerance: float) -> dict[str, str]:
    """Return, for each scorer, what its figures are."""
    return {
        "cvpr24": f"dsc_cvpr24, nsd_cvpr24: as the challenge's code counts; NSD of slabs at {TOLERANCE:g} pixels, "
        "0 for an image whose DSC is at most 0.2",
        "correct": f"dsc, nsd: NSD of contours at {tolerance:g} mm, or pixels where the spacing is unknown",
    }


def report(evaluation: Evaluation, asked: Mapping[str, Any], tolerance: float = TOLERANCE) -> dict[str, Any]:
    """Return all figures as JSON has them; those of several models stand under `models`.

    A case is an image and weighs the same as any other of its modality, a modality the same as any other; for labels
    the means are over masks. An interval is of 95 % by drawing patients again, and null where there is but one.

    Args:
        evaluation: The scores.
        asked: What was evaluated and how, which is passed on.
        tolerance: Of the NSD.

    Raises:
        ScoreError: there are no scores.
    """
    cases = {model: [asdict(one) for one in evaluation.cases if one.model == model] for model in evaluation.models}
    masks = {model: [asdict(one) for one in evaluation.masks if one.model == model] for model in evaluation.models}
    figures = {model: _figures(cases[model], masks[model]) for model in evaluation.models}
    shared = {"scorers": scorers(tolerance), "asked": dict(asked), "failed": dict(evaluation.failed)}
    first = evaluation.models[0]
    if len(figures) == 1:
        return {"model": first, **figures[first], **shared}
    return {
        "models": figures,
        "ratio": {model: _ratios(figures[model], figures[first]) for model in evaluation.models[1:]},
        "ranking": [_plain(asdict(rank)) for rank in rank_models(cases)],
        **shared,
    }


def by_model(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report's figures by model, of one model as of several."""
    return dict(figures["models"]) if "models" in figures else {figures["model"]: figures}


def _figures(cases: Sequence[Row], masks: Sequence[Row]) -> dict[str, Any]:
    named = [{key: value for key, value in case.items() if key != "model"} for case in cases]
    return {
        "cases": _plain(named),
        "mean": _plain(mean_over(cases, "modality", MEASURED)),
        "interval": _intervals(cases, "modality"),
        "by": {column: _groups(cases, column, MEASURED, "name") for column in GROUPED}
        | {"label": _groups(masks, "label", METRICS, "image")},
    }


def _groups(rows: Sequence[Row], column: str, metrics: Sequence[str], image: str) -> dict[str, Any]:
    """Return the means of each value of a column, how much they are of, and their intervals."""
    found = {}
    for value, means in mean_by(rows, column, metrics).items():
        part = [row for row in rows if row[column] == value]
        found[value] = {
            **_plain(means),
            "images": len({row[image] for row in part}),
            "masks": sum(row.get("boxes", 1) for row in part),
            "patients": _patients(part),
            "interval": _intervals(part, None),
        }
    return found


def _intervals(rows: Sequence[Row], over: str | None) -> dict[str, Any]:
    if _patients(rows) < 2:  # the one patient would be drawn again and again: an interval of no width
        return dict.fromkeys(METRICS)
    return {metric: _plain(bootstrap(rows, metric, over)[1:]) for metric in METRICS}


def _patients(rows: Sequence[Row]) -> int:
    return len({tuple(row[name] for name in PATIENT) for row in rows})


def _ratios(figures: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    ours, theirs = figures["by"]["modality"], first["by"]["modality"]
    return {
        "mean": _ratio(figures["mean"], first["mean"]),
        "by": {"modality": {name: _ratio(ours[name], theirs[name]) for name in ours}},
    }


def _ratio(ours: Mapping[str, float | None], theirs: Mapping[str, float | None]) -> dict[str, float | None]:
    pairs = {metric: (ours[metric], theirs[metric]) for metric in (*METRICS, "seconds")}
    return {metric: None if a is None or not b else round(a / b, DIGITS) for metric, (a, b) in pairs.items()}


def _plain(value: Any) -> Any:
    """Return a value of JSON: numbers rounded, None for what is no number."""
    match value:
        case float():
            return None if math.isnan(value) else round(value, DIGITS)
        case Mapping():
            return {key: _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _:
            return value
