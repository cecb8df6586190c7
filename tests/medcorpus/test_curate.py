"""`medcorpus.load_recipe` and `medcorpus.curate`: the values they take, and the errors they raise."""

import subprocess
import sys
from pathlib import Path

import pytest

import medcorpus
from curate.errors import CaseError, OptionError, RecipeError, SourceError
from curate.imaging.window import parse_window
from tests.curate.corpora import RECIPE, contents, make_source, recipe, rows

ROOT = Path(__file__).parents[2]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_source(tmp_path / "source", 2)


def test_a_recipe_by_name_path_and_text(tmp_path: Path) -> None:
    (tmp_path / "blobs.yaml").write_text(RECIPE)
    assert medcorpus.load_recipe("kits23").name == "KiTS23"
    assert medcorpus.load_recipe(ROOT / "recipes/kits23.yaml").hash == medcorpus.load_recipe("kits23").hash
    assert medcorpus.load_recipe(str(tmp_path / "blobs.yaml")) == medcorpus.load_recipe(tmp_path / "blobs.yaml")
    with pytest.raises(RecipeError, match="did you mean 'kits23'") as caught:
        medcorpus.load_recipe("kits32")
    assert caught.value.code == "recipe"
    assert isinstance(caught.value, medcorpus.MedcorpusError)


def test_curate_gives_the_corpus_of_the_command(tmp_path: Path, source: Path) -> None:
    (tmp_path / "blobs.yaml").write_text(RECIPE)
    summary = medcorpus.curate(tmp_path / "blobs.yaml", str(source), str(tmp_path / "a"), workers=1)
    assert (summary.cases, summary.failed) == (2, {})
    assert summary.masks == len(rows(tmp_path / "a"))
    assert str(summary).startswith(f"Blobs: 2 cases, {summary.images} images, {summary.masks} masks in ")
    command = [sys.executable, "-c", "from curate.cli import main; main()", "run", tmp_path / "blobs.yaml",
               "--source", source, "--out", tmp_path / "b", "--workers", "1"]  # fmt: skip
    said = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert said.split(" in ")[0] == str(summary).split(" in ")[0]
    again = medcorpus.curate(recipe(), source, tmp_path / "a")
    assert again.done_before == 2


def test_the_default_source_and_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEDCORPUS_SOURCES", raising=False)
    make_source(tmp_path / "sources/blobs", 1)
    assert medcorpus.curate(recipe(), workers=1).cases == 1
    assert medcorpus.open("corpus").rows > 0


@pytest.mark.parametrize(
    ("options", "axes", "window"),
    [
        ({"axes": "z"}, {"z"}, (-160.0, 240.0)),
        ({"axes": "x,y", "window": "lung"}, {"x", "y"}, (-1350.0, 150.0)),
        ({"axes": ["y"], "window": "50/100"}, {"y"}, (0.0, 100.0)),
        ({"axes": ("x",), "window": parse_window("bone")}, {"x"}, (-500.0, 1300.0)),
    ],
)
def test_axes_and_windows_in_every_form(
    tmp_path: Path, source: Path, options: dict[str, object], axes: set[str], window: tuple[float, float]
) -> None:
    medcorpus.curate(recipe(), source, tmp_path / "out", workers=1, limit=1, **options)  # type: ignore[arg-type]
    found = rows(tmp_path / "out")
    assert {row["axis"] for row in found} == axes
    assert {(row["window_low"], row["window_high"]) for row in found} == {window}


def test_cases_are_chosen(tmp_path: Path, source: Path) -> None:
    medcorpus.curate(recipe(), source, tmp_path / "a", include=["*_1"])
    medcorpus.curate(recipe(), source, tmp_path / "b", exclude=["*_1"])
    assert {row["case"] for row in rows(tmp_path / "a")} == {"case_1"}
    assert {row["case"] for row in rows(tmp_path / "b")} == {"case_0"}


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"store": "zip"}, "store"),
        ({"axes": "q"}, "axes"),
        ({"axes": ["x", "x"]}, "axes"),
        ({"window": "liver"}, "window"),
        ({"memory": "lots"}, "memory"),
        ({"workers": 0}, "workers"),
        ({"limit": -1}, "limit"),
        ({"include": "case_1"}, "include"),
        ({"out": "s3://bucket/corpus"}, "out"),
        ({"source": "https://example.org/data"}, "source"),
    ],
)
def test_wrong_options_write_nothing(
    tmp_path: Path, source: Path, options: dict[str, object], option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    arguments = {"source": source, "out": tmp_path / "out", **options}
    with pytest.raises(OptionError) as caught:
        medcorpus.curate(recipe(), **arguments)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.option, caught.value.exit_code) == ("option", option, 2)
    assert sorted(tmp_path.iterdir()) == before


def test_a_failing_case(tmp_path: Path, source: Path) -> None:
    (source / "case_1/label.nii.gz").write_bytes(b"junk")
    summary = medcorpus.curate(recipe(), source, tmp_path / "out")
    assert set(summary.failed) == {"case_1"}
    assert summary.wrong
    with pytest.raises(CaseError, match="case_1"):
        medcorpus.curate(recipe(), source, tmp_path / "strict", strict=True)
    with pytest.raises(SourceError, match="does not exist"):
        medcorpus.curate(recipe(), tmp_path / "none", tmp_path / "out")


def test_progress_goes_to_standard_error(tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        medcorpus.curate(recipe(), source, tmp_path / "out", workers=1)
    quiet = capsys.readouterr()
    medcorpus.curate(recipe(), source, tmp_path / "out", workers=1, progress=True)
    shown = capsys.readouterr()
    assert (quiet.out, quiet.err, shown.out) == ("", "", "")
    assert "Blobs: 2 cases are finished already" in shown.err
