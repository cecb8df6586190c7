import gzip
import io
import struct
import tracemalloc
import warnings
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.readers import Header, nifti, read, read_channels, read_header
from curate.readers.streams import through_stream

OBLIQUE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.3, -0.2, 0.1) @ np.diag([-0.8, 1.5, 3.0]), [12.5, -40.0, 101.25]
)
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
VOXELS = np.random.default_rng(0).integers(0, 120, (5, 6, 7))


def saved(path: Path, voxels: NDArray[Any], kind: Any = nib.Nifti1Image, endian: str = "<", **fields: Any) -> Path:
    header = kind.header_class(endianness=endian)
    header.set_data_dtype(voxels.dtype)
    image = kind(voxels, OBLIQUE, header)
    for field, value in fields.items():
        image.header[field] = value
    image.to_filename(path)
    return path


def refused(path: Path, reason: Reason = Reason.UNREADABLE, **keys: Any) -> str:
    with pytest.raises(CaseError) as caught:
        read(path, **keys)
    assert caught.value.reason is reason
    assert path.name in caught.value.detail
    assert str(path.parent) not in caught.value.detail  # which is another on every machine
    return caught.value.detail


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", DTYPES)
def test_decodes_as_nibabel(tmp_path: Path, dtype: str, kind: Any, endian: str, suffix: str) -> None:
    voxels = (VOXELS - (60 if dtype[0] != "u" else 0)).astype(dtype)
    path = saved(tmp_path / f"a{suffix}", voxels, kind, endian)
    theirs = nib.load(path)
    assert theirs.header.endianness == endian
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels.transpose(2, 1, 0), np.asanyarray(theirs.dataobj))
    np.testing.assert_array_equal(volume.voxels.transpose(2, 1, 0), voxels)
    assert volume.voxels.dtype == np.dtype(dtype)
    assert volume.voxels.dtype.isnative
    assert volume.voxels.flags.c_contiguous
    np.testing.assert_array_equal(volume.affine, theirs.affine)
    assert (volume.slope, volume.intercept, volume.flat, volume.palette) == (1.0, 0.0, False, None)
    assert read_header(path) == Header((5, 6, 7), np.dtype(dtype).itemsize)


@pytest.mark.parametrize(("slope", "expected"), [(1.0, 1.0), (2.0, 2.0), (0.0, 1.0), (np.nan, 1.0)])
def test_an_intercept_that_is_not_a_number_is_not_set(tmp_path: Path, slope: float, expected: float) -> None:
    """nibabel refuses it, ITK takes 0."""
    path = with_header(tmp_path / "a.nii", packed=False, scl_slope=slope, scl_inter=np.nan)
    volume = read(path)
    assert (volume.slope, volume.intercept) == (expected, 0.0)
    np.testing.assert_array_equal(
        volume.voxels * volume.slope + volume.intercept, sitk.GetArrayFromImage(sitk.ReadImage(path))
    )


@pytest.mark.parametrize(
    ("slope", "intercept"), [(0.5, 0.0), (-2.0, 7.5), (1.0, -1024.0), (0.0, 5.0), (np.nan, np.nan)]
)
def test_slope_and_intercept(tmp_path: Path, slope: float, intercept: float) -> None:
    path = saved(tmp_path / "a.nii.gz", VOXELS.astype(np.int16))
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[112:120] = struct.pack("<ff", slope, intercept)
    path.write_bytes(gzip.compress(bytes(data)))
    volume = read(path)
    assert volume.voxels.dtype == np.int16
    source = volume.voxels.transpose(2, 1, 0) * volume.slope + volume.intercept
    np.testing.assert_array_equal(source, nib.load(path).get_fdata())


