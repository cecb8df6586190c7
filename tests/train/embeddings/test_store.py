"""Embeddings on disk, whatever interrupted their writing."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import DataError, OutputError
from train.embeddings.store import BYTES, PER_FILE, SHAPE, EmbeddingCache, EmbeddingWriter

ABOUT = {"teacher": "lite-medsam", "sha256": "ab", "image_size": 256, "precision": "f32"}


def key(number):
    return f"{number:016x}"


def embedding(number):
    """Another one for each number, and another value at each place."""
    line = np.arange(SHAPE[0] * 64 * 64, dtype=np.float32) % 251 + 7 * number
    return line.reshape(SHAPE).astype(np.float16)


def add(writer, *numbers):
    writer.add([key(number) for number in numbers], np.stack([embedding(number) for number in numbers]))


def assert_right(cache, numbers):
    assert {number for number in range(64) if key(number) in cache} == set(numbers)
    assert len(cache) == len(set(numbers))
    for number in numbers:
        assert np.array_equal(cache.batch([key(number)]).numpy()[0], embedding(number))


def test_what_was_added_is_read_in_any_order(tmp_path):
    writer = EmbeddingWriter(tmp_path / "deep" / "er", ABOUT, per_file=2)
    add(writer, 0, 1)
    add(writer, 2)
    add(writer, 3)
    add(writer, 4)
    cache = EmbeddingCache(tmp_path / "deep" / "er")
    assert cache.about == ABOUT
    assert_right(cache, range(5))
    got = cache.batch([key(4), key(0), key(4)])
    assert got.shape == (3, *SHAPE)
    for row, number in zip(got.numpy(), (4, 0, 4), strict=True):
        assert np.array_equal(row, embedding(number))
    assert sorted(path.name for path in (tmp_path / "deep" / "er").glob("*.f16")) == [
        f"embeddings-0000{number}.f16" for number in range(3)
    ]


def test_the_sizes_are_those_of_the_arithmetic(tmp_path):
    add(EmbeddingWriter(tmp_path, ABOUT), 0, 1, 2)
    assert (tmp_path / "embeddings-00000.f16").stat().st_size == 3 * BYTES == 3 * 2 * 2**20
    assert PER_FILE * BYTES == 8 * 2**30
    assert pytest.approx(20, rel=0.03) == 10**4 * BYTES / 2**30
    assert pytest.approx(2, rel=0.05) == 10**6 * BYTES / 2**40


@settings(max_examples=80)
@given(st.booleans(), st.integers(0, 34), st.integers(0, 3 * 36))
def test_from_whatever_bytes_are_left_the_next_writer_goes_on(tmp_path_factory, earlier, listed, stored):
    """Two files of two, and one begun: the listing is cut, the data too, or it runs on behind the listing."""
    folder = tmp_path_factory.mktemp("cut")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.embeddings.store.SHAPE", (2, 3, 3))  # embeddings of 36 bytes
        patch.setattr("train.embeddings.store.BYTES", 36)
        patch.setattr("os.fsync", lambda number: None)
        small = [np.full((1, 2, 3, 3), number + 1, np.float16) for number in range(5)]
        writer = EmbeddingWriter(folder, ABOUT, per_file=2)
        for number in range(3):
            writer.add([key(number)], small[number])
        file = folder / f"embeddings-0000{0 if earlier else 1}.f16"
        listing = file.with_suffix(".txt")
        listing.write_bytes(listing.read_bytes()[:listed])
        file.write_bytes((file.read_bytes() + b"\1" * 3 * 36)[:stored])
        cache = EmbeddingCache(folder)
        left = [number for number in range(3) if key(number) in cache]
        kept = min(listed // 17, stored // 36, 2 if earlier else 1)
        assert left == ([*range(kept), 2] if earlier else [0, 1, *range(2, 2 + kept)])
        for number in left:
            assert np.array_equal(cache.batch([key(number)]).numpy(), small[number])
        again = EmbeddingWriter(folder, ABOUT, per_file=2)
        assert again.done == {key(number) for number in left}
        for number in range(5):
            if key(number) not in again.done:
                again.add([key(number)], small[number])
        cache = EmbeddingCache(folder)
        assert len(cache) == 5
        for number in range(5):
            assert np.array_equal(cache.batch([key(number)]).numpy(), small[number])


def test_a_killed_writer_leaves_what_it_told(tmp_path):
    code = (
        "import os, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from test_store import ABOUT, add\n"
        "from train.embeddings import store\n"
        "writer = store.EmbeddingWriter(Path(sys.argv[1]), ABOUT)\n"
        "add(writer, 0, 1)\n"
        "original = store._write_at\n"
        "def write(path, offset, content):\n"
        "    if path.suffix == '.txt':\n"
        "        original(path, offset, content[:20])\n"
        f"        os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
        "    original(path, offset, content)\n"
        "store._write_at = write\n"
        "add(writer, 2, 3)\n"
    )
    here = os.path.dirname(__file__)  # noqa: PTH120
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=os.path.join(here, "../../.."),  # noqa: PTH118
                          env={**os.environ, "PYTHONPATH": here}, check=False, capture_output=True)  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert_right(EmbeddingCache(tmp_path), [0, 1, 2])
    writer = EmbeddingWriter(tmp_path, ABOUT)
    add(writer, 3)
    assert_right(EmbeddingCache(tmp_path), range(4))


def test_several_processes_have_files_of_their_own(tmp_path):
    writers = [EmbeddingWriter(tmp_path, ABOUT, rank=rank, per_file=2) for rank in (0, 1, 10, 100)]
    for turn in range(3):
        for number, writer in enumerate(writers):
            add(writer, 4 * turn + number)
    assert_right(EmbeddingCache(tmp_path), range(12))
    # Each goes on in its own last file.
    for number, rank in enumerate((0, 1, 10, 100)):
        add(EmbeddingWriter(tmp_path, ABOUT, rank=rank, per_file=2), 12 + number)
    assert_right(EmbeddingCache(tmp_path), range(16))
    assert len(list(tmp_path.glob("*.f16"))) == 8


def test_a_full_disk_is_told_and_nothing_half_is_read(tmp_path, monkeypatch):
    writer = EmbeddingWriter(tmp_path, ABOUT)
    add(writer, 0)

    def fsync(number):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fsync)
        with pytest.raises(OutputError, match=r"embeddings-00000\.f16 cannot be written: No space left"):
            add(writer, 1)
    assert_right(EmbeddingCache(tmp_path), [0])
    assert writer.done == {key(0)}
    add(writer, 1)
    assert_right(EmbeddingCache(tmp_path), [0, 1])


@pytest.mark.parametrize(("name", "value"), [("teacher", "swin-t"), ("sha256", "cd"), ("precision", "bf16")])
def test_another_teachers_are_refused(name, value, tmp_path):
    add(EmbeddingWriter(tmp_path, ABOUT), 0)
    with pytest.raises(DataError, match=f"holds embeddings of .*not of .*{value}.*give another folder"):
        EmbeddingWriter(tmp_path, {**ABOUT, name: value})
    assert json.loads((tmp_path / "embed.json").read_text()) == ABOUT


def test_what_is_no_embedding_is_refused(tmp_path):
    writer = EmbeddingWriter(tmp_path, ABOUT)
    with pytest.raises(DataError, match=r"\(256, 32, 32\), not \(256, 64, 64\): take another teacher"):
        writer.add([key(0)], np.zeros((1, 256, 32, 32), np.float16))
    for value in (np.inf, np.nan):
        bad = embedding(0)[None].copy()
        bad[0, 3, 4, 5] = value
        with pytest.raises(DataError, match="not finite in float16"):
            writer.add([key(0)], bad)
    assert len(EmbeddingCache(tmp_path)) == 0


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(DataError, match=r"there is no embed\.json\. Make them by `train embed`"):
        EmbeddingCache(tmp_path)
    writer = EmbeddingWriter(tmp_path, ABOUT)
    add(writer, 0, 1)
    cache = EmbeddingCache(tmp_path)
    with pytest.raises(DataError, match=f"no embedding of the image {key(7)}"):
        cache.batch([key(0), key(7)])
    os.truncate(tmp_path / "embeddings-00000.f16", BYTES + 3)
    with pytest.raises(DataError, match="shorter than its listing"):
        cache.batch([key(1)])
    (tmp_path / "embeddings-00000.f16").unlink()
    with pytest.raises(DataError, match=r"00000\.f16 cannot be read: No such file"):
        cache.batch([key(0)])
    (tmp_path / "embed.json").write_text("{")
    with pytest.raises(DataError, match=r"embed\.json cannot be read"):
        EmbeddingCache(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        EmbeddingWriter(tmp_path / "file" / "folder", ABOUT)
