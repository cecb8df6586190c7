"""TIFF as people have it, written by tifffile, Pillow and OpenCV; right is what they wrote."""

import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.readers import Header, read, read_header
from tests.curate.readers.files import refused
from tests.curate.readers.pixels import (
    GREY,
    GREY_16,
    RGB,
    RGB_16,
    RNG,
    X,
    by_opencv,
    colours_of,
    plain_tiff,
    put,
    saved,
    tiff,
)  # fmt: skip


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("dtype", "endian"),
    [
        *[(dtype, "<") for dtype in ("uint8", "uint16", "int16", "uint32", "int32", "float32")],
        *[(dtype, ">") for dtype in ("uint8", "uint16", "int16", "int32", "float32")],
    ],
)
def test_tiff_grey(tmp_path: Path, dtype: str, compression: str | None, endian: str) -> None:
    pixels = RNG.integers(0, 255, X.shape).astype(dtype)
    if dtype != "uint8":
        limits = np.finfo(dtype) if dtype == "float32" else np.iinfo(dtype)
        pixels[0, :2] = limits.min, limits.max
    path = tiff(tmp_path / "a.tif", pixels, endian, compression=compression)
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels[0], pixels)
    assert volume.voxels.dtype.isnative
    assert volume.flat
    header = read_header(path)
    assert header.shape == (1, 40, 51)
    assert header.itemsize == volume.voxels.itemsize


