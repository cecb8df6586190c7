"""The npz store, read by a plain numpy.load and by zipfile."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from catalog.stores import Place
from catalog.stores.npz import NpzStore, zip_arrays

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
    store = NpzStore(tmp_path, "Blobs")
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
        store = NpzStore(tmp_path / str(n), "Blobs")
        store.image(IMAGE, np.arange(60, dtype=np.uint8).reshape(6, 10))
        store.mask(f"{IMAGE}--0001_000", np.full((6, 2), 0xC0, np.uint8), 10)
        store.close()
        contents.append((tmp_path / str(n) / f"images/Blobs/{IMAGE}.npz").read_bytes())
    assert contents[0] == contents[1]


def test_close_twice_and_abort(tmp_path: Path) -> None:
    store = NpzStore(tmp_path, "Blobs")
    store.close()
    for name in ("a", "b"):
        store.image(name, np.zeros((3, 3), np.uint8))
    store.close()
    store.close()
    assert len(list((tmp_path / "images/Blobs").iterdir())) == 2
    store.abort()
    assert list((tmp_path / "images/Blobs").iterdir()) == []


@given(
    st.dictionaries(
        st.text("abcdefghij_", min_size=1, max_size=12),
        arrays(
            st.sampled_from([np.uint8, np.int16, np.int64, np.float32, np.bool_]),
            array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6),
        ),
        max_size=4,
    )
)
@settings(max_examples=100)
def test_zip_arrays_is_read_as_what_numpy_writes(content: dict[str, NDArray[Any]]) -> None:
    data = zip_arrays(content)
    with np.load(io.BytesIO(data)) as file:
        assert sorted(file.files) == sorted(content)
        for key, array in content.items():
            assert file[key].dtype == array.dtype
            np.testing.assert_array_equal(file[key].reshape(array.shape), array)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        assert [entry.date_time for entry in file.infolist()] == [(1980, 1, 1, 0, 0, 0)] * len(content)


def test_fortran_order_and_text() -> None:
    turned = np.arange(12, dtype=np.uint8).reshape(3, 4).T
    names = np.array(["a", "longer--0001_000"])
    with np.load(io.BytesIO(zip_arrays({"turned": turned, "names": names}))) as file:
        assert (file["turned"] == turned).all()
        assert file["names"].tolist() == names.tolist()
