"""Whole runs: again, killed, grown, changed, in several processes, from several sources."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.drop_reasons import Reason
from catalog.errors import OutputError
from catalog.pixels import PixelReader
from catalog.schema import SORT_COLUMNS
from catalog.stores.registry import store_names
from curate.errors import CaseError, RunError, SourceError
from curate.executors.base import WorkerDied
from curate.executors.processes import ProcessExecutor
from curate.imaging.window import parse_window
from curate.ledger import durability
from curate.ledger.case_result import CaseResult
from curate.pipeline import curate_case as pipeline
from curate.pipeline.task import Task
from curate.recipe.resolved import Recipe
from curate.run import run as running
from curate.run.plan import Options
from curate.run.summary import RunSummary
from tests.curate.corpora import RECIPE, contents, make_case, make_source, recipe, rows

MEMORY = 4 << 30


def run(a_recipe: Recipe, source: Path, out: Path, **options: object) -> RunSummary:
    return running.run(a_recipe, source, out, Options(**{"memory": MEMORY, **options}))  # type: ignore[arg-type]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_source(tmp_path / "source", 3)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The cases that the pipeline works on, in order."""
    cases: list[str] = []
    original = running.curate_case

    def noting(task: Task) -> CaseResult:
        cases.append(task.case.case)
        return original(task)

    monkeypatch.setattr(running, "curate_case", noting)
    return cases


def test_tables_and_files_agree(tmp_path: Path, source: Path) -> None:
    summary = run(recipe(), source, tmp_path / "out")
    kept = rows(tmp_path / "out")
    assert (summary.cases, summary.failed, summary.masks) == (3, {}, len(kept))
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert files == {row["image"] for row in kept} | {row["mask"] for row in kept}
    key = [tuple((row[name] is None, row[name]) for name in SORT_COLUMNS) for row in kept]
    assert key == sorted(key)
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert labels == {"Blobs": {"organ": "0001", "tumour": "0002"}}
    assert {row["recipe_hash"] for row in kept} == {recipe().hash}
    assert {row["patient"] for row in kept} == {"case_0", "case_1", "case_2"}
    report = json.loads((tmp_path / "out" / "run.json").read_text())
    assert report["datasets"]["Blobs"]["masks"] == len(kept)


def test_rows_carry_the_official_split_and_follow_it(tmp_path: Path, source: Path) -> None:
    def split_as(words: str) -> Recipe:
        return recipe(f"split: {{csv: split.csv, case: id, split: part, map: {words}}}\n")

    (source / "split.csv").write_text("id,part\ncase_0,a\ncase_1,b\n")
    out = tmp_path / "out"
    run(split_as("{a: train, b: test}"), source, out)
    assert {(row["case"], row["split"]) for row in rows(out)} == {
        ("case_0", "train"), ("case_1", "test"), ("case_2", None),
    }  # fmt: skip
    (source / "split.csv").write_text("id,part\ncase_0,a\ncase_1,a\n")
    summary = run(split_as("{a: train, b: test}"), source, out)
    assert summary.done_before == 2
    assert {(row["case"], row["split"]) for row in rows(out)} == {
        ("case_0", "train"), ("case_1", "train"), ("case_2", None),
    }  # fmt: skip


@pytest.mark.parametrize("store", store_names())
def test_a_second_run_does_nothing(tmp_path: Path, source: Path, done: list[str], store: str) -> None:
    run(recipe(), source, tmp_path / "out", store=store)
    before = contents(tmp_path / "out")
    done.clear()
    again = run(recipe(), source, tmp_path / "out", store=store)
    assert (done, again.done_before) == ([], 3)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("store", store_names())
def test_the_number_of_workers_changes_nothing(tmp_path: Path, source: Path, store: str) -> None:
    run(recipe(), source, tmp_path / "one", store=store)
    options = Options(memory=MEMORY, store=store)
    running.run(recipe(), source, tmp_path / "two", options, executor=ProcessExecutor(2, MEMORY))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_all_stores_hold_the_same_rows_and_pixels(tmp_path: Path, source: Path) -> None:
    seen = []
    for store in store_names():
        out = tmp_path / store
        run(recipe(), source, out, store=store)
        reader = PixelReader(out)
        where = ("image", "mask", "image_index", "mask_index")
        seen.append(
            [
                (
                    {name: value for name, value in row.items() if name not in where},
                    reader.image(row["image"], row["image_index"]).tobytes(),
                    (reader.mask(row["mask"], row["mask_index"], row["image_index"]) > 0).tobytes(),
                )
                for row in rows(out)
            ]
        )
    assert seen[0]
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("store", store_names())
def test_a_new_case_adds_and_leaves_the_others_alone(tmp_path: Path, source: Path, done: list[str], store: str) -> None:
    run(recipe(), source, tmp_path / "out", store=store, limit=2)
    done.clear()
    run(recipe(), source, tmp_path / "out", store=store)
    assert done == ["case_2"]
    run(recipe(), source, tmp_path / "fresh", store=store)
    assert _without_places(tmp_path / "out") == _without_places(tmp_path / "fresh")


