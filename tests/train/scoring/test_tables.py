import csv
import io
import json

import pytest

from catalog.errors import OutputError
from train.scoring.evaluate import CaseScore, Evaluation, MaskScore
from train.scoring.report import report
from train.scoring.tables import to_csv, to_json, to_markdown, write_tables

DSC = {"lite-medsam": {"a": 0.8, "b": 0.6, "c": 0.95}, "a|b": {"a": 0.4, "b": 0.3, "c": 0.5}}
PLACES = {"a": ("CT", "p"), "b": ("CT", "q"), "c": ("X-ray", "p")}


@pytest.fixture
def scored():
    masks, cases = [], []
    for model, values in DSC.items():
        for name, dsc in values.items():
            modality, patient = PLACES[name]
            same = {"dsc": dsc, "nsd": dsc / 2, "dsc_cvpr24": round(dsc, 4), "nsd_cvpr24": dsc / 4}
            masks.append(MaskScore(model, "A,B", patient, modality, "left lung", name, 0, **same))
            cases.append(CaseScore(model, name, "A,B", patient, modality, **same, seconds=1 / 3, boxes=2))
    failed = {"images/x.png": "it is missing"}
    return Evaluation(tuple(DSC), tuple(masks), tuple(cases), {"a": 0, "b": 1, "c": 2}, failed)


def cells(text, heading):
    """The rows of the table below a heading, by their first cell."""
    part = text.split(f"## {heading}\n")[1].split("##")[0]
    rows = [line.replace("\\|", "¦").strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows}


def test_csv_gives_every_field_back(scored):
    for kind, rows in ((MaskScore, scored.masks), (CaseScore, scored.cases)):
        read = list(csv.DictReader(io.StringIO(to_csv(kind, rows).decode())))
        assert len(read) == len(rows)
        for one, row in zip(read, rows, strict=True):
            for name, text in one.items():
                value = getattr(row, name)
                assert type(value)(text) == value


def test_the_table_of_the_papers(scored):
    text = to_markdown(report(scored, {"split": "test", "shares": None, "models": {"a": "a", "b": "b=x.pth"}}))
    table = cells(text, "cvpr24")
    assert table["modality"] == ["images", "patients", "lite-medsam DSC", "lite-medsam NSD", "a¦b DSC", "a¦b NSD"]
    assert table["CT"] == ["2", "2", "70.00", "17.50", "35.00", "8.75"]
    assert table["X-ray"] == ["1", "1", "95.00", "23.75", "50.00", "12.50"]
    assert table["**mean**"][2:] == ["**82.50**", "**20.62**", "**42.50**", "**10.62**"]
    assert table["ratio to lite-medsam"][2:] == ["–", "–", "0.5152", "0.5152"]
    assert cells(text, "correct")["CT"][2:] == ["70.00", "35.00", "35.00", "17.50"]
    assert cells(text, "Seconds an image")["CT"] == ["2.0", "0.333", "0.333"]
    assert cells(text, "Ranking")["1"][:2] == ["lite-medsam", "1.167"]
    assert "- images/x.png: it is missing" in text
    assert "- split: test\n- models: a, b (b=x.pth)\n" in text
    assert "shares" not in text


def test_files(scored, tmp_path):
    figures = report(scored, {})
    write_tables(tmp_path, scored, figures)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.csv", "masks.csv", "scores.json", "scores.md"]
    assert json.loads((tmp_path / "scores.json").read_text("utf-8")) == json.loads(to_json(figures)) == figures
    with pytest.raises(OutputError, match="cannot be written"):
        write_tables(tmp_path / "absent", scored, figures)
