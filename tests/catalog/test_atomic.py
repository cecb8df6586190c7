"""A file is there whole or not at all."""

import pytest

from catalog.atomic import write_whole
from catalog.errors import OutputError


def test_content_is_written_and_replaced(tmp_path):
    file = tmp_path / "a.bin"
    for content in (b"one", b"another, longer", memoryview(b"2")):
        write_whole(file, content)
        assert file.read_bytes() == bytes(content)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.replace"])
def test_what_goes_wrong_leaves_what_was_there(broken, tmp_path, monkeypatch):
    file = tmp_path / "a.bin"
    write_whole(file, b"before")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(broken, fail)
    with pytest.raises(OutputError, match=r"a\.bin cannot be written: No space left on device"):
        write_whole(file, b"after")
    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_is_none_is_told(tmp_path):
    (tmp_path / "file").touch()
    for folder in ("absent", "file"):
        with pytest.raises(OutputError, match="cannot be written"):
            write_whole(tmp_path / folder / "a.bin", b"x")
