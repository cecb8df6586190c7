"""Commands that look at a corpus: stats, sheet."""

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.app import DEFAULT_CORPUS, CorpusArgument, JsonOption, app, print_json


@app.command()
def stats(
    corpus: CorpusArgument = DEFAULT_CORPUS,
    by: Annotated[
        list[str] | None, typer.Option(help="Count by this catalog column too, such as sequence; repeatable.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the figures to this .png, .svg or .html file.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the counts as a tidy table.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a corpus holds by modality, label, data set, anatomy and axis, and what was dropped."""
    from catalog.corpus import Corpus
    from catalog.report.statistics import corpus_statistics

    if plot is not None:
        from catalog.report.plots import check_plot

        check_plot(plot)
    statistics = corpus_statistics(Corpus.open(corpus), by or ())
    if as_json:
        print_json(statistics.to_json())
    else:
        from rich.console import Console

        from catalog.report.tables import print_statistics

        print_statistics(statistics, Console())
    if plot is not None:
        from catalog.report.plots import draw_plots

        draw_plots(statistics, plot)
    if csv is not None:
        from catalog.report.tables import write_csv

        write_csv(statistics, csv)


@app.command()
def sheet(
    corpus: CorpusArgument = DEFAULT_CORPUS,
    out: Annotated[Path, typer.Option(help="The picture to write: .png, .jpg or .webp.")] = Path("sheet.png"),
    tiles: Annotated[int, typer.Option(min=1, help="Number of slices.")] = 24,
    seed: Annotated[int, typer.Option(help="Random seed of the choice of slices.")] = 0,
) -> None:
    """Draw a contact sheet of slices with the outlines and names of their masks."""
    from catalog.corpus import Corpus
    from catalog.report.contact_sheet import draw_sheet

    draw_sheet(Corpus.open(corpus), out, tiles=tiles, seed=seed)
    print(out)
