"""Arrays against np.load and np.savez, and files that are damaged, truncated or hostile."""

import contextlib
import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from predict.errors import InputError
from predict.inputs import npz
from predict.inputs.npz import read_arrays

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.integers(0, 256, (70, 90, 90), np.uint8)
"""Longer than a piece, deflated or not."""
RUNS = np.repeat(np.arange(40, dtype=np.uint16), 60_000).reshape(2, 400, 3000)
BOXES = np.array([[3, 4, 20, 30]])
DTYPES = st.sampled_from(
    [np.uint8, np.uint16, np.int8, np.int64, np.float32, np.float64, np.bool_, np.dtype(">i4"), np.dtype("<U3")]
)
ARRAYS = DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0, max_side=9)))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("npz") / "a.npz"


def zipped(path, content, method=zipfile.ZIP_DEFLATED, name="a.npy"):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, content)
    return path


def npy(array, version=None):
    content = io.BytesIO()
    np.lib.format.write_array(content, np.asanyarray(array), version)
    return content.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_those_that_were_saved(save, place):
    save(place, noise=NOISE, runs=RUNS, boxes=BOXES, turned=NOISE.T, empty=BOXES[:0])
    found = read_arrays(place, ("noise", "runs"), ("boxes", "turned", "empty", "spacing"))
    assert list(found) == ["noise", "runs", "boxes", "turned", "empty"]
    with np.load(place) as expected:
        for key, array in found.items():
            assert array.dtype == expected[key].dtype
            assert array.flags["F_CONTIGUOUS"] == expected[key].flags["F_CONTIGUOUS"]
            np.testing.assert_array_equal(array, expected[key])


@given(array=ARRAYS, save=st.sampled_from([np.savez, np.savez_compressed]), turned=st.booleans())
@settings(max_examples=60)
def test_any_array_comes_back(array, save, turned, place):
    save(place, a=array.T if turned else array)
    found = read_arrays(place, ("a",))["a"]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array.T if turned else array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_header(version, place):
    zipped(place, npy(NOISE, version))
    np.testing.assert_array_equal(read_arrays(place, ("a",))["a"], NOISE)


def test_a_member_with_zip64_fields_and_a_name_without_suffix(place):
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"a comment"
        with archive.open("a", "w", force_zip64=True) as file:
            file.write(npy(RUNS))
    np.testing.assert_array_equal(read_arrays(place, ("a",))["a"], RUNS)
    place.write_bytes(b"before the archive" + place.read_bytes())
    np.testing.assert_array_equal(read_arrays(place, ("a",))["a"], RUNS)


# ---- trouble ----


def test_what_is_missing_is_told(place):
    np.savez(place, a=BOXES, b=BOXES)
    with pytest.raises(InputError, match="lacks the key c and d; its keys are: a, b"):
        read_arrays(place, ("a", "c", "d"))
    zipfile.ZipFile(place, "w").close()
    with pytest.raises(InputError, match="lacks the key a; its keys are: none"):
        read_arrays(place, ("a",))
    place.unlink()
    with pytest.raises(InputError, match=r"damaged or not an \.npz: .*No such file"):
        read_arrays(place, ("a",))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_wherever_a_file_is_damaged_or_cut_nothing_wrong_is_read(save, place):
    """Flipped bits either are told or change nothing that is read, as a date does."""
    array = RANDOM.integers(0, 9, (10, 12), np.uint8)
    save(place, a=array, boxes=BOXES)
    whole = place.read_bytes()
    told = 0
    for at in range(len(whole)):
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        try:
            found = read_arrays(place, ("a", "boxes"))
        except InputError:
            told += 1
        else:
            np.testing.assert_array_equal(found["a"], array)
            np.testing.assert_array_equal(found["boxes"], BOXES)
        place.write_bytes(whole[:at])
        with pytest.raises(InputError):
            read_arrays(place, ("a", "boxes"))
    assert told > len(whole) / 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy(NOISE)[:-1], "a is damaged: it is shorter than its header says"),
        (npy(NOISE) + b"1", "a is damaged: it is longer than its header says"),
        (npy(NOISE)[:9], "EOF: reading array header"),
        (b"", "EOF: reading magic string"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(1 << 20), "EOF: reading array header"),
        (b"\x93NUMPY\x01\x00\x04\x00abcd", "malformed node"),
        (b"\x93NUMPY\x01\x00\x07\x00{[]: 1}", "the header of the array is damaged"),
        (npy(NOISE).replace(b"(70, 90, 90)", b"(-7, 90, 90)"), "damaged"),
    ],
)
def test_an_array_that_is_not_what_its_header_says(content, message, place):
    with pytest.raises(InputError, match=message):
        read_arrays(zipped(place, content), ("a",))


def test_a_bomb_is_refused_before_it_is_inflated(place, monkeypatch):
    inflated = []
    crc32 = npz.isal_zlib.crc32
    monkeypatch.setattr(npz.isal_zlib, "crc32", lambda piece, crc=0: inflated.append(len(piece)) or crc32(piece, crc))
    monkeypatch.setattr(npz, "MOST_BYTES", 1 << 20)
    zipped(place, npy(np.zeros(1 << 24, np.uint8)))
    with pytest.raises(InputError, match=r"16 MB; at most 1 MB are read"):
        read_arrays(place, ("a",))
    zipped(place, npy(BOXES) + bytes(1 << 24))
    with pytest.raises(InputError, match="longer than its header says"):
        read_arrays(place, ("a",))
    assert sum(inflated) <= 2 * npz.PIECE


def test_a_directory_that_claims_too_little_or_too_much(place):
    """Sizes in the directory are changed; what is inflated is bound by them."""
    content = npy(RUNS)
    zipped(place, content)
    whole = place.read_bytes()
    at = whole.rindex(b"PK\1\2") + 24
    for size, message in ((len(content) - 1, "longer|shorter"), (len(content) + 1, "longer|shorter"), (9, "CRC")):
        place.write_bytes(whole[:at] + struct.pack("<I", size) + whole[at + 4 :])
        with pytest.raises(InputError, match=message):
            read_arrays(place, ("a",))
    short = npy(RUNS[:1])
    zipped(
        place, short + bytes(RUNS[1:].nbytes)
    )  # the header's claim and the directory's are one, the stream is longer
    whole = place.read_bytes()
    at = whole.rindex(b"PK\1\2") + 24
    place.write_bytes(whole[:at] + struct.pack("<I", len(short)) + whole[at + 4 :])
    with pytest.raises(InputError, match="checksum"):
        read_arrays(place, ("a",))


def test_encrypted_and_otherwise_compressed_members_are_told(place):
    zipped(place, npy(BOXES))
    whole = bytearray(place.read_bytes())
    for start, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        whole[whole.index(start) + flags] |= 1
    place.write_bytes(whole)
    with pytest.raises(InputError, match=r"a\.npy is encrypted"):
        read_arrays(place, ("a",))
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(InputError, match="compressed in a way that NumPy does not use"):
            read_arrays(zipped(place, npy(BOXES), method), ("a",))


@given(content=st.binary(max_size=400), at=st.integers(0, 300))
@settings(max_examples=200)
def test_any_bytes_end_in_an_array_or_one_error(content, at, place):
    np.savez_compressed(place, a=RUNS[:, :20, :20])
    whole = place.read_bytes()
    place.write_bytes(whole[:at] + content + whole[at + len(content) :])
    with contextlib.suppress(InputError):
        read_arrays(place, ("a",))