@pytest.mark.parametrize("store", store_names())
def test_a_changed_input_is_done_again_and_its_old_files_go(
    tmp_path: Path, source: Path, done: list[str], store: str
) -> None:
    run(recipe(), source, tmp_path / "out", store=store)
    make_case(source / "case_1", seed=99, shape=(18, 22, 24))
    done.clear()
    run(recipe(), source, tmp_path / "out", store=store)
    assert done == ["case_1"]
    run(recipe(), source, tmp_path / "fresh", store=store)
    assert _without_places(tmp_path / "out") == _without_places(tmp_path / "fresh")
    if store != "shards":  # a shard packed anew has another number
        assert contents(tmp_path / "out") == contents(tmp_path / "fresh")
    else:
        assert len(list((tmp_path / "out" / "shards").rglob("*"))) == len(
            list((tmp_path / "fresh" / "shards").rglob("*"))
        )


def test_only_a_recipe_s_meaning_counts(tmp_path: Path, source: Path, done: list[str]) -> None:
    run(recipe(), source, tmp_path / "out")
    done.clear()
    run(recipe("notes: another word\nexpect: {cases: 3}"), source, tmp_path / "out")
    assert done == []
    run(recipe("aspect: false"), source, tmp_path / "out")
    assert len(done) == 3


def test_options_over_the_recipe(tmp_path: Path, source: Path) -> None:
    run(recipe(), source, tmp_path / "out", axes=("z",), window=parse_window("bone"))
    kept = rows(tmp_path / "out")
    assert {row["axis"] for row in kept} == {"z"}
    assert {(row["window_low"], row["window_high"]) for row in kept} == {(-500.0, 1300.0)}
    assert {row["recipe_hash"] for row in kept} != {recipe().hash}


def test_include_exclude_and_limit_choose_cases(tmp_path: Path, source: Path, done: list[str]) -> None:
    run(recipe(), source, tmp_path / "out", include=("case_[12]",), exclude=("*_2",))
    assert done == ["case_1"]
    with pytest.raises(RunError, match="leave none of 3 cases"):
        run(recipe(), source, tmp_path / "out", include=("nothing",))


def test_excluded_cases_are_told_and_taken_out(tmp_path: Path, source: Path, done: list[str]) -> None:
    run(recipe(), source, tmp_path / "out")
    done.clear()
    summary = run(recipe('exclude: {case_1: "labels are shifted"}'), source, tmp_path / "out")
    assert done == []
    assert {row["case"] for row in rows(tmp_path / "out")} == {"case_0", "case_2"}
    assert not list((tmp_path / "out").glob("images/Blobs/*--case_1--*"))
    (drop,) = [drop for drop in rows(tmp_path / "out", "drops") if drop["reason"] == "excluded"]
    assert (drop["case"], drop["detail"]) == ("case_1", "labels are shifted")
    assert summary.drops[Reason.EXCLUDED] == 1
    run(recipe(), source, tmp_path / "out")  # and back again
    assert {row["case"] for row in rows(tmp_path / "out")} == {"case_0", "case_1", "case_2"}
    assert not [drop for drop in rows(tmp_path / "out", "drops") if drop["reason"] == "excluded"]


def test_a_failing_case_is_recorded_and_tried_again(tmp_path: Path, source: Path, done: list[str]) -> None:
    image = source / "case_1" / "image.nii.gz"
    whole = image.read_bytes()
    image.write_bytes(whole[:1000])
    summary = run(recipe(), source, tmp_path / "out")
    assert list(summary.failed) == ["case_1"]
    assert {row["case"] for row in rows(tmp_path / "out")} == {"case_0", "case_2"}
    assert [drop["case"] for drop in rows(tmp_path / "out", "drops") if drop["reason"] == "unreadable"] == ["case_1"]
    image.write_bytes(whole)
    done.clear()
    assert run(recipe(), source, tmp_path / "out").failed == {}
    assert done == ["case_1"]


