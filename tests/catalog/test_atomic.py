"""Files and folders appear complete or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from catalog.atomic import output_error, read_json, replacing, replacing_folder, write_atomic, write_json
from catalog.errors import CatalogError, OutputError


def fail(*args: object) -> None:
    raise OSError(28, "No space left on device")


def test_content_is_written_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    for content in (b"one", b"another, longer", memoryview(b"2")):
        write_atomic(file, content)
        assert file.read_bytes() == bytes(content)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.replace"])
def test_a_failure_leaves_the_earlier_content(broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.bin"
    write_atomic(file, b"before")
    monkeypatch.setattr(broken, fail)
    with pytest.raises(
        OutputError, match=r"a\.bin cannot be written: No space left on device\. Free some space and run"
    ):
        write_atomic(file, b"after")
    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("absent", "file"):
        with pytest.raises(OutputError, match=r"a\.bin cannot be written"):
            write_atomic(tmp_path / folder / "a.bin", b"x")


def test_the_file_is_flushed_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut may leave an empty file under the final name, or the old one."""
    steps = []

    def watched(name: str, step: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            kind = ""
            if name == "fsync":
                kind = " folder" if Path(f"/proc/self/fd/{args[0]}").resolve().is_dir() else " file"
            steps.append(name + kind)
            return step(*args)

        return call

    monkeypatch.setattr(os, "fsync", watched("fsync", os.fsync))
    monkeypatch.setattr(Path, "replace", watched("rename", Path.replace))
    monkeypatch.setattr(Path, "rename", watched("rename", Path.rename))
    write_atomic(tmp_path / "a", b"x")
    assert steps == ["fsync file", "rename", "fsync folder"]
    steps.clear()
    write_atomic(tmp_path / "b", b"x", sync=False)
    assert steps == ["rename"]
    steps.clear()
    with replacing_folder(tmp_path / "c") as folder:
        (folder / "x").touch()
        (folder / "y").touch()
    assert steps == ["fsync file", "fsync file", "fsync folder", "rename", "fsync folder"]


def test_a_block_may_write_nothing_or_fail(tmp_path: Path) -> None:
    file = tmp_path / "a"
    with replacing(file):
        pass
    assert not file.exists()
    with pytest.raises(ZeroDivisionError), replacing(file) as partial:
        _ = partial.write_bytes(b"half") // 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="No space left"), replacing(file):
        fail()


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model"
    for names in (("a", "b"), ("b", "c")):
        with replacing_folder(target) as folder:
            for name in names:
                (folder / name).touch()
        assert sorted(path.name for path in target.iterdir()) == list(names)
    with pytest.raises(ZeroDivisionError), replacing_folder(target) as folder:
        _ = (folder / "half").write_bytes(b"half") // 0
    assert sorted(path.name for path in target.iterdir()) == ["b", "c"]
    assert list(target.parent.iterdir()) == [target]
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"), replacing_folder(tmp_path / "file" / "model"):
        pass


def test_json_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert read_json(path, {"none": 1}) == {"none": 1}
    write_json(path, {"größe": [1, "ü"]})
    assert read_json(path, None) == {"größe": [1, "ü"]}
    assert "größe" in path.read_text("utf-8")
    with pytest.raises(TypeError):
        write_json(path, {"bad": object()})
    assert read_json(path, None) == {"größe": [1, "ü"]}
    path.write_bytes(b"")
    with pytest.raises(CatalogError, match=r"a\.json is damaged.*Restore it"):
        read_json(path, None)
    assert read_json(path, None, damaged={}) == {}


def test_errors_name_the_remedy() -> None:
    assert str(output_error(Path("x"), OSError(28, "No space left"))).endswith(
        "Free some space and run the same command again"
    )
    assert str(output_error(Path("x"), PermissionError(13, "Permission denied"))) == (
        "x cannot be written: Permission denied. Fix this and run the same command again"
    )
