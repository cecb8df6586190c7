"""An evaluation as files: each mask and each image as CSV, all figures as JSON, the papers' table as Markdown."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from catalog.atomic import write_atomic
from train.scoring.evaluate import CaseScore, Evaluation, MaskScore
from train.scoring.report import by_model

MASKS, CASES, SCORES, TABLE = "masks.csv", "cases.csv", "scores.json", "scores.md"
COLUMNS = {"cvpr24": ("dsc_cvpr24", "nsd_cvpr24"), "correct": ("dsc", "nsd")}
"""The DSC and the NSD of each scorer; the challenge's comes first, as the papers print it."""
NOTHING = "–"


def write_tables(folder: Path, evaluation: Evaluation, figures: Mapping[str, Any]) -> None:
    """Write masks.csv, cases.csv, scores.json and scores.md of an evaluation and its report into a folder.

    Raises:
        OutputError: the disk is full, or the folder must not be written to.
    """
    write_atomic(folder / MASKS, to_csv(MaskScore, evaluation.masks))
    write_atomic(folder / CASES, to_csv(CaseScore, evaluation.cases))
    write_atomic(folder / SCORES, (to_json(figures) + "\n").encode())
    write_atomic(folder / TABLE, to_markdown(figures).encode())


def to_csv(kind: type[MaskScore] | type[CaseScore], rows: Sequence[MaskScore | CaseScore]) -> bytes:
    """Return rows as CSV, a column a field; numbers in full."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(kind)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue().encode()


def to_json(figures: Mapping[str, Any]) -> str:
    """Return a report as JSON."""
    return json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False)


def to_markdown(figures: Mapping[str, Any]) -> str:
    """Return a report as Markdown: for each scorer a row a modality, and of each model DSC and NSD in %."""
    models = by_model(figures)
    lines = ["# Scores", ""]
    lines += [*(f"- {name}: {_told(value)}" for name, value in figures["asked"].items() if value not in (None, [])), ""]
    for scorer, metrics in COLUMNS.items():
        told = figures["scorers"][scorer]
        lines += [f"## {scorer}", "", f"{told}.", "", *_table(figures, models, metrics), ""]
    lines += ["## Seconds an image", "", *_seconds(figures, models), ""]
    if "ranking" in figures:
        lines += ["## Ranking", "", *_ranking(figures["ranking"]), ""]
    if figures["failed"]:
        lines += ["## Not scored", "", *(f"- {name}: {why}" for name, why in figures["failed"].items()), ""]
    return "\n".join(lines)


def _table(figures: Mapping[str, Any], models: Mapping[str, Any], metrics: Sequence[str]) -> list[str]:
    head = ["modality", "images", "patients", *(f"{name} {kind}" for name in models for kind in ("DSC", "NSD"))]
    rows = []
    first = next(iter(models.values()))
    for name, counted in first["by"]["modality"].items():
        scores = [one["by"]["modality"][name][metric] for one in models.values() for metric in metrics]
        rows.append([name, str(counted["images"]), str(counted["patients"]), *map(_percent, scores)])
    means = [one["mean"][metric] for one in models.values() for metric in metrics]
    rows.append(["**mean**", "", "", *(f"**{_percent(mean)}**" for mean in means)])
    intervals = [one["interval"][metric] for one in models.values() for metric in metrics]
    rows.append(["95 % interval", "", "", *map(_interval, intervals)])
    if "ratio" in figures:
        ratios = [figures["ratio"].get(name, {"mean": {}})["mean"].get(m) for name in models for m in metrics]
        rows.append([f"ratio to {next(iter(models))}", "", "", *(_number(ratio, 4) for ratio in ratios)])
    return list(_markdown(head, rows, 1))


def _seconds(figures: Mapping[str, Any], models: Mapping[str, Any]) -> list[str]:
    names = list(next(iter(models.values()))["by"]["modality"])
    boxes = next(iter(models.values()))
    rows = [
        [
            name,
            _number(boxes["by"]["modality"][name]["boxes"], 1),
            *(_number(one["by"]["modality"][name]["seconds"], 3) for one in models.values()),
        ]
        for name in names
    ]
    means = [_number(one["mean"]["seconds"], 3) for one in models.values()]
    rows.append(["**mean**", _number(boxes["mean"]["boxes"], 1), *means])
    if "ratio" in figures:
        ratios = [figures["ratio"].get(name, {"mean": {}})["mean"].get("seconds") for name in models]
        rows.append([f"ratio to {next(iter(models))}", "", *(_number(ratio, 4) for ratio in ratios)])
    return list(_markdown(["modality", "boxes", *models], rows, 1))


def _ranking(ranking: Sequence[Mapping[str, Any]]) -> list[str]:
    modalities = list(ranking[0]["by"])
    rows = [
        [
            str(place),
            rank["model"],
            _number(rank["mean"], 3),
            *(_number(sum(rank["by"][name].values()) / len(rank["by"][name]), 2) for name in modalities),
        ]
        for place, rank in enumerate(ranking, start=1)
    ]
    told = (
        "Mean rank by dsc_cvpr24, nsd_cvpr24 and seconds: of each image, then of each modality and metric, then of all."
    )
    return [told, "", *_markdown(["place", "model", "mean rank", *modalities], rows, 2)]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]], names: int) -> Iterator[str]:
    """Yield the lines of a table; columns after the first `names` are numbers, at the right."""
    for i, row in enumerate([head, ["---" if n < names else "---:" for n in range(len(head))], *rows]):
        cells = row if i == 1 else [cell.replace("|", "\\|") for cell in row]
        yield f"| {' | '.join(cells)} |"


def _told(value: Any) -> str:
    match value:
        case Mapping():
            return ", ".join(name if name == one else f"{name} ({one})" for name, one in value.items())
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.2f}"


def _interval(ends: Sequence[float] | None) -> str:
    return NOTHING if ends is None else f"{100 * ends[0]:.2f} to {100 * ends[1]:.2f}"


def _number(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"
