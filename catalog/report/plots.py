"""The figures of a corpus, after those of the SA-Med2D-20M paper, as one picture.

Images and masks by modality and by anatomy (logarithmic), the long tail of labels, and the sizes of masks and images.
"""

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.atomic import write_atomic
from catalog.errors import CatalogError
from catalog.report.statistics import TAIL, Count, Histogram, Statistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".html")
IMAGES, MASKS, INK = "#8fbcd9", "#1d4e7a", "#333333"
NAMED_LABELS = 80
"""The most labels that are named; with more, only ranks are drawn."""
FEW_LABELS = 10
"""The most labels whose names are written horizontally."""
NAME_LENGTH = 30
STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "svg.hashsalt": "medcorpus",
}


def check_plot(out: Path) -> None:
    """Raise CatalogError if no figures are drawn into a file of this suffix."""
    if out.suffix.lower() not in FORMATS:
        suffix = out.suffix or "without a suffix"
        raise CatalogError(f"{out}: figures are written as {', '.join(FORMATS)}, not {suffix}")


def draw_plots(statistics: Statistics, out: Path) -> None:
    """Draw all figures into a .png, .svg or .html file; the HTML page contains the picture.

    Raises:
        CatalogError: Another suffix, or a corpus without images.
        OutputError: The file cannot be written.
    """
    check_plot(out)
    suffix = out.suffix.lower()
    if not statistics.images:
        raise CatalogError("the corpus has no images: there is nothing to draw")
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure = make_figure(statistics)
        if suffix == ".html":
            svg = io.StringIO()
            figure.savefig(svg, format="svg", metadata={"Date": None})
            write_atomic(out, _page(statistics, svg.getvalue()).encode())
        else:
            drawn = io.BytesIO()
            metadata = {"Date": None} if suffix == ".svg" else None
            figure.savefig(drawn, format=suffix[1:], dpi=200, metadata=metadata)
            write_atomic(out, drawn.getbuffer())


def make_figure(statistics: Statistics) -> "Figure":
    """Return the figure with all panels."""
    from matplotlib.figure import Figure

    modalities, anatomies = statistics.by["modality"], statistics.by["anatomy"]
    slots = max(len(modalities), len(anatomies), 3)
    heights = (0.9 + 0.42 * slots, 3.4, 2.8)
    figure = Figure(figsize=(11, sum(heights)))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    grid = figure.add_gridspec(3, 2, height_ratios=heights)
    _bars(figure.add_subplot(grid[0, 0]), "Images and masks by modality", modalities, slots)
    _bars(figure.add_subplot(grid[0, 1]), "Images and masks by anatomy", anatomies, slots)
    _labels(figure.add_subplot(grid[1, :]), statistics.by["label"])
    _areas(figure.add_subplot(grid[2, 0]), statistics.area_fraction)
    _edges(figure.add_subplot(grid[2, 1]), statistics.long_edge)
    return figure


def _bars(axes: "Axes", title: str, groups: Mapping[str, Count], slots: int) -> None:
    """Draw two horizontal bars for each group, with their values; the axis has room for `slots` groups."""
    names = list(groups)
    low, high = _decades([value for count in groups.values() for value in count])
    for offset, colour, label, values in (
        (-0.2, IMAGES, "images", [count.images for count in groups.values()]),
        (0.2, MASKS, "masks", [count.masks for count in groups.values()]),
    ):
        places = [i + offset for i in range(len(names))]
        axes.barh(places, values, height=0.38, color=colour, label=label)
        for place, value in zip(places, values, strict=True):
            axes.annotate(
                f"{value:,}", (max(value, low), place), (3, 0), textcoords="offset points", va="center", fontsize=7.5
            )
    axes.set_title(title)
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter("")
    # Values are written to the right of the bars: they need a fifth of the axis.
    axes.set_xlim(low, high * (high / low) ** 0.22)
    axes.set_ylim(slots - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [_short(name.replace("_", " ")) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.25)
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8, borderaxespad=0.2)


