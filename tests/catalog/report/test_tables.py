import csv
import io

import pytest
from rich.console import Console

from catalog.corpus import Corpus
from catalog.report.statistics import corpus_statistics
from catalog.report.tables import MAX_ROWS, print_statistics, write_csv


def printed(statistics, width=100):
    console = Console(file=io.StringIO(), width=width)
    print_statistics(statistics, console)
    return console.file.getvalue()


@pytest.fixture
def folder(tmp_path, write_corpus):
    masks = [{"label": f"label {i:02d}", "instance": j} for i in range(30) for j in range(1200 if i == 0 else 1)]
    drops = [{"dataset": "A", "case": "9", "reason": "geometry"}] + [
        {"dataset": "A", "case": "1", "reason": "small"} for _ in range(2458)
    ]
    return write_corpus(tmp_path, masks, drops, row_group_size=5000)


def words(text):
    return [line.split() for line in text.splitlines()]


def test_the_tables_show_what_was_counted(folder):
    lines = words(printed(corpus_statistics(Corpus.open(folder), by=["license"])))
    assert ["images", "1,", "masks", "1,229,", "labels", "30"] in lines
    assert ["cases", "1,", "patients", "1,", "data", "sets", "1"] in lines
    assert any(line[:4] == ["label", "00", "1", "1,200"] for line in lines)
    assert any(line[:3] == ["CT", "1", "1,229"] for line in lines)
    assert any(line[:3] == ["none", "1", "1,229"] for line in lines)
    assert any(line[:4] == ["fewer", "than", "10", "29"] for line in lines)
    assert any(line[:6] == ["2", "%", "to", "5", "%", "1,229"] for line in lines)
    assert any(line[:4] == ["512", "to", "1024", "1"] for line in lines)
    assert ["cases", "2", "1", "1", "50.0", "%"] in lines
    assert ["geometry", "1"] in lines
    assert ["masks", "3,687", "2,458", "1,229", "33.3", "%"] in lines
    assert ["small", "2,458"] in lines


def test_long_tables_end_with_how_many_more(folder):
    text = printed(corpus_statistics(Corpus.open(folder)))
    assert f"... {30 - MAX_ROWS} more" in text
    assert sum(line[:1] == ["label"] for line in words(text)) == MAX_ROWS + 1  # the rows, and the heading


def test_names_are_not_taken_for_markup(tmp_path, write_corpus):
    text = printed(corpus_statistics(Corpus.open(write_corpus(tmp_path, [{"label": "[red]lesion[/]"}]))))
    assert "[red]lesion[/]" in text


def test_a_narrow_terminal_loses_no_number(folder):
    text = printed(corpus_statistics(Corpus.open(folder)), width=50)
    assert max(map(len, text.splitlines())) <= 50
    assert "1,200" in text


def test_a_missing_drops_table_is_said(tmp_path, write_corpus):
    text = printed(corpus_statistics(Corpus.open(write_corpus(tmp_path, [{}]))))
    assert "There is no drops.parquet" in text


def test_an_empty_corpus_prints(tmp_path, write_corpus):
    text = printed(corpus_statistics(Corpus.open(write_corpus(tmp_path, [], drops=[]))))
    assert "images 0, masks 0, labels 0" in text


def test_csv_is_one_tidy_table(tmp_path, write_corpus):
    folder = write_corpus(tmp_path, [{"label": 'a,"b"'}, {"label": "ü", "instance": 1}])
    write_csv(corpus_statistics(Corpus.open(folder)), tmp_path / "counts.csv")
    with (tmp_path / "counts.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["dimension", "name", "images", "masks"]
    assert rows[1] == ["total", "total", "1", "2"]
    assert ["label", 'a,"b"', "1", "1"] in rows
    assert ["label", "ü", "1", "1"] in rows
    assert {row[0] for row in rows[1:]} == {"total", "modality", "label", "dataset", "anatomy", "axis"}