@pytest.mark.parametrize("form", ["sform", "qform", "neither"])
def test_the_affine_is_nibabels_and_itks(tmp_path: Path, form: str) -> None:
    image = nib.Nifti1Image(VOXELS.astype(np.int16), OBLIQUE)
    image.set_sform(OBLIQUE, code=1 if form == "sform" else 0)
    image.set_qform(OBLIQUE, code=1 if form == "qform" else 0)
    path = tmp_path / "a.nii"
    image.to_filename(path)
    volume = read(path)
    assert volume.affine is not None
    np.testing.assert_array_equal(volume.affine, nib.load(path).affine)
    if form != "neither":
        itk = sitk.ReadImage(path)
        for index in ((0, 0, 0), (4, 0, 0), (0, 5, 0), (0, 0, 6), (3, 2, 1)):
            point = np.array(itk.TransformIndexToPhysicalPoint(index)) * (-1, -1, 1)
            np.testing.assert_allclose((volume.affine @ (*index, 1))[:3], point, atol=1e-4)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(itk), volume.voxels)


@pytest.mark.parametrize("names", ["RGB", "RGBA"])
def test_colours_without_their_alpha(tmp_path: Path, names: str) -> None:
    colours = np.random.default_rng(3).integers(0, 255, (4, 5, 6, len(names))).astype(np.uint8)
    stored = colours.view([(name, "u1") for name in names])[..., 0]
    path = tmp_path / "a.nii.gz"
    nib.Nifti1Image(stored, OBLIQUE, dtype=stored.dtype).to_filename(path)
    volume = read(path)
    assert volume.is_colour
    np.testing.assert_array_equal(volume.voxels.transpose(2, 1, 0, 3), colours[..., :3])
    np.testing.assert_array_equal(volume.voxels, sitk.GetArrayFromImage(sitk.ReadImage(path))[..., :3])
    np.testing.assert_array_equal(read(path, 2).voxels.transpose(2, 1, 0), colours[..., 2])
    assert read_header(path) == Header((4, 5, 6, 3), 1)
    assert "no channel 3" in refused(path, Reason.GEOMETRY, channel=3)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_volumes_are_inflated_once(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    series = np.random.default_rng(1).integers(-99, 99, (4, 3, 5, 6)).astype(np.int16)
    path = saved(tmp_path / f"a{suffix}", series)
    opened = []
    monkeypatch.setattr(nifti, "through_stream", lambda path, use: opened.append(path) or through_stream(path, use))
    volumes = read_channels(path, (4, 0, 4, 2))
    assert opened == [path] * 3  # header, header again, voxels
    for volume, channel in zip(volumes, (4, 0, 4, 2), strict=True):
        np.testing.assert_array_equal(volume.voxels.transpose(2, 1, 0), series[..., channel])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_4d_by_channel(tmp_path: Path, suffix: str) -> None:
    series = np.random.default_rng(1).integers(-99, 99, (4, 3, 5, 6)).astype(np.int16)
    path = saved(tmp_path / f"a{suffix}", series)
    for channel in range(6):
        np.testing.assert_array_equal(read(path, channel).voxels.transpose(2, 1, 0), series[..., channel])
    assert read_header(path).shape == (4, 3, 5, 6)
    for channel in (None, 6):
        assert refused(path, Reason.GEOMETRY, channel=channel) == (
            f"a{suffix} is 4D (4 x 3 x 5 x 6): it has the channels 0 to 5, and no channel 6"
            if channel
            else f"a{suffix} is 4D (4 x 3 x 5 x 6) and holds 6 volumes or channels: name in the recipe's `channels` "
            "which to take"
        )


def test_5d_by_channel(tmp_path: Path) -> None:
    series = np.random.default_rng(1).integers(0, 9, (4, 3, 5, 1, 3)).astype(np.uint8)
    path = saved(tmp_path / "a.nii.gz", series)
    np.testing.assert_array_equal(read(path, 2).voxels.transpose(2, 1, 0), series[..., 0, 2])


@pytest.mark.parametrize("shape", [(4, 3, 5, 1), (4, 3, 5, 1, 1), (4, 3, 1), (4, 3), (4, 1, 1), (4,), (4, 3, 1, 1)])
def test_singleton_dimensions(tmp_path: Path, shape: tuple[int, ...]) -> None:
    voxels = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    path = saved(tmp_path / "a.nii", voxels)
    three = (*shape, 1, 1)[:3]
    np.testing.assert_array_equal(read(path).voxels.transpose(2, 1, 0), voxels.reshape(three))
    np.testing.assert_array_equal(read(path, 0).voxels, read(path).voxels)
    assert "it has no channel 1" in refused(path, Reason.GEOMETRY, channel=1)


def test_extensions_lie_between_header_and_voxels(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VOXELS.astype(np.int16), OBLIQUE)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 5000))
    image.to_filename(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(read(tmp_path / "a.nii.gz").voxels.transpose(2, 1, 0), VOXELS)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_voxels_said_to_begin_at_0_begin_after_the_header_and_its_flags(tmp_path: Path, kind: Any) -> None:
    """The standard: voxels of a single file begin at byte 352 (NIfTI-2: 544) at the earliest."""
    path = saved(tmp_path / "a.nii", VOXELS.astype(np.int16), kind)
    content = bytearray(path.read_bytes())
    header = kind.header_class(bytes(content[: kind.header_class.sizeof_hdr]))
    header["vox_offset"] = 0
    content[: kind.header_class.sizeof_hdr] = header.binaryblock
    path.write_bytes(bytes(content))
    np.testing.assert_array_equal(read(path).voxels.transpose(2, 1, 0), VOXELS)


def test_the_content_says_whether_it_is_gzip(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.nii", VOXELS.astype(np.int16))
    plain = path.read_bytes()
    path.write_bytes(gzip.compress(plain))
    (tmp_path / "b.nii.gz").write_bytes(plain)
    for name in ("a.nii", "b.nii.gz"):
        np.testing.assert_array_equal(read(tmp_path / name).voxels.transpose(2, 1, 0), VOXELS)


def test_gzip_of_several_members(tmp_path: Path) -> None:
    """Block gzip (bgzip, parallel gzip) is many members one after another."""
    plain = saved(tmp_path / "a.nii", VOXELS.astype(np.int16)).read_bytes()
    path = tmp_path / "b.nii.gz"
    path.write_bytes(b"".join(gzip.compress(plain[n : n + 100]) for n in range(0, len(plain), 100)))
    np.testing.assert_array_equal(read(path).voxels.transpose(2, 1, 0), VOXELS)


@pytest.mark.parametrize("size", [1, 10, 100])
@pytest.mark.parametrize("garbage", [b"x", b"garbage", b"\0" * 600, b"\x1f\x8b\x08 no gzip", b"<html>" * 50], ids=len)
def test_what_follows_a_complete_gzip_member_is_ignored_as_gunzip_does(
    tmp_path: Path, garbage: bytes, size: int
) -> None:
    """As gunzip, nibabel and ITK do; the member itself is still checked."""
    voxels = np.random.default_rng(size).integers(0, 99, (size,) * 3).astype(np.int16)
    path = saved(tmp_path / "a.nii.gz", voxels)
    whole = path.read_bytes()
    path.write_bytes(whole + garbage)
    np.testing.assert_array_equal(read(path).voxels.transpose(2, 1, 0), voxels)
    np.testing.assert_array_equal(read(path).voxels, sitk.GetArrayFromImage(sitk.ReadImage(path)))
    for damaged in (whole[:-8] + bytes(4) + whole[-4:], whole[:-4] + bytes([whole[-4] ^ 1]) + whole[-3:]):
        path.write_bytes(damaged + garbage)
        refused(path)
    path.write_bytes(whole[:-5])
    refused(path)


def test_a_plain_sibling_is_not_taken_for_it(tmp_path: Path) -> None:
    """SimpleITK asked for t.nii.gz reads t.nii where both lie side by side."""
    saved(tmp_path / "t.nii", VOXELS.astype(np.int16))
    saved(tmp_path / "t.nii.gz", (VOXELS + 1000).astype(np.int16))
    np.testing.assert_array_equal(read(tmp_path / "t.nii.gz").voxels.transpose(2, 1, 0), VOXELS + 1000)
    np.testing.assert_array_equal(read(tmp_path / "t.nii").voxels.transpose(2, 1, 0), VOXELS)


# ---- broken files ----


@pytest.mark.parametrize(("code", "name"), [(32, "complex64"), (1536, "float128"), (1792, "complex128")])
def test_what_is_no_scalar_intensity(tmp_path: Path, code: int, name: str) -> None:
    with_header(tmp_path / "a.nii.gz", datatype=code)
    assert refused(tmp_path / "a.nii.gz") == (
        f"a.nii.gz cannot be read: its voxels are of type {name}; integers, real numbers and RGB can be used"
    )


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", b"hello", b"\0" * 1000, b"\x89PNG\r\n\x1a\n" + b"x" * 400])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_not_a_nifti(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert refused(path).startswith(f"a{suffix} cannot be read: ")


def test_no_such_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.nii.gz") == "a.nii.gz cannot be read: No such file or directory"
    (tmp_path / "b.nii").mkdir()
    refused(tmp_path / "b.nii")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_every_truncation_is_noticed(tmp_path: Path, suffix: str) -> None:
    data = saved(tmp_path / f"a{suffix}", VOXELS.astype(np.int16)).read_bytes()
    path = tmp_path / f"cut{suffix}"
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        refused(path)
    path.write_bytes(data[:-1])
    refused(path)


@pytest.mark.parametrize("side", [6, 100])
@pytest.mark.parametrize("where", [-8, -5, -4, -1])
def test_checksum_and_length_are_compared(tmp_path: Path, where: int, side: int) -> None:
    path = saved(tmp_path / "a.nii.gz", np.random.default_rng(2).integers(0, 99, (side,) * 3).astype(np.uint8))
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(bytes(data))
    refused(path)


def test_a_wrong_voxel_is_noticed_by_the_checksum(tmp_path: Path) -> None:
    plain = bytearray(saved(tmp_path / "a.nii", VOXELS.astype(np.int16)).read_bytes())
    packer = zlib.compressobj(0, zlib.DEFLATED, 31)  # stored, so that one byte changes one voxel and nothing else
    packed = bytearray(packer.compress(bytes(plain)) + packer.flush())
    packed[-50] ^= 1
    (tmp_path / "b.nii.gz").write_bytes(bytes(packed))
    refused(tmp_path / "b.nii.gz")


def volume_or_reason(path: Path) -> Volume | Reason:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read(path, limit=1 << 20)
        except CaseError as error:
            return error.reason


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), zipped=st.booleans(), kind=st.sampled_from([nib.Nifti1Image, nib.Nifti2Image]))
def test_whatever_byte_is_wrong_it_is_a_volume_or_a_case_error(
    tmp_path: Path, data: st.DataObject, zipped: bool, kind: Any
) -> None:
    content = bytearray(kind(VOXELS.astype(np.int16), OBLIQUE).to_bytes())
    header = kind.header_class.sizeof_hdr
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, header - 1))] = data.draw(st.integers(0, 255))
    packed = bytearray(gzip.compress(bytes(content), mtime=0) if zipped else content)
    if zipped and data.draw(st.booleans()):
        packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "a.nii"
    path.write_bytes(bytes(packed))
    outcome = volume_or_reason(path)
    if isinstance(outcome, Volume):
        assert np.isfinite([outcome.slope, outcome.intercept]).all()
        assert outcome.affine is not None
        assert np.isfinite(outcome.affine).all()
    else:
        assert outcome in (Reason.UNREADABLE, Reason.GEOMETRY, Reason.MEMORY)


