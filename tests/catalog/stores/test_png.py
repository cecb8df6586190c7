"""The png store: the files of SA-Med2D-20M's layout, whole or an error."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from catalog.stores.base import DatasetFolders, Place
from catalog.stores.png import PngWriter
from catalog.stores.registry import find_store

IMAGE = "ct_00--Blobs--a--z_0003"


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow past `size` bytes: like a disk that runs full, a write takes a part and the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_layout_and_content(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 256, (40, 50), dtype=np.uint8), rng.integers(0, 256, (30, 20, 3), dtype=np.uint8)
    mask = rng.random((40, 50)) < 0.5
    store = PngWriter(tmp_path, "Blobs")
    assert store.image(IMAGE, grey) == Place(f"images/Blobs/{IMAGE}.png", None)
    bits = np.packbits(mask, axis=-1)
    assert store.mask(f"{IMAGE}--0001_000", bits, 50) == Place(f"masks/Blobs/{IMAGE}--0001_000.png", None)
    bits[:] = 0  # the canvas is used again
    store.image("colour", colour)
    store.close()
    assert files(tmp_path) == [
        "images/Blobs/colour.png", f"images/Blobs/{IMAGE}.png", f"masks/Blobs/{IMAGE}--0001_000.png",
    ]  # fmt: skip
    assert (cv2.imread(str(tmp_path / f"images/Blobs/{IMAGE}.png"), cv2.IMREAD_UNCHANGED) == grey).all()
    assert (cv2.imread(str(tmp_path / f"masks/Blobs/{IMAGE}--0001_000.png"), 0) == mask * 255).all()
    with Image.open(tmp_path / "images/Blobs/colour.png") as image:
        assert (np.asarray(image) == colour).all()


def test_abort_takes_back_this_case_alone(tmp_path: Path) -> None:
    first = PngWriter(tmp_path, "Blobs")
    first.image("kept", np.zeros((4, 4), np.uint8))
    first.close()
    second = PngWriter(tmp_path, "Blobs")
    second.image("lost", np.zeros((4, 4), np.uint8))
    second.mask("lost--0001_000", np.zeros((4, 1), np.uint8), 4)
    second.abort()
    assert files(tmp_path) == ["images/Blobs/kept.png"]


def test_a_disk_that_runs_full_is_an_error_and_abort_leaves_nothing(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    store = PngWriter(tmp_path, "Blobs")
    with largest_file(1000), pytest.raises(OSError, match="File too large"):
        store.image("cut", pixels)
    store.abort()
    assert files(tmp_path) == []


@pytest.mark.parametrize("kind", ["npz", "shards"])
def test_so_it_is_in_the_other_stores(kind: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    store = find_store(kind).open_case(DatasetFolders(tmp_path, "Blobs", tmp_path / "state"), "a")
    store.image("cut", pixels)
    with largest_file(1000), pytest.raises(OSError, match="File too large"):
        store.close()
    store.abort()
    assert files(tmp_path) == []
