"""NRRD and MetaImage; right is what SimpleITK reads, which wrote them."""

import gzip
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.readers import Header, read, read_header
from tests.curate.readers.files import assert_placed_as, refused

SUFFIXES = [".nrrd", ".nhdr", ".mha", ".mhd"]
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
VOXELS = np.random.default_rng(0).integers(0, 120, (9, 10, 11))


def scan(voxels: NDArray[Any], vector: bool = False) -> sitk.Image:
    """Return an image that lies askew in the scanner."""
    image = sitk.GetImageFromArray(voxels, isVector=vector)
    dimension = image.GetDimension()
    direction = np.eye(dimension)
    if dimension > 2:
        turn = sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.9)
        direction[:3, :3] = np.array(turn.GetMatrix()).reshape(3, 3)[:, [1, 0, 2]]
    image.SetDirection(direction.ravel().tolist())
    image.SetSpacing((0.8, 1.5, 3.0, 1.0)[:dimension])
    image.SetOrigin((12.5, -40.0, 101.25, 0.0)[:dimension])
    return image


def saved(path: Path, image: sitk.Image, compressed: bool = False) -> Path:
    sitk.WriteImage(image, path, compressed)
    return path


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_decodes_what_was_written(tmp_path: Path, dtype: str, suffix: str, compressed: bool) -> None:
    voxels = (VOXELS - (60 if dtype[0] != "u" else 0)).astype(dtype)
    image = scan(voxels)
    path = saved(tmp_path / f"a{suffix}", image, compressed)
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels, voxels)
    assert volume.voxels.dtype == dtype
    assert volume.voxels.flags.c_contiguous
    assert (volume.slope, volume.intercept, volume.flat, volume.palette) == (1.0, 0.0, False, None)
    assert_placed_as(volume, image)
    assert read_header(path) == Header((11, 10, 9), np.dtype(dtype).itemsize)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_components_are_channels(tmp_path: Path, dtype: str, suffix: str) -> None:
    voxels = np.random.default_rng(1).integers(0, 99, (4, 5, 6, 3)).astype(dtype)
    image = scan(voxels, vector=True)
    path = saved(tmp_path / f"a{suffix}", image, compressed=True)
    assert read_header(path) == Header((6, 5, 4, 3), np.dtype(dtype).itemsize)
    for channel in range(3):
        volume = read(path, channel)
        np.testing.assert_array_equal(volume.voxels, voxels[..., channel])
        assert volume.voxels.flags.c_contiguous
        assert_placed_as(volume, image)
    what = f"a{suffix} is 4D (6 x 5 x 4 x 3)"
    assert refused(path, Reason.GEOMETRY) == (
        f"{what} and holds 3 volumes or channels: name in the recipe's `channels` which to take"
    )
    assert refused(path, Reason.GEOMETRY, channel=3) == f"{what}: it has the channels 0 to 2, and no channel 3"


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_4d_by_channel(tmp_path: Path, suffix: str) -> None:
    voxels = np.random.default_rng(1).integers(0, 99, (2, 4, 5, 6)).astype(np.int16)
    image = scan(voxels)
    path = saved(tmp_path / f"a{suffix}", image)
    assert read_header(path).shape == (6, 5, 4, 2)
    for channel in range(2):
        np.testing.assert_array_equal(read(path, channel).voxels, voxels[channel])
    assert_placed_as(read(path, 1), image)
    assert "holds 2 volumes or channels" in refused(path, Reason.GEOMETRY)
    assert "no channel 2" in refused(path, Reason.GEOMETRY, channel=2)


def test_4d_of_one_volume_is_that_volume(tmp_path: Path) -> None:
    voxels = VOXELS[np.newaxis].astype(np.uint8)
    path = saved(tmp_path / "a.nrrd", scan(voxels))
    np.testing.assert_array_equal(read(path).voxels, voxels[0])


