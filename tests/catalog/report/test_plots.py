import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation
from PIL import Image

from catalog.errors import CatalogError
from catalog.names import ANATOMIES, MODALITY_TOKENS
from catalog.report.plots import STYLE, draw_plots, make_figure
from catalog.report.statistics import AREA_EDGES, LONG_EDGES, Count, Histogram, Statistics


def made_up(modalities=3, labels=20, anatomies=2, scale=1000, name="label_{}"):
    """Statistics with counts that fall off."""
    groups = {
        "modality": {one: Count(max(1, scale >> i), max(1, 3 * scale >> i)) for i, one in enumerate(MODALITY_TOKENS)},
        "anatomy": {one: Count(max(1, scale >> i), max(1, 3 * scale >> i)) for i, one in enumerate(ANATOMIES)},
        "label": {name.format(i): Count(1, max(1, 4 * scale // (i + 1) ** 2)) for i in range(labels)},
    }
    shown = {"modality": modalities, "anatomy": anatomies, "label": labels}
    by = {column: dict(list(group.items())[: shown[column]]) for column, group in groups.items()}
    area = Histogram(AREA_EDGES, tuple(scale * (i % 7) + 1 for i in range(len(AREA_EDGES))))
    edge = Histogram(LONG_EDGES, tuple(scale * (8 - i) for i in range(len(LONG_EDGES))))
    return Statistics(scale, 4 * scale, 1, 1, 1, by, {}, {}, area, edge)


def texts(axes, renderer):
    """The visible texts within or beside some axes, with their boxes."""
    ticks = []
    for axis, (low, high) in ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim()))):
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if low <= tick.get_loc() <= high:
                ticks.append(tick.label1)
    annotations = [child for child in axes.get_children() if isinstance(child, Annotation)]
    legend = axes.get_legend().get_texts() if axes.get_legend() else []
    for text in [*ticks, *annotations, *legend, axes._left_title, axes.xaxis.label, axes.yaxis.label]:
        if text.get_text() and text.get_visible():
            yield text, text.get_window_extent(renderer)


@pytest.mark.parametrize(
    ("modalities", "labels", "scale", "name"),
    [
        (1, 1, 1, "label_of_the_left_upper_lobe_of_the_lung_{}"),
        (1, 0, 1, ""),
        (2, 8, 30, "vertebrae_L{}"),
        (3, 11, 4_600_000, "label_of_the_left_upper_lobe_of_the_lung_{}"),
        (4, 10, 4_600_000, "label_of_the_left_upper_lobe_of_the_lung_{}"),
        (6, 40, 300, "left_upper_lobe_{}"),
        (12, 80, 4_600_000, "label_of_the_left_upper_lobe_of_the_lung_{}"),
        (12, 300, 4_600_000, "l{}"),
    ],
)
def test_no_texts_overlap_and_none_is_cut(modalities, labels, scale, name):
    with matplotlib.rc_context(STYLE):
        figure = make_figure(made_up(modalities, labels, min(modalities, 6), scale, name))
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    page = figure.bbox
    for axes in figure.axes:
        found = list(texts(axes, canvas.get_renderer()))
        for text, box in found:
            inside = page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
            assert inside, f"{text.get_text()!r} is cut off"
        for (one, box), (other, other_box) in combinations(found, 2):
            assert not box.padded(-0.5).overlaps(other_box.padded(-0.5)), (one.get_text(), other.get_text())


def test_values_are_written_at_the_bars():
    figure = make_figure(made_up(modalities=2, labels=3, scale=1000))
    written = {
        child.get_text() for axes in figure.axes for child in axes.get_children() if isinstance(child, Annotation)
    }
    assert {"1,000", "3,000", "500", "1,500", "4,000", "444"} <= written


def test_bars_are_as_long_as_their_counts():
    figure = make_figure(made_up(modalities=2, labels=100))
    bars = figure.axes[0].containers
    assert [bar.get_width() for bar in bars[0]] == [1000, 500]
    assert [bar.get_width() for bar in bars[1]] == [3000, 1500]
    assert figure.axes[0].get_xscale() == figure.axes[2].get_yscale() == "log"
    (stairs,) = figure.axes[2].patches
    assert stairs.get_data().values[:3].tolist() == [4000, 1000, 444]
    written = {child.get_text() for child in figure.axes[2].get_children() if isinstance(child, Annotation)}
    below = {limit: sum(4000 // (i + 1) ** 2 < limit for i in range(100)) for limit in (10, 100, 1000)}
    assert written == {f"{count} with fewer than {limit:,}" for limit, count in below.items()}


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".svg", ".html"])
def test_every_format_is_written_alike_twice(tmp_path, suffix):
    before = dict(matplotlib.rcParams)
    for name in "ab":
        draw_plots(made_up(), tmp_path / f"{name}{suffix}")
    data = (tmp_path / f"a{suffix}").read_bytes()
    assert data == (tmp_path / f"b{suffix}").read_bytes()
    assert dict(matplotlib.rcParams) == before
    if suffix.lower() == ".png":
        with Image.open(tmp_path / f"a{suffix}") as image:
            assert image.width == 2200
        return
    text = data.decode()
    svg = ET.fromstring(text[text.index("<svg") : text.rindex("</svg>") + 6])
    assert svg.tag.endswith("svg")
    assert set(re.findall(r'(?:href|src)="(?!#)([^"]*)"', text)) == set()
    if suffix == ".html":
        assert "1,000 images, 4,000 masks, 20 labels" in text


def test_pyplot_stays_out():
    code = (
        "import sys; from catalog.report.plots import make_figure; assert 'matplotlib' not in sys.modules; "
        "from tests.catalog.report.test_plots import made_up; make_figure(made_up()); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_other_suffixes_and_empty_corpora_are_refused(tmp_path):
    for name in ("plot.pdf", "plot"):
        with pytest.raises(CatalogError, match=r"figures are written as \.png, \.svg, \.html"):
            draw_plots(made_up(), tmp_path / name)
    with pytest.raises(CatalogError, match="no images"):
        draw_plots(made_up(scale=0), tmp_path / "plot.png")
    assert list(tmp_path.iterdir()) == []
