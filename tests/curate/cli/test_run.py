"""The command line as a user meets it: exit status, what is printed, what is written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from tests.curate.corpora import RECIPE, contents, make_source

ROOT = Path(__file__).parents[3]


def curate(*words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `curate` in a process of its own."""
    command = [sys.executable, "-c", "from curate.cli import main; main()", *map(str, words)]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}
    )
    assert ended.returncode == status, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source, its recipe, and a corpus made of both."""
    folder = tmp_path_factory.mktemp("cli")
    make_source(folder / "source", 2)
    (folder / "blobs.yaml").write_text(RECIPE)
    curate("run", folder / "blobs.yaml", "--source", folder / "source", "--out", folder / "corpus", "--workers", 1)
    return folder


def test_run_says_what_it_did(place: Path, tmp_path: Path) -> None:
    said = curate("run", place / "blobs.yaml", "--source", place / "source", "--out", tmp_path, "--limit", 1).stdout
    assert "Blobs: 1 cases" in said
    assert "slowest case: case_0" in said
    again = curate("run", place / "blobs.yaml", "--source", place / "source", "--out", tmp_path, "--limit", 1, "--json")
    (summary,) = json.loads(again.stdout)
    assert (summary["cases"], summary["done_before"], summary["failed"]) == (1, 1, {})


def test_a_failed_case_is_exit_status_1(place: Path, tmp_path: Path) -> None:
    make_source(tmp_path / "source", 2)
    (tmp_path / "source" / "case_1" / "label.nii.gz").write_bytes(b"junk")
    ended = curate("run", place / "blobs.yaml", "--source", tmp_path / "source", "--out", tmp_path / "o", status=1)
    assert "failed: case_1: case_1/label.nii.gz cannot be read" in ended.stdout.replace(
        "failed: case_1: label", "failed: case_1: case_1/label"
    )
    strict = ("--strict", "--workers", 1)
    ended = curate(
        "run", place / "blobs.yaml", "--source", tmp_path / "source", "--out", tmp_path / "s", *strict, status=1
    )
    assert "error: case_1" in ended.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--axes", "q"), "allowed: x, y, z"),
        (("--window", "liver"), "abdomen"),
        (("--store", "zip"), "shards"),
        (("--memory", "lots"), "8G"),
        (("--limit", "0"), "limit"),
        (("--include", "nothing"), "leave none"),
        (("--lmit", "3"), "--limit"),
    ],
)
def test_wrong_options_are_exit_status_2_and_write_nothing(
    place: Path, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    out = tmp_path / "out"
    ended = curate("run", place / "blobs.yaml", "--source", place / "source", "--out", out, *words, status=2)
    assert complaint in ended.stderr
    assert not out.exists()


def test_every_fault_of_every_recipe_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        RECIPE.replace("abdomen\ncases", "liver\ncases").replace("modality: CT", "modality: XT")
    )
    (tmp_path / "b.yaml").write_text(RECIPE.replace("labels:", "lables:"))
    said = curate("check", tmp_path / "a.yaml", tmp_path / "b.yaml", status=2).stderr
    for words in ("a.yaml:4", "XT", "liver", "b.yaml", "lables"):
        assert words in said
    unknown = curate("run", "kits32", "--source", tmp_path, "--out", tmp_path / "out", status=2).stderr
    assert "kits23" in unknown


def test_a_missing_source(tmp_path: Path) -> None:
    assert "--source" in curate("run", "kits23", "--out", tmp_path / "out", status=2).stderr
    missing = curate("run", "kits23", "--source", tmp_path / "none", "--out", tmp_path / "out", status=2)
    assert str(tmp_path / "none") in missing.stderr


def test_dry_run_estimates_and_writes_nothing(place: Path, tmp_path: Path) -> None:
    words = ("run", place / "blobs.yaml", "--source", place / "source", "--out", tmp_path / "out", "--dry-run")
    assert "2 to do" in curate(*words).stdout
    (estimate,) = json.loads(curate(*words, "--json").stdout)
    assert (estimate["cases"], estimate["to_do"], estimate["probed"]) == (2, 2, 2)
    real = json.loads(curate(*words[:-1], "--json").stdout)[0]
    assert (estimate["images"], estimate["masks"]) == (real["images"], real["masks"])
    files = len(contents(tmp_path / "out"))
    assert estimate["files"] == pytest.approx(files, abs=5)


def test_recipes_schema_and_check() -> None:
    listed = json.loads(curate("recipes", "--json").stdout)
    names = {entry["recipe"] for entry in listed}
    assert {"kits23", "msd09_spleen", "totalsegmentator_v2", "kvasir_seg", "dsb2018", "demo_mni152"} <= names
    assert "kits23" in curate("recipes").stdout
    assert json.loads(curate("schema").stdout)["$schema"].endswith("2020-12/schema")
    assert "KiTS23, 3 labels" in curate("check", "kits23", "recipes/kits23.yaml").stdout


def test_recipes_can_be_filtered() -> None:
    def listed(*words: str) -> dict[str, dict[str, object]]:
        return {entry["recipe"]: entry for entry in json.loads(curate("recipes", "--json", *words).stdout)}

    all_of_them = listed()
    ct = listed("--modality", "ct")
    assert set(ct) == {name for name, entry in all_of_them.items() if "CT" in entry["modalities"]}  # type: ignore[operator]
    two = listed("--modality", "CT", "--modality", "Fundus", "--license", "cc-by-4")
    assert {str(entry["license"]) for entry in two.values()} == {"CC-BY-4.0"}
    assert set(listed("--anatomy", "abdomen", "--modality", "CT")) < set(ct)
    assert {entry["status"] for entry in listed("--status", "seen").values()} == {"seen"}
    for words in (("--modality", "CTT"), ("--anatomy", "liver"), ("--status", "done")):
        assert "allowed" in curate("recipes", *words, status=2).stderr


def test_the_list_of_recipes_fits_80_columns_with_the_licence_whole() -> None:
    command = [sys.executable, "-c", "from curate.cli import main; main()", "recipes"]
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, check=True).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    start = text.splitlines()[0].index("licence")
    assert all(line[:start].endswith(" ") for line in text.splitlines())
    licences = [entry["license"] for entry in json.loads(curate("recipes", "--json").stdout)]
    shown = "".join(line[start:] for line in text.splitlines()[1:])
    assert shown.replace(" ", "") == "".join(licences).replace(" ", "")


def test_stats_and_sheet(place: Path, tmp_path: Path) -> None:
    counted = json.loads(curate("stats", place / "corpus", "--json").stdout)
    assert counted["cases"] == 2
    assert counted["by"]["modality"] == {"CT": {"images": counted["images"], "masks": counted["masks"]}}
    assert set(counted["by"]["label"]) == {"organ", "tumour"}
    assert "tumour" in curate("stats", place / "corpus", "--by", "window_low", "--csv", tmp_path / "c.csv").stdout
    assert (tmp_path / "c.csv").read_text().startswith("dimension,name,images,masks\n")
    for name in ("f.png", "f.svg", "f.html"):
        curate("stats", place / "corpus", "--plot", tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    curate("sheet", place / "corpus", "--out", tmp_path / "s.png", "--tiles", 4)
    assert cv2.imread(str(tmp_path / "s.png")).shape[0] > 256
    assert "not a corpus" in curate("stats", tmp_path, status=2).stderr


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("sheet", "--out", "{tmp}/s.gif"), 2, ".gif"),
        (("stats", "--plot", "{tmp}/s.pdf"), 2, "figures are written as"),
        (("sheet", "--out", "{tmp}/absent/s.png"), 1, "cannot be written: No such file"),
        (("sheet", "--out", "{tmp}/absent/s.jpg"), 1, "cannot be written: No such file"),
        (("stats", "--plot", "{tmp}/absent/s.svg"), 1, "cannot be written: No such file"),
        (("stats", "--plot", "{tmp}/absent/s.html"), 1, "cannot be written: No such file"),
        (("stats", "--csv", "{tmp}/absent/s.csv"), 1, "cannot be written: No such file"),
        (("stats", "--csv", "{tmp}"), 1, "cannot be written: Is a directory"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line(
    place: Path, tmp_path: Path, words: tuple[str, ...], status: int, message: str
) -> None:
    command, *options = (word.format(tmp=tmp_path) for word in words)
    error = curate(command, place / "corpus", *options, status=status).stderr
    assert message in error
    assert "Traceback" not in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_relative_folder_with_a_colon_is_no_uri(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from curate.cli import app

    monkeypatch.chdir(tmp_path)
    words = ["run", str(place / "blobs.yaml"), "--source", str(place / "source"), "--out", "a:b", "--workers", "1"]
    app(words, standalone_mode=False)
    app(["stats", "a:b"], standalone_mode=False)
    assert "masks" in capsys.readouterr().out
    assert (tmp_path / "a:b" / "catalog.parquet").is_file()


def test_too_little_memory_is_refused(place: Path, tmp_path: Path) -> None:
    words = ("--source", place / "source", "--out", tmp_path / "o", "--memory", "100M")
    assert "give at least" in curate("run", place / "blobs.yaml", *words, status=2).stderr
    assert not (tmp_path / "o").exists()
