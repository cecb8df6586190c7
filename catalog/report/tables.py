"""The statistics of a corpus, as tables on a terminal and as a CSV file."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.bar import Bar
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from catalog.atomic import write_atomic
from catalog.report.statistics import Histogram, Statistics

MAX_ROWS = 20
"""Rows of a table of counts; of the others only the number is shown."""

AREA_EDGES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Bins of the share of the slice that a mask covers, coarse enough for a terminal."""

BAR = 24


def print_statistics(statistics: Statistics, console: Console) -> None:
    """Print the tables of `curate stats`."""
    console.print(
        f"images {statistics.images:,}, masks {statistics.masks:,}, labels {len(statistics.by['label']):,}\n"
        f"cases {statistics.cases:,}, patients {statistics.patients:,}, data sets {statistics.datasets:,}",
        highlight=False,
    )
    for table in _tables(statistics):
        console.print()
        console.print(table)
    if not statistics.funnel:
        console.print("\nThere is no drops.parquet: what was dropped is unknown")


def write_csv(statistics: Statistics, path: Path) -> None:
    """Write the counts as one tidy table: dimension, name, images, masks; the first line is the total.

    Raises:
        OutputError: The file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("dimension", "name", "images", "masks"))
    writer.writerows(statistics.to_rows())
    write_atomic(path, text.getvalue().encode())


def _tables(statistics: Statistics) -> Iterator[Table]:
    for column, groups in statistics.by.items():
        yield _table(column, ("images", "masks"), list(groups.items()))
    tail = [(f"fewer than {limit:,}", (labels,)) for limit, labels in statistics.long_tail().items()]
    yield _table("masks per label", ("labels",), tail)
    area = statistics.area_fraction.merged(AREA_EDGES)
    yield _table("share of the slice", ("masks",), _classes(area, lambda edge: f"{100 * edge:g} %"))
    yield _table("longer edge, pixels", ("images",), _classes(statistics.long_edge, lambda edge: f"{edge:g}"))
    if statistics.funnel:
        yield _funnel(statistics)


def _table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, tuple[int, ...]]]) -> Table:
    """Return names with their numbers, and a bar for the last number."""
    table = _plain(title, *columns)
    longest = max((numbers[-1] for _, numbers in rows), default=0)
    for name, numbers in rows[:MAX_ROWS]:
        bar: RenderableType = Bar(longest, 0, numbers[-1], width=BAR) if longest else ""
        table.add_row(Text(name), *(f"{number:,}" for number in numbers), bar)
    if len(rows) > MAX_ROWS:
        table.add_row(f"... {len(rows) - MAX_ROWS:,} more")
    return table


def _classes(histogram: Histogram, written: Callable[[float], str]) -> list[tuple[str, tuple[int]]]:
    """Return names and counts of the bins, from the first to the last that is not empty."""
    filled = [i for i, count in enumerate(histogram.counts) if count]
    names = [f"{written(edge)} or more" for edge in histogram.edges]
    for i, (low, high) in enumerate(zip(histogram.edges, histogram.edges[1:], strict=False)):
        names[i] = f"{written(low)} to {written(high)}" if low else f"below {written(high)}"
    return [(names[i], (histogram.counts[i],)) for i in range(filled[0], filled[-1] + 1)] if filled else []


def _funnel(statistics: Statistics) -> Table:
    table = _plain("from raw to kept", "seen", "dropped", "kept", "")
    for name, stage in statistics.funnel.items():
        share = f"{100 * stage.kept / stage.seen:.1f} %" if stage.seen else ""
        table.add_row(name, f"{stage.seen:,}", f"{stage.seen - stage.kept:,}", f"{stage.kept:,}", share)
        for reason, count in stage.dropped.items():
            table.add_row(Text(f"  {reason}"), "", f"{count:,}")
    return table


def _plain(title: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(title, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table
