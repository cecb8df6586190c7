"""The table of scores on a terminal."""

import math
from collections.abc import Sequence

from predict.outputs.summary import METRICS, Outcome, mean_of, means_by_modality

TITLES = {"dsc": "DSC", "nsd": "NSD", "dsc_cvpr24": "DSC cvpr24", "nsd_cvpr24": "NSD cvpr24"}


def print_scores(outcomes: Sequence[Outcome]) -> None:
    """Print the means of each modality and the mean of those: DSC and NSD in percent, seconds per case."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("modality")
    for title in ("cases", *TITLES.values(), "seconds"):
        table.add_column(title, justify="right", no_wrap=True)
    by = means_by_modality(outcomes)
    rows = [
        (name or "unknown", sum(outcome.modality == name for outcome in outcomes), means) for name, means in by.items()
    ]
    if len(rows) > 1:
        rows.append(("mean", len(outcomes), mean_of(by.values())))
    for name, cases, means in rows:
        scores = ("-" if math.isnan(means[metric]) else f"{100 * means[metric]:.2f}" for metric in METRICS)
        table.add_row(name, str(cases), *scores, f"{means['seconds']:.2f}")
    Console().print(table)