@pytest.mark.parametrize("mode", ["L", "I;16", "RGB", "1"])
@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits", "tiff_adobe_deflate"])
def test_tiff_compressions(tmp_path: Path, mode: str, compression: str) -> None:
    pixels = {"L": GREY, "I;16": GREY_16, "RGB": RGB, "1": GREY > 120}[mode]
    path = saved(tmp_path / "a.tiff", pixels, compression=compression)
    np.testing.assert_array_equal(read(path).voxels[0], pixels * 255 if mode == "1" else pixels)
    if mode != "1":
        unchanged = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(read(path).voxels[0], unchanged[..., ::-1] if mode == "RGB" else unchanged)


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("pixels", [RGB, RGB_16], ids=["8 bit", "16 bit"])
def test_tiff_colour(tmp_path: Path, pixels: NDArray[Any], alpha: bool, compression: str | None, endian: str) -> None:
    content = np.concatenate([pixels, pixels[..., :1] // 2], axis=2) if alpha else pixels
    extra = {"extrasamples": ["unassalpha"]} if alpha else {}
    path = tiff(tmp_path / "a.tif", content, endian, photometric="rgb", compression=compression, **extra)
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels[0], pixels)
    assert volume.voxels.dtype == pixels.dtype
    assert read_header(path) == Header((1, 40, 51, 3), pixels.itemsize)


@pytest.mark.parametrize(
    "pages",
    [
        np.stack([GREY, GREY[::-1], GREY[:, ::-1]]),
        np.stack([GREY_16, GREY_16[::-1], GREY_16 // 2]),
        np.stack([GREY, GREY + 1, GREY // 2]).astype(np.float32),
    ],
    ids=lambda pages: str(pages.dtype),
)
def test_tiff_pages_are_a_volume(tmp_path: Path, pages: NDArray[Any]) -> None:
    path = tiff(tmp_path / "a.tif", pages, photometric="minisblack")
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels, pages)
    np.testing.assert_array_equal(volume.voxels, np.stack(cv2.imreadmulti(str(path), flags=cv2.IMREAD_UNCHANGED)[1]))
    assert not volume.flat
    assert read_header(path) == Header((3, 40, 51), pages.itemsize)


@pytest.mark.parametrize("pixels", [RGB, RGB_16], ids=["8 bit", "16 bit"])
def test_tiff_pages_of_colour(tmp_path: Path, pixels: NDArray[Any]) -> None:
    pages = np.stack([pixels, pixels[::-1]])
    path = tiff(tmp_path / "a.tif", pages, photometric="rgb")
    np.testing.assert_array_equal(read(path).voxels, pages)
    assert read_header(path) == Header((2, 40, 51, 3), pixels.itemsize)


def test_tiff_of_more_than_4_gb_in_form(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", GREY_16, big=True)
    np.testing.assert_array_equal(read(path).voxels[0], GREY_16)


@pytest.mark.parametrize("pixels", [RGB, RGB_16, RGB.astype(np.float32) / 7], ids=lambda pixels: str(pixels.dtype))
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_colour_in_planes(tmp_path: Path, pixels: NDArray[Any], compression: str | None) -> None:
    planes = np.moveaxis(pixels, 2, 0)
    path = tiff(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate", compression=compression)
    np.testing.assert_array_equal(read(path).voxels[0], pixels)
    assert read_header(path) == Header((1, 40, 51, 3), pixels.itemsize)


def test_pages_of_different_size(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(GREY, photometric="minisblack")
        writer.write(GREY[::2], photometric="minisblack")
    assert refused(path) == (
        "a.tif cannot be read: it holds 2 images of different size or type (40 x 51, 20 x 51); save each as a file"
    )


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["float16", "float64", "uint64", "int64", "uint32", "int8"])
def test_types_that_pillow_does_not_know(tmp_path: Path, dtype: str, endian: str, compression: str | None) -> None:
    pixels = (GREY.astype(float) - 100 * (dtype[0] != "u")).astype(dtype)
    path = tiff(tmp_path / "a.tif", pixels, endian, compression=compression)
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels[0], pixels)
    assert volume.voxels.dtype == ("float32" if dtype == "float16" else dtype)  # exact, and windows can be taken
    assert volume.voxels.dtype.isnative
    assert read_header(path) == Header((1, 40, 51), volume.voxels.itemsize)


def test_complex_numbers_are_no_intensities(tmp_path: Path) -> None:
    assert refused(tiff(tmp_path / "a.tif", GREY.astype("complex64"))) == (
        "a.tif cannot be read: its samples are of type complex64; integers and real numbers can be used"
    )


# ---- pages, axes and samples ----

STACK = np.stack([np.roll(GREY, n, axis=1) for n in range(5)])


def test_an_imagej_stack_in_one_ifd(tmp_path: Path) -> None:
    """ImageJ keeps all slices behind the first page's description; Pillow and OpenCV see one page."""
    path = tmp_path / "a.tif"
    metadata = {"axes": "ZYX", "spacing": 2.5, "unit": "um"}
    with tifffile.TiffWriter(path, imagej=True) as writer:
        writer.write(STACK, metadata=metadata, resolution=(2, 4), truncate=True)
    with tifffile.TiffFile(path) as tif:
        assert len(tif.pages) == 1
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels, STACK)
    assert not volume.flat
    assert volume.affine is None
    np.testing.assert_allclose(volume.spacing, (0.0025, 0.00025, 0.0005))  # slices, rows, columns, mm
    path.write_bytes(path.read_bytes()[:-2000])
    refused(path)


def test_a_tifffile_stack_in_one_ifd(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", metadata={"axes": "ZYX"}, planarconfig="contig")
    np.testing.assert_array_equal(read(path).voxels, STACK)


def test_volumetric_tiles(tmp_path: Path) -> None:
    voxels = np.resize(STACK, (16, 64, 64))
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, voxels, volumetric=True, tile=(16, 32, 32))
    np.testing.assert_array_equal(read(path).voxels, voxels)
    assert read_header(path) == Header((16, 64, 64), 1)


def test_grey_of_16_bits_without_its_alpha(tmp_path: Path) -> None:
    path = tiff(
        tmp_path / "a.tif", np.dstack([GREY_16, GREY_16 // 2]), photometric="minisblack", extrasamples=["unassalpha"]
    )
    np.testing.assert_array_equal(read(path).voxels[0], GREY_16)


def test_colour_of_real_numbers(tmp_path: Path) -> None:
    pixels = RGB.astype(np.float32) / 255
    path = tiff(tmp_path / "a.tif", pixels, photometric="rgb")
    np.testing.assert_array_equal(read(path).voxels[0], pixels)
    np.testing.assert_array_equal(read(path).voxels[0], cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1])


@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_five_bands_of_which_a_channel_is_one(tmp_path: Path, planes: str) -> None:
    bands = np.stack([GREY_16 + n for n in range(5)])
    content = bands if planes == "separate" else np.moveaxis(bands, 0, 2)
    path = tiff(tmp_path / "a.tif", content, photometric="minisblack", planarconfig=planes)
    for channel, band in enumerate(bands):
        np.testing.assert_array_equal(read(path, channel).voxels[0], band)
    assert "holds 5 volumes or channels: name in the recipe's `channels` which to take" in refused(
        path, Reason.GEOMETRY
    )
    assert "the channels 0 to 4, and no channel 5" in refused(path, Reason.GEOMETRY, channel=5)
    assert read_header(path) == Header((1, 40, 51, 5), 2)


def test_a_fourth_sample_of_colour_that_is_no_alpha(tmp_path: Path) -> None:
    infrared = GREY[..., np.newaxis] // 2
    path = tiff(
        tmp_path / "a.tif", np.concatenate([RGB, infrared], axis=2), photometric="rgb", extrasamples=["unspecified"]
    )
    np.testing.assert_array_equal(read(path).voxels[0], RGB)
    np.testing.assert_array_equal(read(path, 3).voxels[0], infrared[..., 0])


def test_ome_channels(tmp_path: Path) -> None:
    channels = np.stack([GREY, GREY // 2, GREY // 3])
    path = tmp_path / "a.ome.tif"
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "\xb5m", "PhysicalSizeY": 250.0, "PhysicalSizeYUnit": "nm"}
    tifffile.imwrite(path, channels, photometric="minisblack", metadata={"axes": "CYX", **sizes})
    for channel in range(3):
        volume = read(path, channel)
        np.testing.assert_array_equal(volume.voxels[0], channels[channel])
        assert volume.flat
        assert volume.spacing is not None
        assert volume.spacing[0] is None
        np.testing.assert_allclose(volume.spacing[1:], (0.00025, 0.0005))
    assert "axes CYX (3 x 40 x 51) and holds 3 volumes" in refused(path, Reason.GEOMETRY)


@pytest.mark.parametrize("axes", ["CZYX", "ZCYX", "TZYX", "TCZYX"])
@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_slices_are_pages_and_the_rest_are_channels(tmp_path: Path, axes: str, kind: str) -> None:
    if kind == "imagej" and axes != "".join(axis for axis in "TZCYX" if axis in axes):
        pytest.skip("ImageJ has one order of axes")
    lengths = {"T": 2, "C": 3, "Z": 4, "Y": 40, "X": 51}
    shape = [lengths[axis] for axis in axes]
    voxels = np.random.default_rng(5).integers(0, 255, shape).astype(np.uint8)
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    tifffile.imwrite(path, voxels, imagej=kind == "imagej", photometric="minisblack", metadata={"axes": axes})
    volumes = np.moveaxis(voxels, axes.index("Z"), -3).reshape(-1, 4, 40, 51)
    for channel, expected in enumerate(volumes):
        np.testing.assert_array_equal(read(path, channel).voxels, expected)
    assert f"no channel {len(volumes)}" in refused(path, Reason.GEOMETRY, channel=len(volumes))


def test_frames_of_a_video_are_pages(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, metadata={"axes": "TYX"})
    np.testing.assert_array_equal(read(tmp_path / "a.tif").voxels, STACK)


def test_ome_planes_in_several_files(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata
    one = '<TiffData IFD="0" FirstZ="{}" PlaneCount="1"><UUID FileName="{}">urn:uuid:{}</UUID></TiffData>'
    parts = "".join(one.format(n, f"z{n}.ome.tif", n) for n in range(2))
    start, end = xml.index("<TiffData"), xml.index("</Pixels>")
    tifffile.imwrite(path, STACK[0], description=xml[:start] + parts + xml[end:], metadata=None)
    detail = refused(path)
    assert "its planes are in 2 files (z0.ome.tif, z1.ome.tif, ...); save them as one file" in detail


@pytest.mark.parametrize("reduced", [True, False])
def test_level_0_of_a_pyramid(tmp_path: Path, reduced: bool) -> None:
    levels = [np.kron(RGB[:32, :48], np.ones((size, size, 1), np.uint8)) for size in (8, 4, 2)]
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for number, level in enumerate(levels):
            kind = {"subfiletype": 1} if reduced and number else {}
            writer.write(level, photometric="rgb", tile=(64, 64), metadata=None, **kind)
    volume = read(path)
    assert volume.flat
    np.testing.assert_array_equal(volume.voxels[0], levels[0])
    assert read_header(path) == Header((1, 256, 384, 3), 1)


def test_level_0_of_a_pyramid_in_sub_ifds(tmp_path: Path) -> None:
    levels = [np.kron(GREY[:32, :48], np.ones((size, size), np.uint8)) for size in (8, 4)]
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(levels[0], subifds=1, tile=(64, 64))
        writer.write(levels[1], subfiletype=1, tile=(64, 64))
    np.testing.assert_array_equal(read(path).voxels[0], levels[0])


def test_a_preview_and_a_mask_beside_the_image_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(RGB, photometric="rgb", metadata=None)
        writer.write(RGB[:7, :9], photometric="rgb", subfiletype=1, metadata=None)
        writer.write(GREY > 120, subfiletype=4, metadata=None)
    np.testing.assert_array_equal(read(path).voxels[0], RGB)


# ---- photometric meaning ----


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_white_as_zero_is_inverted_at_every_depth(tmp_path: Path, dtype: str, compression: str | None) -> None:
    pixels = GREY.astype(dtype)
    path = tiff(tmp_path / "a.tif", pixels, photometric="miniswhite", compression=compression)
    np.testing.assert_array_equal(read(path).voxels[0], np.iinfo(dtype).max - pixels)
    if dtype == "uint8":
        np.testing.assert_array_equal(read(path).voxels[0], np.asarray(Image.open(path)))


def test_white_as_zero_of_signed_and_real_numbers(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", GREY.astype(np.int16), photometric="miniswhite")
    np.testing.assert_array_equal(read(path).voxels[0], -1 - GREY.astype(int))  # the order turned round
    assert "white is 0" in refused(tiff(tmp_path / "b.tif", GREY.astype(np.float32), photometric="miniswhite"))


@pytest.mark.parametrize("inverted", [False, True])
def test_one_bit_spans_8(tmp_path: Path, inverted: bool) -> None:
    path = tiff(tmp_path / "a.tif", GREY > 120, photometric="miniswhite" if inverted else "minisblack")
    np.testing.assert_array_equal(read(path).voxels[0] > 0, (GREY > 120) ^ inverted)
    assert set(np.unique(read(path).voxels)) == {0, 255}
    np.testing.assert_array_equal(read(path).voxels[0] > 0, np.asarray(Image.open(path)))


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_span_8_as_in_pillow(tmp_path: Path, bits: int) -> None:
    levels = RNG.integers(0, 1 << bits, (12, 16)).astype(np.uint8)
    shifts = np.arange(8 - bits, -1, -bits)
    packed = (levels.reshape(12, -1, 8 // bits) << shifts).sum(axis=2).astype(np.uint8)
    path = plain_tiff(tmp_path / "a.tif", packed.tobytes(), 12, 16, t258=bits)
    np.testing.assert_array_equal(read(path).voxels[0], levels * (255 // ((1 << bits) - 1)))
    np.testing.assert_array_equal(read(path).voxels[0], np.asarray(Image.open(path).convert("L")))


def test_a_palette_keeps_indices_and_colours(tmp_path: Path) -> None:
    image = Image.fromarray(RGB).quantize(7)
    path = saved(tmp_path / "a.tif", image)
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels[0], np.asarray(image))
    np.testing.assert_array_equal(colours_of(volume)[0], np.asarray(image.convert("RGB")))


def test_a_palette_of_8_bits_in_16(tmp_path: Path) -> None:
    """Some writers store 0 to 255 where the standard has 0 to 65,535; libtiff notices it, and OpenCV so too."""
    path = saved(tmp_path / "a.tif", Image.fromarray(RGB).quantize(7))
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages[0].tags["ColorMap"]
        colours = np.asarray(tag.value, np.uint16)
        content[tag.valueoffset : tag.valueoffset + 2 * colours.size] = (colours >> 8).astype("<u2").tobytes()
    put(path, bytes(content))
    np.testing.assert_array_equal(colours_of(read(path))[0], by_opencv(path))


def test_four_inks_become_colours(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(RGB).convert("CMYK"))
    np.testing.assert_array_equal(read(path).voxels[0], np.asarray(Image.open(path).convert("RGB")))


def test_ycbcr_without_compression(tmp_path: Path) -> None:
    stored = Image.fromarray(RGB).convert("YCbCr")
    tags: dict[str, Any] = {"t258": (8, 8, 8), "t277": 3, "t262": 6}
    path = plain_tiff(tmp_path / "a.tif", stored.tobytes(), 40, 51, **tags, t530=(1, 1))
    np.testing.assert_array_equal(read(path).voxels[0], np.asarray(stored.convert("RGB")))
    assert "subsampling" in refused(plain_tiff(tmp_path / "b.tif", stored.tobytes(), 40, 51, **tags, t530=(2, 2)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_as_viewers_do(tmp_path: Path, orientation: int) -> None:
    path = tiff(tmp_path / "a.tif", RGB, photometric="rgb", metadata=None, extratags=[(274, 3, 1, orientation, True)])
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels[0], np.asarray(ImageOps.exif_transpose(Image.open(path))))
    assert volume.orientation == orientation
    assert read_header(path).shape == volume.voxels.shape


# ---- compressions, with the decoders of curate.readers.tiff.codecs ----


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "packbits", "tiff_lzw", "zstd", "lzma"])
def test_compressions_of_one_bit(tmp_path: Path, compression: str) -> None:
    path = saved(tmp_path / "a.tif", GREY > 120, compression=compression)
    np.testing.assert_array_equal(read(path).voxels[0], (GREY > 120) * 255)


@pytest.mark.parametrize("pixels", [GREY, GREY_16, RGB], ids=["grey", "grey 16", "rgb"])
@pytest.mark.parametrize("compression", ["zstd", "lzma", "packbits"])
def test_compressions_of_more_bits(tmp_path: Path, pixels: NDArray[Any], compression: str) -> None:
    path = saved(tmp_path / "a.tif", pixels, compression=compression)
    np.testing.assert_array_equal(read(path).voxels[0], pixels)


@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_jpeg_with_its_tables_apart(tmp_path: Path, pixels: NDArray[Any]) -> None:
    path = saved(tmp_path / "a.tif", pixels, compression="jpeg", quality=90)
    with tifffile.TiffFile(path) as tif:
        assert tif.pages[0].jpegtables
    theirs = Image.open(path)
    np.testing.assert_array_equal(read(path).voxels[0], np.asarray(theirs.convert("RGB") if pixels is RGB else theirs))


def test_jpeg_of_rgb_that_is_not_ycbcr(tmp_path: Path) -> None:
    """Tiles of Aperio's slides: RGB without a marker, which libjpeg takes for YCbCr."""
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "JPEG", quality=95, keep_rgb=True, subsampling=0)
    jpeg = buffer.getvalue()
    at = jpeg.index(b"\xff\xee")  # the Adobe marker that says so
    jpeg = jpeg[:at] + jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") :]
    frame = jpeg.index(b"\xff\xc0") + 10
    jpeg = bytearray(jpeg)
    scan = jpeg.index(b"\xff\xda") + 5
    for number in range(3):  # components 1, 2, 3 in place of R, G, B
        jpeg[frame + 3 * number] = jpeg[scan + 2 * number] = number + 1
    path = plain_tiff(tmp_path / "a.tif", bytes(jpeg), 40, 51, t258=(8, 8, 8), t277=3, t262=2, t259=7)
    assert np.abs(read(path).voxels[0].astype(int) - RGB).max() < 30


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", [(40, 51), (40, 51, 3)])
def test_the_predictor_of_real_numbers(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    """TIFF Technical Note 3, by hand: bytes of a row in planes, most significant first, each less the one before."""
    pixels = np.random.default_rng(1).normal(0, 1e3, shape).astype(dtype)
    samples = shape[2] if len(shape) > 2 else 1
    big = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(40, -1)
    planes = np.moveaxis(big.view(np.uint8).reshape(40, -1, pixels.itemsize), 2, 1).reshape(40, -1)
    rows = planes.copy()
    rows[:, samples:] -= planes[:, :-samples]
    path = plain_tiff(
        tmp_path / "a.tif", zlib.compress(rows.tobytes()), 40, 51, t258=(8 * pixels.itemsize,) * samples, t259=8,
        t262=2 if samples > 1 else 1, t277=samples, t317=3, t339=(3,) * samples,
    )  # fmt: skip
    np.testing.assert_array_equal(read(path).voxels[0], pixels.astype("float32" if dtype == "float16" else dtype))
    if dtype == "float32":
        theirs = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(read(path).voxels[0], theirs[..., ::-1] if samples > 1 else theirs)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_samples_that_are_no_whole_bytes(tmp_path: Path, bits: int) -> None:
    pixels = RNG.integers(0, 1 << bits, (8, 13)).astype(np.uint16)
    digits = [f"{''.join(f'{value:0{bits}b}' for value in row):0<{-(-13 * bits // 8) * 8}}" for row in pixels]
    packed = b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in digits)
    path = plain_tiff(tmp_path / "a.tif", zlib.compress(packed), 8, 13, t258=bits, t259=8)
    np.testing.assert_array_equal(read(path).voxels[0], pixels)


@pytest.mark.parametrize("compression", [34887, 50002])
def test_a_compression_that_needs_a_package_names_it(tmp_path: Path, compression: int) -> None:
    path = plain_tiff(tmp_path / "a.tif", b"x" * 99, 40, 51, t259=compression)
    assert "pip install 'medcorpus[codecs]'" in refused(path)


@pytest.mark.parametrize("compression", ["group4", "tiff_ccitt"])
def test_damaged_faxes_are_noticed_and_libtiff_prints_nothing(
    tmp_path: Path, compression: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path / "a.tif", GREY > 120, compression=compression)
    whole = path.read_bytes()
    with tifffile.TiffFile(path) as tif:
        start, size = tif.pages[0].dataoffsets[0], tif.pages[0].databytecounts[0]
    noticed = 0
    for at in range(start, start + size - 4, max(1, size // 40)):
        path.write_bytes(whole[:at] + b"\x5a\x13\x77\x81" + whole[at + 4 :])
        try:
            read(path)
        except CaseError as error:
            noticed += error.detail.startswith("a.tif cannot be read: ")
    assert noticed > 10
    assert capfd.readouterr().err == ""


# ---- damage ----


def test_a_chain_of_pages_in_a_circle(tmp_path: Path) -> None:
    """tifffile would follow it without end."""
    path = tiff(tmp_path / "a.tif", STACK, photometric="minisblack", metadata=None, contiguous=False)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        offsets = [page.offset for page in tif.pages]
        tags = len(tif.pages[3].tags)
    struct.pack_into("<I", content, offsets[3] + 2 + 12 * tags, offsets[1])
    assert "runs in a circle" in refused(put(path, bytes(content)))


@pytest.mark.parametrize("attribute", ["SizeC", "SizeZ", "PlaneCount", "IFD"])
def test_ome_metadata_that_claim_too_much(tmp_path: Path, attribute: str) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", metadata={"axes": "CYX"})
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata
    xml = re.sub(f' {attribute}="[0-9]+"', f' {attribute}="99999999999"', xml)
    tifffile.imwrite(path, STACK, photometric="minisblack", description=xml, metadata=None)
    assert "claims more than" in refused(path)


def test_metadata_that_do_not_fit_the_pages_are_left_aside(tmp_path: Path) -> None:
    """A crop by another program keeps the description of the whole."""
    path = tiff(
        tmp_path / "a.tif", GREY[:20], photometric="minisblack", description='{"shape": [40, 51]}', metadata=None
    )
    np.testing.assert_array_equal(read(path).voxels[0], GREY[:20])
    broken = "<?xml version='1.0'?><OME><Image"
    path = tiff(tmp_path / "b.tif", STACK, photometric="minisblack", description=f"{broken}</OME>", metadata=None)
    np.testing.assert_array_equal(read(path).voxels, STACK)


@pytest.mark.parametrize("pixels", [GREY, GREY_16, RGB_16], ids=["8 bit", "16 bit", "16-bit colour"])
def test_tiff_with_a_page_that_lies_nowhere(
    tmp_path: Path, pixels: NDArray[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    pages = np.stack([pixels, pixels, pixels])
    path = tiff(tmp_path / "a.tif", pages, photometric="rgb" if pixels is RGB_16 else "minisblack", contiguous=False)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        offset = file.pages[1].tags["StripOffsets"]
        struct.pack_into("<I", content, offset.valueoffset, len(content) + 5000)
    refused(put(path, bytes(content)))
