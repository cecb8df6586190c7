"""The journal of finished cases: what is skipped, what is done again, what is refused."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from catalog.errors import OutputError
from predict.errors import CaseFault
from predict.inputs.walk import JOURNAL
from predict.notes import Note, NoteKind
from predict.outputs.finished import FinishedCases
from predict.outputs.summary import Outcome


@dataclass
class Source:
    """A case whose content is a text."""

    name: str
    content: str = ""

    @property
    def target(self):
        return Path(f"{self.name}.png")

    def fingerprint(self):
        return self.content

    def read(self):
        raise NotImplementedError


A, B = Source("p/a"), Source("b")
NOTED = (Note(NoteKind.CLIPPED, "2 boxes", 2),)


def outcome(source, *files):
    return Outcome(
        source.name, "CT", 1.5, 2, target=source.target.as_posix(), files=files or (source.target.as_posix(),),
        names=("x", ""), iou=(0.5, float("nan")), dropped=(2,), pixels=(9, 0), hidden=(1, 0), notes=NOTED,
        scores={"dsc": 0.5},
    )  # fmt: skip


def write(out, source, settings=("s",), *files):
    finished = FinishedCases(out, settings)
    finished.begin(source)
    done = outcome(source, *files)
    for file in done.files:
        (out / file).parent.mkdir(exist_ok=True)
        (out / file).touch()
    finished.finish(source, done)
    return done


def names(remaining):
    return [source.name for source in remaining.todo], [one.name for one in remaining.finished], list(remaining.refused)


def test_finished_cases_come_back_as_they_were(tmp_path):
    done = write(tmp_path, A)
    remaining = FinishedCases(tmp_path, ("s",)).remaining([A, B])
    assert names(remaining) == (["b"], ["p/a"], [])
    assert repr(remaining.finished[0]) == repr(done)  # nan is not equal to itself


@pytest.mark.parametrize("change", ["content", "settings", "file", "overwrite"])
def test_what_changed_is_done_again(change, tmp_path):
    write(tmp_path, A)
    source = replace(A, content="other") if change == "content" else A
    if change == "file":
        (tmp_path / A.target).unlink()
    finished = FinishedCases(tmp_path, ("t",) if change == "settings" else ("s",))
    assert names(finished.remaining([source], change == "overwrite")) == (["p/a"], [], [])


def test_a_file_of_the_users_own_is_not_overwritten(tmp_path):
    (tmp_path / "b.png").write_bytes(b"drawn by hand")
    remaining = FinishedCases(tmp_path, ("s",)).remaining([A, B])
    assert names(remaining) == (["p/a"], [], ["b"])
    assert remaining.refused["b"].fault == CaseFault.NOT_OURS
    assert names(FinishedCases(tmp_path, ("s",)).remaining([A, B], overwrite=True)) == (["p/a", "b"], [], [])


@pytest.mark.parametrize("keep", [0, 1, 5, -1, -10])
def test_a_kill_at_any_time_leaves_the_case_to_be_done_again(keep, tmp_path):
    write(tmp_path, B)
    finished = FinishedCases(tmp_path, ("s",))
    finished.begin(A)  # killed while its results are written
    (tmp_path / "p").mkdir()
    (tmp_path / A.target).touch()
    assert names(FinishedCases(tmp_path, ("s",)).remaining([A, B])) == (["p/a"], ["b"], [])
    journal = tmp_path / JOURNAL
    text = journal.read_text()
    finished.finish(A, outcome(A))
    line = journal.read_text().removeprefix(text)
    journal.write_text(text + line[:keep])  # killed while the line is written; -1: its last byte only is missing
    whole = keep == -1
    assert names(FinishedCases(tmp_path, ("s",)).remaining([A, B])) == (
        ([], ["p/a", "b"], []) if whole else (["p/a"], ["b"], [])
    )
    write(tmp_path, A)
    assert names(FinishedCases(tmp_path, ("s",)).remaining([A, B])) == ([], ["p/a", "b"], [])


def test_files_that_are_no_longer_part_of_a_result_are_removed(tmp_path):
    write(tmp_path, B, ("layers",), "b--001.png", "b--002.png")
    write(tmp_path, B, ("smallest",))
    assert sorted(path.name for path in tmp_path.iterdir()) == [JOURNAL, "b.png"]
    write(tmp_path, B, ("layers",), "b--001.png", "b--002.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == [JOURNAL, "b--001.png", "b--002.png"]
    assert names(FinishedCases(tmp_path, ("layers",)).remaining([B])) == ([], ["b"], [])
    (tmp_path / "b--002.png").unlink()
    assert names(FinishedCases(tmp_path, ("layers",)).remaining([B])) == (["b"], [], [])


def test_all_finished_cases_of_the_folder(tmp_path):
    write(tmp_path, A)
    write(tmp_path, B, ("other",))
    finished = FinishedCases(tmp_path, ("s",))
    assert [one.name for one in finished.outcomes()] == ["b", "p/a"]
    (tmp_path / "b.png").unlink()
    assert [one.name for one in finished.outcomes()] == ["p/a"]


def test_a_content_that_cannot_be_read_is_never_finished(tmp_path):
    class Gone(Source):
        def fingerprint(self):
            raise FileNotFoundError

    write(tmp_path, Gone("b"))
    assert names(FinishedCases(tmp_path, ("s",)).remaining([Gone("b")])) == (["b"], [], [])


def test_a_journal_that_cannot_be_written(tmp_path):
    (tmp_path / JOURNAL).mkdir()
    with pytest.raises(OutputError):
        FinishedCases(tmp_path, ())
