"""The tables of a run: on a terminal, and as files beside the labels."""

import math
from collections.abc import Sequence
from pathlib import Path

from catalog.atomic import write_atomic
from predict.outputs.summary import METRICS, Outcome, mean_of, means_by_modality, objects_table

TITLES = {"dsc": "DSC", "nsd": "NSD", "dsc_cvpr24": "DSC cvpr24", "nsd_cvpr24": "NSD cvpr24"}


def print_scores(outcomes: Sequence[Outcome]) -> None:
    """Print the means of each modality, and the mean of those: DSC and NSD in percent, seconds a case."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("modality")
    for title in ("cases", *TITLES.values(), "seconds"):
        table.add_column(title, justify="right", no_wrap=True)
    by = means_by_modality(outcomes)
    rows = [(name or "unknown", sum(one.modality == name for one in outcomes), means) for name, means in by.items()]
    if len(rows) > 1:
        rows.append(("mean", len(outcomes), mean_of(by.values())))
    for name, cases, means in rows:
        scores = ("-" if math.isnan(means[metric]) else f"{100 * means[metric]:.2f}" for metric in METRICS)
        table.add_row(name, str(cases), *scores, f"{means['seconds']:.2f}")
    Console().print(table)


def write_tables(out: Path, outcomes: Sequence[Outcome], score: bool) -> None:
    """Write objects.csv where objects have names, and where cases are scored the challenge's two tables.

    Raises OutputError as `write_atomic` does.
    """
    tables = {}
    if (objects := objects_table(outcomes)) is not None:
        tables["objects.csv"] = objects
    if score:
        from predict.scoring.score_case import challenge_tables

        tables |= challenge_tables(outcomes)
    for name, text in tables.items():
        write_atomic(out / name, text.encode())