def test_3d_has_no_second_channel(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.mha", scan(VOXELS.astype(np.uint8)))
    np.testing.assert_array_equal(read(path, 0).voxels, VOXELS)
    assert refused(path, Reason.GEOMETRY, channel=1) == "a.mha is 3D (11 x 10 x 9): it has no channel 1"


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_2d_is_one_slice(tmp_path: Path, suffix: str) -> None:
    image = scan(VOXELS[0].astype(np.int16))
    volume = read(saved(tmp_path / f"a{suffix}", image))
    np.testing.assert_array_equal(volume.voxels, VOXELS[:1])
    assert_placed_as(volume, image)


def nrrd(path: Path, kind: str, sizes: str, kinds: str, size: int) -> Path:
    header = f"NRRD0004\ntype: {kind}\ndimension: {len(sizes.split())}\nsizes: {sizes}\nkinds: {kinds}\n"
    path.write_bytes(f"{header}endian: little\nencoding: raw\n\n".encode() + bytes(size))
    return path


def test_more_than_a_volume_and_its_channels_is_refused(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", "short", "2 3 3 3 2", "vector domain domain domain domain", 216)
    assert refused(path, Reason.GEOMETRY, channel=0) == (
        "a.nrrd has 5 dimensions (2 x 3 x 3 x 3 x 2): more than a volume's channels"
    )


def test_complex_numbers_are_no_intensities(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", "float", "2 3 4 5", "complex domain domain domain", 480)
    assert refused(path) == "a.nrrd cannot be read: it holds complex numbers, not intensities"


@pytest.mark.parametrize(
    ("space", "sign"),
    [
        ("right-anterior-superior", (1, 1, 1)),
        ("left-anterior-superior", (-1, 1, 1)),
        ("left-posterior-superior", (-1, -1, 1)),
    ],
)
@pytest.mark.parametrize("endian", ["little", "big"])
def test_nrrd_written_by_hand(tmp_path: Path, space: str, sign: tuple[int, int, int], endian: str) -> None:
    """A header after the format's definition (teem.sourceforge.net/nrrd/format.html), in each of its spaces."""
    header = (
        f"NRRD0004\n# by hand\ntype: short\ndimension: 3\nspace: {space}\nsizes: 11 10 9\nencoding: raw\n"
        f"endian: {endian}\nspace directions: (0,2,0) (0.5,0,0) (0,0,-3)\nspace origin: (10,20,30)\n\n"
    )
    path = tmp_path / "a.nrrd"
    path.write_bytes(header.encode() + VOXELS.astype("<i2" if endian == "little" else ">i2").tobytes())
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.voxels.dtype == np.int16
    matrix = np.array([[0, 0.5, 0, 10], [2, 0, 0, 20], [0, 0, -3, 30]]) * np.array(sign)[:, np.newaxis]
    np.testing.assert_allclose(volume.affine, np.vstack([matrix, [0, 0, 0, 1]]))


META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = {msb}\nCompressedData = {packed}\n"
    "{size}TransformMatrix = 0 1 0 1 0 0 0 0 -1\nOffset = 10 20 30\nElementSpacing = 2 0.5 3\nDimSize = {dim}\n"
    "ElementType = MET_SHORT\nElementDataFile = {data}\n"
)


def by_hand(
    path: Path, packed: bytes | None = None, msb: bool = False, dim: str = "11 10 9", size: int | None = None
) -> Path:
    """Write a MetaImage (itk.org/Wiki/ITK/MetaIO/Documentation); an .mhd has its voxels in a.zraw."""
    raw = VOXELS.astype(">i2" if msb else "<i2").tobytes() if packed is None else packed
    local = path.suffix == ".mha"
    header = META.format(
        msb=msb,
        packed=packed is not None,
        size="" if size is None else f"CompressedDataSize = {size}\n",
        dim=dim,
        data="LOCAL" if local else "a.zraw",
    )
    path.write_bytes(header.encode() + (raw if local else b""))
    if not local:
        (path.parent / "a.zraw").write_bytes(raw)
    return path


PLAIN = VOXELS.astype("<i2").tobytes()
PACKED = zlib.compress(PLAIN)


@pytest.mark.parametrize("name", ["a.mha", "a.mhd"])
@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({}, id="plain"),
        pytest.param({"msb": True}, id="big-endian"),
        pytest.param({"packed": PACKED, "size": len(PACKED)}, id="compressed"),
        pytest.param({"packed": PACKED}, id="compressed, without its size"),
        pytest.param({"packed": gzip.compress(PLAIN)}, id="gzip"),
        pytest.param(
            {"packed": zlib.compress(VOXELS.astype(">i2").tobytes()), "msb": True}, id="compressed big-endian"
        ),
    ],
)
def test_metaimage_written_by_hand(tmp_path: Path, name: str, keys: dict[str, Any]) -> None:
    volume = read(by_hand(tmp_path / name, **keys))
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    np.testing.assert_allclose(volume.affine, [[0, -0.5, 0, -10], [-2, 0, 0, -20], [0, 0, -3, 30], [0, 0, 0, 1]])


