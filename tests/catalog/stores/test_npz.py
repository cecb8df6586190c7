"""The npz store, read by a plain numpy.load and by zipfile."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.stores.base import Place
from catalog.stores.npz import NpzWriter

IMAGE = "ct_00--Blobs--a--z_0003"


def unpacked(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[str]]:
    """What a user does: numpy.load and numpy.unpackbits, nothing of ours."""
    with np.load(path) as file:
        assert sorted(file.files) == ["image", "mask_names", "mask_shape", "masks"]
        count, height, width = file["mask_shape"].tolist()
        masks = np.unpackbits(file["masks"], axis=-1, count=width)
        assert masks.shape == (count, height, width)
        return file["image"], masks, file["mask_names"].tolist()


@pytest.mark.parametrize("shape", [(40, 50), (33, 8), (7, 1), (20, 30, 3)])
def test_images_and_masks_come_back(shape: tuple[int, ...], tmp_path: Path) -> None:
    rng = np.random.default_rng(len(shape))
    height, width = shape[:2]
    store = NpzWriter(tmp_path, "Blobs")
    wanted: dict[str, Any] = {}
    for n, count in enumerate((3, 0, 1)):
        name = f"{IMAGE}{n}"
        image = rng.integers(0, 256, shape, dtype=np.uint8)
        masks = rng.random((count, height, width)) < 0.4
        assert store.image(name, image) == Place(f"images/Blobs/{name}.npz", None)
        canvas = np.zeros((height, -(-width // 8)), np.uint8)
        names = [f"{name}--0001_{k:03d}" for k in range(count)]
        for k, mask in enumerate(masks):
            canvas[:] = np.packbits(mask, axis=-1)  # one canvas, used again
            assert store.mask(names[k], canvas, width) == Place(f"images/Blobs/{name}.npz", k)
        wanted[name] = image, masks, names
    store.close()
    assert sorted(path.stem for path in (tmp_path / "images/Blobs").iterdir()) == sorted(wanted)
    for name, (image, masks, names) in wanted.items():
        path = tmp_path / f"images/Blobs/{name}.npz"
        got_image, got_masks, got_names = unpacked(path)
        assert got_image.dtype == np.uint8
        assert (got_image == image).all()
        assert (got_masks == masks).all()
        assert got_names == names
        with zipfile.ZipFile(path) as file:
            assert file.testzip() is None


def test_the_same_slice_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for n in range(2):
        store = NpzWriter(tmp_path / str(n), "Blobs")
        store.image(IMAGE, np.arange(60, dtype=np.uint8).reshape(6, 10))
        store.mask(f"{IMAGE}--0001_000", np.full((6, 2), 0xC0, np.uint8), 10)
        store.close()
        contents.append((tmp_path / str(n) / f"images/Blobs/{IMAGE}.npz").read_bytes())
    assert contents[0] == contents[1]


def test_close_twice_and_abort(tmp_path: Path) -> None:
    store = NpzWriter(tmp_path, "Blobs")
    store.close()
    for name in ("a", "b"):
        store.image(name, np.zeros((3, 3), np.uint8))
    store.close()
    store.close()
    assert len(list((tmp_path / "images/Blobs").iterdir())) == 2
    store.abort()
    assert list((tmp_path / "images/Blobs").iterdir()) == []