def with_header(path: Path, packed: bool = True, **fields: Any) -> Path:
    """Save a volume whose header says other things than it holds."""
    image = nib.Nifti1Image(VOXELS.astype(np.int16), OBLIQUE)
    content = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for field, value in fields.items():
        header[field] = value
    content[:348] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(content)) if packed else bytes(content))
    return path


@pytest.mark.parametrize("packed", [True, False])
def test_a_header_that_claims_too_much(tmp_path: Path, packed: bool) -> None:
    path = with_header(tmp_path / "a.nii", packed, dim=[3, 10000, 10000, 10000, 1, 1, 1, 1], datatype=2, bitpix=8)
    tracemalloc.start()
    try:
        assert refused(path) == (
            "a.nii cannot be read: the header claims 1e+12 bytes, more than a file of this size can hold"
        )
        with pytest.raises(CaseError):
            read_header(path)
        assert tracemalloc.get_traced_memory()[1] < 3e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "dim", [[3, 5, 0, 7, 1, 1, 1, 1], [3, 5, -6, 7, 1, 1, 1, 1], [0, 5, 6, 7, 1, 1, 1, 1], [9, 5, 6, 7, 1, 1, 1, 1]]
)
def test_impossible_shapes(tmp_path: Path, dim: list[int]) -> None:
    refused(with_header(tmp_path / "a.nii.gz", dim=dim))


