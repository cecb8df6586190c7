import os

import pytest

from predict.engines import blob_cache
from predict.engines.blob_cache import BlobCache


def test_content_is_found_under_its_key_alone(tmp_path):
    kept = BlobCache(tmp_path / "new", "model", "2026.4", "cpu")
    assert kept.read() is None
    assert kept.write(b"compiled") is None
    assert BlobCache(tmp_path / "new", "model", "2026.4", "cpu").read() == b"compiled"
    for other in (("model", "2026.5", "cpu"), ("model", "2026.4", "other cpu"), ("model2026.4", "cpu")):
        assert BlobCache(tmp_path / "new", *other).read() is None


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "longer"])
def test_damaged_content_counts_as_none(tmp_path, damage):
    kept = BlobCache(tmp_path, "model")
    kept.write(bytes(range(256)) * 10)
    stored = kept.path.read_bytes()
    kept.path.write_bytes(
        {
            "flipped": stored[:1000] + bytes([stored[1000] ^ 1]) + stored[1001:],
            "cut": stored[:-1],
            "empty": b"",
            "longer": stored + b"\0",
        }[damage]
    )
    assert kept.read() is None
    kept.write(b"anew")
    assert kept.read() == b"anew"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert "not cached" in BlobCache(tmp_path / "file" / "cache", "model").write(b"compiled")


def test_the_blobs_that_were_not_used_for_longest_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(blob_cache, "MOST_BYTES", 3 * (1000 + blob_cache.DIGEST))
    for number in range(3):
        blob = BlobCache(tmp_path, str(number))
        blob.write(bytes(1000))
        os.utime(blob.path, (number, number))
    assert BlobCache(tmp_path, "0").read() is not None  # used again
    BlobCache(tmp_path, "3").write(bytes(1000))
    assert [BlobCache(tmp_path, str(number)).read() is not None for number in range(4)] == [True, False, True, True]
    BlobCache(tmp_path, "large").write(bytes(9000))  # larger than the cache may be, yet what is needed now
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [9000 + blob_cache.DIGEST]
