"""The index of a folder: any nesting and names, read once, kept, and only what changed is read again."""

import os
import shutil
import stat
from collections import Counter
from pathlib import Path

import pydicom
import pytest

from curate.dicom.index import kept_file, read_index
from curate.dicom.instance import Kind
from curate.errors import SourceError
from tests.curate.dicom.make import image, noise, save, save_series

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def test_files_of_any_nesting_name_and_suffix(tmp_path: Path) -> None:
    for place in ("IM0001", "a/b/c/d/1.dcm", "a/x.IMA", "ä ö/1.2.840.113619", "no.suffix.at.all"):
        save(image(noise((4, 4))), tmp_path / place)
    shutil.copy(TEST_FILES / "test-SR.dcm", tmp_path / "report")
    shutil.copy(TEST_FILES / "rtplan.dcm", tmp_path / "a")
    shutil.copy(TEST_FILES / "dicomdirtests/DICOMDIR", tmp_path)
    (tmp_path / "readme.txt").write_text("text")
    (tmp_path / ".DS_Store").write_bytes(b"\0" * 200)
    index = read_index(tmp_path)
    assert Counter(one.kind for one in index.instances) == {Kind.IMAGE: 5, Kind.OTHER: 3, Kind.FOREIGN: 1}
    assert [one.path for one in index.instances] == sorted(one.path for one in index.instances)


def test_the_second_run_reads_what_changed(tmp_path: Path) -> None:
    made = save_series(tmp_path, noise((4, 4, 4)))
    first = read_index(tmp_path)
    assert (first.read, len(first.instances)) == (4, 4)
    assert read_index(tmp_path).read == 0
    made[1].SeriesDescription = "another"
    save(made[1], tmp_path / "001.dcm")
    (tmp_path / "002.dcm").unlink()
    save(made[0], tmp_path / "new" / "x")
    second = read_index(tmp_path)
    assert second.read == 2
    assert [one.path for one in second.instances] == ["000.dcm", "001.dcm", "003.dcm", "new/x"]
    assert second.instances[1].description == "another"
    third = read_index(tmp_path)
    assert third.read == 0
    assert third.instances == second.instances
    assert read_index(tmp_path, fresh=True).read == 4


@pytest.mark.parametrize("folder", ["dicom_oracles", "IBSI_STS", "dcmqi", "highdicom", "Brain-Tumor-Progression"])
def test_what_is_kept_is_what_was_read(folder: str, shared_data: Path) -> None:
    fresh = read_index(shared_data / folder, fresh=True)
    kept = read_index(shared_data / folder)
    assert kept.read == 0
    assert kept.instances == fresh.instances
    assert not fresh.of_kind(Kind.DAMAGED)


def test_a_broken_kept_file_is_read_anew(tmp_path: Path) -> None:
    save_series(tmp_path, noise((2, 4, 4)))
    read_index(tmp_path)
    kept_file(tmp_path).write_bytes(b"PAR1 and nothing more")
    assert read_index(tmp_path).read == 2


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_the_kept_file_is_the_users_alone(tmp_path: Path) -> None:
    save_series(tmp_path, noise((2, 4, 4)))
    read_index(tmp_path)
    assert stat.S_IMODE(kept_file(tmp_path).stat().st_mode) == 0o600


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save_series(tmp_path / "data", noise((2, 4, 4)))
    assert [read_index(tmp_path / "data").read for _ in range(2)] == [2, 2]


def test_names_and_birth_dates_are_not_kept(tmp_path: Path) -> None:
    save_series(tmp_path, noise((2, 4, 4)), PatientName="Zaphod^Beeblebrox", PatientBirthDate="19420131")
    read_index(tmp_path)
    kept = kept_file(tmp_path).read_bytes()
    assert b"Zaphod" not in kept
    assert b"19420131" not in kept


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    save_series(tmp_path / "a", noise((2, 4, 4)))
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    assert [one.path for one in read_index(tmp_path).instances] == ["a/000.dcm", "a/001.dcm"]


def test_a_file_that_breaks_off_is_counted_as_damaged(tmp_path: Path) -> None:
    path = save(image(noise((4, 4))), tmp_path / "x")
    path.write_bytes(path.read_bytes()[:300])
    (found,) = read_index(tmp_path).instances
    assert (found.kind, found.note) == (Kind.DAMAGED, "its header breaks off")


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a folder"):
        read_index(tmp_path / "nothing")
