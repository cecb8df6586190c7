"""What many scores come down to: means by group, intervals by patient, and a ranking of models.

A row is a mapping that has, for a case or a mask, its metrics and the columns to group by (`modality`,
`dataset`, `label`, `patient`, ...). A metric that is nan (nothing to score) is left out of every mean.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from predict.errors import ScoreError

METRICS = ("dsc", "nsd", "dsc_cvpr24", "nsd_cvpr24")
"""`dsc` and `nsd` are by the scorer `correct`, the others by `cvpr24`."""
PATIENT = ("dataset", "patient")
"""What tells patients apart: an id may occur in two data sets."""
RANKED = (("dsc_cvpr24", True), ("nsd_cvpr24", True), ("seconds", False))
"""What the challenge ranks models by, and whether more is better."""

Row = Mapping[str, Any]


class Interval(NamedTuple):
    """A mean with the ends of its confidence interval."""

    mean: float
    low: float
    high: float


def mean_by(rows: Sequence[Row], column: str, metrics: Sequence[str] = METRICS) -> dict[str, dict[str, float]]:
    """Return the mean of each metric for each value of a column, values in alphabetical order.

    Raises ScoreError where a row lacks the column or a metric.
    """
    groups, number = _groups(rows, (column,))
    means = {metric: _group_means(_values(rows, metric), number, len(groups)) for metric in metrics}
    return {str(group[0]): {metric: float(means[metric][i]) for metric in metrics} for i, group in enumerate(groups)}


def mean_over(rows: Sequence[Row], column: str = "modality", metrics: Sequence[str] = METRICS) -> dict[str, float]:
    """Return the mean of the groups' means: each modality counts the same, however many cases it has.

    A group in which a metric is nan throughout is left out. Raises ScoreError as `mean_by`.
    """
    groups = mean_by(rows, column, metrics)
    return {metric: _nanmean([means[metric] for means in groups.values()]) for metric in metrics}


def bootstrap(
    rows: Sequence[Row],
    metric: str,
    over: str | None = "modality",
    *,
    unit: Sequence[str] = PATIENT,
    repeats: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return a mean with its percentile bootstrap interval; patients, not rows, are drawn again.

    Rows of one patient are alike, so drawing rows would give an interval that is too narrow. The same rows in
    whatever order and the same seed give the same interval.

    Args:
        rows: The scores.
        metric: Of which the mean is taken.
        over: The mean is that of the means of this column's groups, as in `mean_over`; None: of all rows.
        unit: The columns that tell apart what is drawn, with replacement.
        repeats: How many times all units are drawn.
        level: The part of the drawn means that lies inside.
        seed: Of the drawing.

    Raises:
        ScoreError: there are no rows, a column is missing, or `repeats` or `level` make no sense.
    """
    if repeats < 1 or not 0 < level < 1:
        raise ScoreError(f"{repeats} repeats at a level of {level}: at least 1, and between 0 and 1")
    units, unit_number = _groups(rows, unit)
    groups, group_number = _groups(rows, (over,) if over else ())
    values = _values(rows, metric)
    there = ~np.isnan(values)
    cell = (unit_number * len(groups) + group_number)[there]
    # Rows are summed from small to large, so that their order leaves no trace in the last digits.
    order = np.lexsort((values[there], cell))
    shape = len(units), len(groups)
    sums = np.bincount(cell[order], values[there][order], minlength=shape[0] * shape[1]).reshape(shape)
    counts = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    rng = np.random.default_rng(seed)
    drawn = np.empty(repeats)
    for start in range(0, repeats, 256):
        times = rng.multinomial(len(units), np.full(len(units), 1 / len(units)), min(256, repeats - start))
        drawn[start : start + len(times)] = _mean_of_means(times @ sums, times @ counts)
    drawn = drawn[~np.isnan(drawn)]
    mean = float(_mean_of_means(sums.sum(0)[None], counts.sum(0)[None])[0])
    if not len(drawn):
        return Interval(mean, mean, mean)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high))


@dataclass(frozen=True)
class Rank:
    """A model's mean rank, 1 being the best, and the ranks it is the mean of, by modality and metric."""

    model: str
    mean: float
    by: dict[str, dict[str, float]]