def test_strict_stops_at_the_first_failure(tmp_path: Path, source: Path, done: list[str]) -> None:
    (source / "case_0" / "image.nii.gz").write_bytes(b"junk")
    with pytest.raises(CaseError, match="case_0"):
        run(recipe(), source, tmp_path / "out", strict=True)
    assert done == ["case_0"]


def test_several_recipes_share_a_corpus(tmp_path: Path, source: Path) -> None:
    run(recipe(), source, tmp_path / "out")
    other = recipe(text=RECIPE.replace("name: Blobs", "name: Apples"))
    run(other, source, tmp_path / "out")
    assert [row["dataset"] for row in rows(tmp_path / "out")] == sorted(
        row["dataset"] for row in rows(tmp_path / "out")
    )
    assert {row["dataset"] for row in rows(tmp_path / "out")} == {"Apples", "Blobs"}
    assert set(json.loads((tmp_path / "out" / "labels.json").read_text())) == {"Apples", "Blobs"}


def test_class_ids_stay_when_the_recipe_grows(tmp_path: Path, source: Path) -> None:
    run(recipe(), source, tmp_path / "out")
    grown = RECIPE.replace("{organ: [1, 2], tumour: 2}", "{lesion: 1, tumour: 2, organ: [1, 2]}")
    run(recipe(text=grown), source, tmp_path / "out")
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())["Blobs"]
    assert labels == {"organ": "0001", "tumour": "0002", "lesion": "0003"}
    assert {(row["label"], row["label_id"]) for row in rows(tmp_path / "out")} == {
        ("organ", 1), ("tumour", 2), ("lesion", 3),
    }  # fmt: skip


def test_two_sources_never_share_a_name(tmp_path: Path, source: Path) -> None:
    run(recipe(), source, tmp_path / "out")
    before = contents(tmp_path / "out")
    other = make_source(tmp_path / "other", 1)
    with pytest.raises(RunError) as refused:
        run(recipe(), other, tmp_path / "out")
    assert str(source) in str(refused.value)
    assert str(other) in str(refused.value)
    assert contents(tmp_path / "out") == before
    run(recipe(), other, tmp_path / "out", replace=True)


