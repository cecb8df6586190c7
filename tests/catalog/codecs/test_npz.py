"""What encode_npz writes, read by NumPy, zipfile and our own reader."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from catalog.codecs import npz
from catalog.codecs.npz import encode_npz

DTYPES = st.sampled_from(
    [np.uint8, np.int8, np.int16, np.int64, np.float32, np.bool_, np.dtype(">i4"), np.dtype("<U3")]
)
CONTENTS = st.dictionaries(
    st.one_of(st.text("abcdefghij_", min_size=1, max_size=12), st.just("größe")),
    DTYPES.flatmap(lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6))),
    max_size=4,
)


def check(content: dict[str, NDArray[Any]]) -> None:
    data = encode_npz(content)
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        assert file.files == list(content)
        for key, array in content.items():
            assert file[key].dtype == array.dtype
            assert file[key].shape == array.shape
            np.testing.assert_array_equal(file[key], array)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert [info.date_time for info in archive.infolist()] == [(1980, 1, 1, 0, 0, 0)] * len(content)


@given(CONTENTS)
@settings(max_examples=100)
def test_numpy_reads_what_is_written(content: dict[str, NDArray[Any]]) -> None:
    check(content)


@given(CONTENTS.filter(bool), st.integers(0, 400))
@settings(max_examples=60)
def test_zip64_fields_are_read_too(content: dict[str, NDArray[Any]], limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npz, "_LIMIT", limit)
        check(content)


def test_any_memory_layout_and_text() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (7, 90, 60), np.uint8)
    check({"turned": noise.T, "view": noise[::2, ::-1], "names": np.array(["a", "longer--0001_000"])})


def test_a_fortran_ordered_array_stays_one() -> None:
    turned = np.arange(12, dtype=np.uint8).reshape(3, 4).T
    with np.load(io.BytesIO(encode_npz({"turned": turned}))) as file:
        assert file["turned"].flags["F_CONTIGUOUS"]


def test_labels_shrink() -> None:
    runs = np.repeat(np.arange(40, dtype=np.uint16), 60_000).reshape(2, 400, 3000)
    assert len(encode_npz({"segs": runs})) < runs.nbytes / 100


def test_objects_are_refused() -> None:
    with pytest.raises(ValueError, match="Python objects"):
        encode_npz({"a": np.array([{}], object)})