# ---- broken files ----


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("compressed", [True, False])
def test_every_truncation_is_noticed(tmp_path: Path, suffix: str, compressed: bool) -> None:
    image = scan(VOXELS.astype(np.int16))
    data = saved(tmp_path / f"a{suffix}", image, compressed).read_bytes()
    path = tmp_path / f"cut{suffix}"
    for size in [*range(0, len(data) - 20, 97), len(data) - 16]:
        path.write_bytes(data[:size])
        refused(path)


@pytest.mark.parametrize("name", ["a.mha", "a.mhd"])
def test_a_broken_compressed_metaimage_is_not_taken_for_voxels(tmp_path: Path, name: str) -> None:
    """ITK by itself prints `Uncompress failed` and goes on with what is in memory, or crashes."""
    for at in range(2, len(PACKED), 41):
        broken = bytearray(PACKED)
        broken[at] ^= 0x55
        assert refused(by_hand(tmp_path / name, bytes(broken), size=len(broken))).startswith(f"{name} cannot be read: ")
    for packed in (PACKED[:-5], PACKED[:50], b""):
        refused(by_hand(tmp_path / name, packed, size=len(PACKED)))
        refused(by_hand(tmp_path / name, packed))


@pytest.mark.parametrize("dim", ["11 10 8", "11 10 10", "1100 10 9"])
def test_a_compressed_metaimage_of_another_size(tmp_path: Path, dim: str) -> None:
    path = by_hand(tmp_path / "a.mha", PACKED, dim=dim)
    assert "holds other than the" in refused(path)


def test_a_compressed_metaimage_cut_short_by_its_own_header(tmp_path: Path) -> None:
    assert "end too early" in refused(by_hand(tmp_path / "a.mha", PACKED, size=len(PACKED) - 30))


def test_a_bomb_is_not_inflated_past_its_size(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(100_000_000), 9)
    assert len(bomb) < 120_000
    path = by_hand(tmp_path / "a.mha", bomb)
    tracemalloc.start()
    try:
        assert "holds other than the 1980 bytes" in refused(path)
        assert tracemalloc.get_traced_memory()[1] < 60e6  # 16 kB of a stream become 17 MB at most
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"hello", b"NRRD0004\n", b"ObjectType = Image\n", b"\0" * 500])
def test_not_what_the_suffix_says(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_such_file(tmp_path: Path, suffix: str) -> None:
    assert refused(tmp_path / f"none{suffix}") == f"none{suffix} cannot be read: No such file or directory"


HUGE = "10000 10000 10000\n"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.nrrd", f"NRRD0004\ntype: uint8\ndimension: 3\nsizes: {HUGE}encoding: raw\n\n"),
        ("a.mha", f"NDims = 3\nDimSize = {HUGE}ElementType = MET_UCHAR\nElementDataFile = LOCAL\n"),
    ],
)
def test_a_header_that_claims_too_much(tmp_path: Path, name: str, header: str) -> None:
    path = tmp_path / name
    path.write_bytes(header.encode() + bytes(100))
    assert read_header(path).nbytes == 10**12
    assert refused(path, Reason.MEMORY, limit=10**9) == (
        f"{name} holds 931 GB (10000 x 10000 x 10000), the limit is 954 MB; give more with --memory"
    )


def test_real_files_decode_as_simpleitk(shared_data: Path) -> None:
    paths = sorted(shared_data.rglob("*.nrrd"))
    assert len(paths) == 10
    for path in paths:
        theirs = sitk.ReadImage(path)
        volume = read(path)
        np.testing.assert_array_equal(volume.voxels, sitk.GetArrayFromImage(theirs), err_msg=str(path))
        assert_placed_as(volume, theirs)