def rank_models(
    models: Mapping[str, Sequence[Row]],
    metrics: Sequence[tuple[str, bool]] = RANKED,
    *,
    case: Sequence[str] = ("name",),
    over: str = "modality",
) -> list[Rank]:
    """Rank models the challenge's way, ranks first and means after; return them best first.

    In each case the models are ranked by each metric: ties share the mean of their ranks, nan is last. The
    ranks are averaged over the cases of a modality, then over modalities and metrics, which all count the same.

    Args:
        models: The scores of each model, of the same cases.
        metrics: What is ranked, and whether more is better.
        case: The columns that tell a model's rows apart.
        over: The column whose groups count the same.

    Raises:
        ScoreError: the models were not scored on the same cases, a case occurs twice, or a column is missing.
    """
    tables = {model: _by_case(model, rows, case) for model, rows in models.items()}
    if not tables:
        raise ScoreError("no models to rank")
    first, shared = next(iter(tables.items()))
    for model, table in tables.items():
        if apart := sorted(map(str, table.keys() ^ shared.keys())):
            raise ScoreError(
                f"{first} and {model} were not scored on the same cases: {len(apart)} have only one of them, "
                f"such as {apart[0]}. Evaluate all models on one manifest"
            )
    names = sorted(shared)
    groups, number = _groups([shared[name] for name in names], (over,))
    by: dict[str, dict[str, dict[str, float]]] = {model: {str(g[0]): {} for g in groups} for model in tables}
    for metric, more_is_better in metrics:
        values = np.array([_values([table[name] for name in names], metric) for table in tables.values()])
        worse = np.where(np.isnan(values), np.inf, -values if more_is_better else values)
        ranks = rankdata(worse, axis=0)
        for model, row in zip(tables, ranks, strict=True):
            for group, mean in zip(groups, _group_means(row, number, len(groups)), strict=True):
                by[model][str(group[0])][metric] = float(mean)
    ranked = [
        Rank(model, float(np.mean([rank for group in parts.values() for rank in group.values()])), parts)
        for model, parts in by.items()
    ]
    return sorted(ranked, key=lambda rank: (rank.mean, rank.model))


def _by_case(model: str, rows: Sequence[Row], case: Sequence[str]) -> dict[tuple[Any, ...], Row]:
    _groups(rows, case)
    table = {tuple(row[name] for name in case): row for row in rows}
    if len(table) < len(rows):
        raise ScoreError(f"{model} has {len(rows)} rows for {len(table)} cases: `case` must tell them all apart")
    return table


def _groups(rows: Sequence[Row], columns: Sequence[str]) -> tuple[list[tuple[Any, ...]], NDArray[np.int64]]:
    """Return the sorted distinct values of some columns, and for each row the number of its own."""
    if not rows:
        raise ScoreError("there are no scores: nothing was evaluated")
    for column in columns:
        if any(column not in row for row in rows):
            raise ScoreError(f"not every score has {column!r}; the first has {', '.join(rows[0])}")
    keys = [tuple(row[column] for column in columns) for row in rows]
    groups = sorted(set(keys), key=lambda key: tuple((value is not None, str(value)) for value in key))
    number = {group: i for i, group in enumerate(groups)}
    return groups, np.array([number[key] for key in keys])


def _values(rows: Sequence[Row], metric: str) -> NDArray[np.float64]:
    if any(metric not in row for row in rows):
        raise ScoreError(f"not every score has {metric!r}; the first has {', '.join(rows[0])}")
    return np.array([row[metric] for row in rows], np.float64)


def _group_means(values: NDArray[np.float64], number: NDArray[np.int64], groups: int) -> NDArray[np.float64]:
    there = ~np.isnan(values)
    sums = np.bincount(number[there], values[there], minlength=groups)
    counts = np.bincount(number[there], minlength=groups)
    return np.divide(sums, counts, out=np.full(groups, np.nan), where=counts > 0)


def _mean_of_means(sums: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.float64]:
    """Sums and counts (n, groups) to n means of the means of the groups that have any."""
    there = counts > 0
    means = np.divide(sums, counts, out=np.zeros(sums.shape), where=there)
    groups = there.sum(1)
    return np.divide(means.sum(1), groups, out=np.full(len(sums), np.nan), where=groups > 0)


def _nanmean(values: Iterable[float]) -> float:
    there = [value for value in values if not np.isnan(value)]
    return float(np.mean(there)) if there else float("nan")