@pytest.mark.parametrize(
    "fields",
    [
        {"scl_slope": 1.0, "scl_inter": np.inf},
        {"vox_offset": 1e9},
        {"vox_offset": np.nan},
        {"datatype": 77},
        {"vox_offset": 100},
        {"magic": b"nix"},
    ],
)
def test_headers_of_nonsense(tmp_path: Path, fields: dict[str, Any]) -> None:
    refused(with_header(tmp_path / "a.nii.gz", **fields))


def bomb(path: Path, claimed: tuple[int, int, int], megabytes: int) -> Path:
    """Save megabytes of zeros, some kB when packed, behind a header that claims a shape."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(claimed)
    header.set_sform(np.eye(4), 1)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb") as file:
        file.write(header.binaryblock + bytes(4))
        for _ in range(megabytes):
            file.write(bytes(1 << 20))
    path.write_bytes(buffer.getvalue())
    return path


def test_a_zip_bomb_stays_within_the_limit(tmp_path: Path) -> None:
    path = bomb(tmp_path / "a.nii.gz", (1 << 10, 1 << 10, 60), 60)
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        detail = refused(path, Reason.MEMORY, limit=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 3e6
    finally:
        tracemalloc.stop()
    assert detail == "a.nii.gz holds 60 MB (1024 x 1024 x 60), the limit is 977 KB; give more with --memory"


def test_more_than_the_header_claims_is_not_inflated(tmp_path: Path) -> None:
    path = bomb(tmp_path / "a.nii.gz", (4, 4, 4), 60)
    tracemalloc.start()
    try:
        assert read(path, limit=1_000_000).shape == (4, 4, 4)
        assert tracemalloc.get_traced_memory()[1] < 3e6
    finally:
        tracemalloc.stop()


def test_real_files_decode_as_nibabel(shared_data: Path) -> None:
    paths = sorted(shared_data.rglob("*.nii.gz"))
    small = [path for path in paths if path.stat().st_size < 400_000]
    assert len(small) > 100
    for path in [*small[::9], *sorted(set(paths) - set(small))[:4]]:
        theirs = nib.load(path)
        stored = np.asanyarray(theirs.dataobj.get_unscaled())
        several = stored.ndim > 3 and stored.shape[3] > 1
        volume = read(path, 1 if several else None)
        assert volume.voxels.dtype == theirs.get_data_dtype().newbyteorder("=")
        np.testing.assert_array_equal(volume.voxels.T, stored[..., 1] if several else stored, err_msg=str(path))
        slope, intercept = theirs.dataobj.slope, theirs.dataobj.inter
        assert (volume.slope, volume.intercept) == (slope, intercept), path
        np.testing.assert_array_equal(volume.affine, theirs.affine, err_msg=str(path))