def test_wrong_asking_writes_nothing(tmp_path: Path, source: Path) -> None:
    with pytest.raises(SourceError, match="source folder not found"):
        run(recipe(), tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="image"):
        run(recipe(), tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_run_at_a_time(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = running.curate_case

    def meddle(task: Task) -> CaseResult:
        with pytest.raises(RunError, match="another run"):
            run(recipe(), source, tmp_path / "out")
        return original(task)

    monkeypatch.setattr(running, "curate_case", meddle)
    run(recipe(), source, tmp_path / "out", limit=1)


def test_a_full_disk_is_one_error_and_the_run_goes_on_later(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(recipe(), source, tmp_path / "fresh")
    writes = 0
    original = pipeline.write_fragment

    def full(*arguments: object) -> None:
        nonlocal writes
        writes += 1
        if writes == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "write_fragment", full)
        with pytest.raises(OutputError, match="is full") as error:
            run(recipe(), source, tmp_path / "out")
    assert error.value.exit_code == 1
    assert not (tmp_path / "out" / "catalog.parquet").exists()
    run(recipe(), source, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


KILLED = """
import os, signal, sys
from pathlib import Path
from curate.pipeline import curate_case as pipeline
from curate.run import run as running
from curate.ledger import publish as publishing
from curate.run.plan import Options
from catalog.stores import packing, shards
from tests.curate.corpora import recipe

steps = int(sys.argv[4])

def counted(original):
    def step(*arguments, **options):
        global steps
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)
    return step

for module, names in (
    (pipeline, ("write_fragment", "find_store", "image_hash", "build_fragment")),
    (running, ("curate_case",)),
    (publishing, ("write_catalog", "read_fragment")),
    (shards, ("sweep", "pack")),
    (packing, ("write_json",)),
    (running, ("write_json",)),
):
    for name in names:
        setattr(module, name, counted(getattr(module, name)))
Path.replace = counted(Path.replace)
Path.unlink = counted(Path.unlink)
running.run(recipe(), Path(sys.argv[1]), Path(sys.argv[2]), Options(store=sys.argv[3], memory=4 << 30))
print("whole")
"""


@pytest.mark.parametrize("store", store_names())
def test_killed_anywhere_the_same_command_goes_on_to_the_same_corpus(tmp_path: Path, store: str) -> None:
    source = make_source(tmp_path / "source", 2)
    run(recipe(), source, tmp_path / "fresh", store=store)
    wanted = contents(tmp_path / "fresh")
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    root = Path(__file__).parents[3]
    for steps in (0, 3, 9, 40, 63, 66, 70, 74, 78, 82, 86, 90):
        out = tmp_path / f"out_{steps}"
        command = [sys.executable, str(script), str(source), str(out), store, str(steps)]
        ended = subprocess.run(
            command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True
        )
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        _nothing_half_written_is_referenced(out)
        run(recipe(), source, out, store=store)
        assert contents(out) == wanted, f"killed at step {steps}"
        shutil.rmtree(out)


@pytest.mark.parametrize("store", store_names())
def test_killed_while_a_changed_case_is_done_again(tmp_path: Path, store: str) -> None:
    source = make_source(tmp_path / "source", 2)
    make_case(tmp_path / "changed" / "case_0", seed=5, shape=(18, 24, 20))
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    root = Path(__file__).parents[3]
    run(recipe(), source, tmp_path / "first", store=store)
    shutil.copytree(tmp_path / "changed", source, dirs_exist_ok=True)
    run(recipe(), source, tmp_path / "fresh", store=store)
    for steps in (1, 4, 6, 8, 12, 20, 40, 60):
        out = tmp_path / f"out_{steps}"
        shutil.copytree(tmp_path / "first", out)
        command = [sys.executable, str(script), str(source), str(out), store, str(steps)]
        subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True)
        _nothing_half_written_is_referenced(out)
        run(recipe(), source, out, store=store)
        assert _without_places(out) == _without_places(tmp_path / "fresh"), f"killed at step {steps}"
        if store != "shards":  # a shard packed anew has another number
            assert contents(out) == contents(tmp_path / "fresh")
        shutil.rmtree(out)


def test_a_power_cut_puts_what_was_not_settled_in_doubt(
    tmp_path: Path, source: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(recipe(), source, tmp_path / "out", limit=1)
    with monkeypatch.context() as patch:
        patch.setattr(running, "publish", _cut)
        with pytest.raises(KeyboardInterrupt):
            run(recipe(), source, tmp_path / "out")
    done.clear()
    monkeypatch.setattr(durability, "_boot", lambda: "another boot")
    run(recipe(), source, tmp_path / "out")
    assert done == ["case_1", "case_2"]


def test_two_cases_of_one_name_are_refused(tmp_path: Path, source: Path) -> None:
    shutil.copytree(source / "case_0", source / "case 0")
    with pytest.raises(RunError) as refused:
        run(recipe(), source, tmp_path / "out")
    assert "case 0/image.nii.gz" in str(refused.value)
    assert "case_0/image.nii.gz" in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_worker_killed_twice_costs_its_case_only(tmp_path: Path, source: Path) -> None:
    class Killing:
        def map(self, function: Callable[[Task], CaseResult], tasks: tuple[Task, ...], weight: object) -> object:
            yield from (function(task) for task in tasks[1:])
            yield WorkerDied(tasks[0])

    options = Options(memory=MEMORY)
    summary = running.run(recipe(), source, tmp_path / "out", options, executor=Killing())  # type: ignore[arg-type]
    assert list(summary.failed) == ["case_0"]
    (drop,) = [drop for drop in rows(tmp_path / "out", "drops") if drop["reason"] == "worker_died"]
    assert drop["case"] == "case_0"


def _cut(out: Path) -> None:
    raise KeyboardInterrupt


def _without_places(out: Path) -> list[dict[str, object]]:
    places = ("image", "mask", "image_index", "mask_index")
    return [{name: value for name, value in row.items() if name not in places} for row in rows(out)]


def _nothing_half_written_is_referenced(out: Path) -> None:
    if not (out / "catalog.parquet").exists():
        return
    from catalog.hashes import image_hash, mask_hash

    reader = PixelReader(out)
    for row in rows(out):
        assert image_hash(reader.image(row["image"], row["image_index"])) == row["image_hash"]
        assert mask_hash(reader.mask(row["mask"], row["mask_index"], row["image_index"])) == row["mask_hash"]


@pytest.mark.parametrize("store", store_names())
def test_records_that_a_power_cut_emptied_are_rebuilt(tmp_path: Path, source: Path, store: str) -> None:
    """Every JSON file of a corpus, and the record of a case of another data set, is empty; nothing else is lost."""
    other = recipe(text=RECIPE.replace("name: Blobs", "name: Apples"))
    for one in (recipe(), other):
        run(one, source, tmp_path / "fresh", store=store)
        run(one, source, tmp_path / "out", store=store)
    wanted = contents(tmp_path / "fresh")
    for path in (tmp_path / "out").rglob("*.json"):
        path.write_bytes(b"")
    (tmp_path / "out" / ".state" / "Apples" / "ct_00--case_1.arrow").write_bytes(b"")
    summary = run(recipe(), source, tmp_path / "out", store=store)
    assert summary.failed == {}
    assert any("case_1 (Apples) is damaged: run its recipe again" in warning for warning in summary.warnings)
    assert {(row["dataset"], row["case"]) for row in rows(tmp_path / "out")} == {
        *(("Blobs", f"case_{n}") for n in range(3)), ("Apples", "case_0"), ("Apples", "case_2"),
    }  # fmt: skip
    run(other, source, tmp_path / "out", store=store)
    _nothing_half_written_is_referenced(tmp_path / "out")
    assert _without_places(tmp_path / "out") == _without_places(tmp_path / "fresh")
    if store != "shards":
        assert contents(tmp_path / "out") == wanted


def test_doubt_lasts_until_the_recipe_is_run(
    tmp_path: Path, source: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut, a run of one recipe leaves the cases of another in doubt."""
    other = recipe(text=RECIPE.replace("name: Blobs", "name: Apples"))
    with monkeypatch.context() as patch:
        patch.setattr(running, "publish", _cut)
        for one in (recipe(), other):
            with pytest.raises(KeyboardInterrupt):
                run(one, source, tmp_path / "out")
    monkeypatch.setattr(durability, "_boot", lambda: "another boot")
    for one in (recipe(), other):
        done.clear()
        run(one, source, tmp_path / "out")
        assert done == ["case_0", "case_1", "case_2"]
    done.clear()
    run(recipe(), source, tmp_path / "out")
    run(other, source, tmp_path / "out")
    assert done == []
    assert json.loads((tmp_path / "out" / ".state" / "session.json").read_text()) == {"open": {}}


def test_a_corrected_recipe_replaces_what_it_made(tmp_path: Path, source: Path) -> None:
    """Another sequence, modality or case template: the rows of the same image files are replaced, not added to."""
    out = tmp_path / "out"
    run(recipe(), source, out)
    count = len(rows(out))
    for old, new in (
        ("modality: CT", "modality: CT\nsequence: cbf"),
        ("modality: CT\nanatomy: [abdomen]\nwindow: abdomen", "modality: MR\nanatomy: [abdomen]"),
        ('cases: {image: "{case}/image.nii.gz"', 'cases: {case: "c{case}", image: "{case}/image.nii.gz"'),
    ):
        run(recipe(text=RECIPE.replace(old, new)), source, out)
        kept = rows(out)
        assert len(kept) == count
        assert {path.relative_to(out).as_posix() for path in out.glob("images/*/*.png")} == {r["image"] for r in kept}
    assert {row["patient"] for row in kept} == {"ccase_0", "ccase_1", "ccase_2"}


def test_any_error_of_a_case_is_its_reason(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = pipeline.load_case

    def broken(task: Task) -> object:
        if task.case.case == "case_1":
            raise ZeroDivisionError("a bug\nof ours")
        return original(task)

    monkeypatch.setattr(pipeline, "load_case", broken)
    summary = run(recipe(), source, tmp_path / "out")
    assert summary.failed == {
        "case_1": "unexpected ZeroDivisionError: a bug (traceback in .state/Blobs/ct_00--case_1.log)"
    }
    assert "in broken" in (tmp_path / "out" / ".state/Blobs/ct_00--case_1.log").read_text()
    (drop,) = [drop for drop in rows(tmp_path / "out", "drops") if drop["reason"] == "unexpected"]
    assert drop["case"] == "case_1"


def test_an_out_that_cannot_be_written_is_one_error(tmp_path: Path, source: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        run(recipe(), source, tmp_path / "file")


def test_odd_names(tmp_path: Path, done: list[str]) -> None:
    """Long, accented, foreign and non-UTF-8 names: each is a case of its own, or named in a warning."""
    names = ["x" * 230, "Müller", "Muller", "Иванов", "Петров", "a b"]
    for seed, name in enumerate(names):
        make_case(tmp_path / "source" / name, seed=seed)
    make_case(Path(os.fsdecode(os.fsencode(tmp_path / "source") + b"/\xff\xfe")), seed=9)
    summary = run(recipe(), tmp_path / "source", tmp_path / "out")
    assert (summary.cases, summary.failed) == (len(names), {})
    assert sum("its name is not UTF-8" in warning for warning in summary.warnings) == 1
    assert {row["patient"] for row in rows(tmp_path / "out")} == set(names), "the original ids"
    assert len({row["case"] for row in rows(tmp_path / "out")}) == len(names)