def _labels(axes: "Axes", labels: Mapping[str, Count]) -> None:
    """Draw the long tail: the masks of each label by rank, and how many labels have fewer than 10, 100, ... masks."""
    masks = [count.masks for count in labels.values()]
    spare = max(0, FEW_LABELS - len(labels)) / 2
    axes.set_title(f"Masks by label ({len(labels):,})")
    axes.set_xlim(0.4 - spare, len(labels) + 0.6 + spare)
    axes.set_ylabel("masks")
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter("")
    if not labels:
        axes.set_xticks([])
        return
    low, high = _decades(masks)
    axes.set_ylim(low, high * 1.6)
    if len(labels) <= NAMED_LABELS:
        ranks = range(1, len(masks) + 1)
        bars = axes.bar(ranks, masks, width=0.72, color=MASKS)
        names = [_short(name.replace("_", " ")) for name in labels]
        axes.tick_params(axis="x", length=0)
        if len(labels) <= FEW_LABELS:
            axes.bar_label(bars, [f"{count:,}" for count in masks], padding=2, fontsize=7.5)
            axes.set_xticks(ranks, [textwrap.fill(name, 14) for name in names], fontsize=8)
        else:
            size = 8 if len(names) <= NAMED_LABELS // 2 else 6.5
            axes.set_xticks(ranks, names, rotation=90, fontsize=size)
    else:
        axes.stairs(masks, [i + 0.5 for i in range(len(masks) + 1)], baseline=low, fill=True, color=MASKS)
        axes.set_xlabel("rank of the label")
    for limit in TAIL:
        fewer = sum(count < limit for count in masks)
        if fewer and low < limit < high and len(labels) > FEW_LABELS:
            axes.axhline(limit, color=INK, linewidth=0.6, linestyle=(0, (4, 3)))
            axes.annotate(
                f"{fewer:,} with fewer than {limit:,}",
                (1, limit),
                (0, 2),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                ha="right",
                fontsize=7.5,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
            )


def _areas(axes: "Axes", area: Histogram) -> None:
    """Draw the sizes of masks, in equal steps of the logarithm."""
    edges = [100 * edge for edge in (*area.edges, 1.0)]
    edges[0] = edges[1] * edges[1] / edges[2]  # the bin that begins at 0 is drawn as wide as the next one
    axes.stairs(area.counts, edges, fill=True, color=MASKS)
    axes.set_title("Masks by share of the slice")
    axes.set_xscale("log")
    filled = [i for i, count in enumerate(area.counts) if count]
    axes.set_xlim(min(0.1, edges[filled[0]]) if filled else 0.1, 100)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
    axes.set_ylabel("masks")
    _counted(axes, area)


def _edges(axes: "Axes", edge: Histogram) -> None:
    """Draw the sizes of images, binned by their longer edge."""
    bars = axes.bar(range(len(edge.counts)), edge.counts, width=0.92, color=IMAGES)
    axes.bar_label(bars, [f"{count:,}" if count else "" for count in edge.counts], padding=2, fontsize=7.5)
    axes.set_title("Images by longer edge, pixels")
    borders = [i - 0.5 for i in range(len(edge.edges) + 1)]
    axes.set_xticks(borders, [*(f"{low:,g}" for low in edge.edges), "more"])
    axes.set_ylabel("images")
    _counted(axes, edge)


def _counted(axes: "Axes", histogram: Histogram) -> None:
    """Set up the linear axis of a histogram's counts, with room for values above the bars."""
    from matplotlib.ticker import MaxNLocator

    axes.set_ylim(0, 1.12 * max(*histogram.counts, 1))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis="y", alpha=0.25)


def _decades(values: Sequence[int]) -> tuple[float, float]:
    """Return the limits of a logarithmic axis that spans at least a decade around the positive values."""
    positive = [value for value in values if value > 0] or [1]
    low = 0.5 * 10.0 ** math.floor(math.log10(min(positive)))
    return low, max(20 * low, float(max(positive)))


def _short(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}\u2026"


def _page(statistics: Statistics, svg: str) -> str:
    """Return an HTML page with the totals and the picture."""
    totals = ", ".join(
        f"{value:,} {name}"
        for name, value in (
            ("images", statistics.images),
            ("masks", statistics.masks),
            ("labels", len(statistics.by["label"])),
            ("cases", statistics.cases),
            ("patients", statistics.patients),
            ("data sets", statistics.datasets),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Corpus</title>\n'
        "<style>body { font: 15px sans-serif; color: #333; max-width: 1100px; margin: 2em auto; } "
        "svg { width: 100%; height: auto; }</style>\n</head>\n"
        f"<body>\n<h1>Corpus</h1>\n<p>{totals}</p>\n{svg[svg.index('<svg') :]}</body>\n</html>\n"
    )
