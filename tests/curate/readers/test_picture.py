"""PNG, JPEG, BMP, GIF, JPEG 2000 and WebP; right is what OpenCV and Pillow read."""

import io
import struct
import subprocess
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.readers import Header, read, read_header
from tests.curate.readers.files import refused
from tests.curate.readers.pixels import (
    COLOURS,
    GREY,
    GREY_16,
    GREY_ALPHA_TYPE,
    GREY_TYPE,
    INDICES,
    PALETTE_TYPE,
    RGB,
    RGB_16,
    RGB_TYPE,
    RGBA_TYPE,
    RNG,
    X,
    by_opencv,
    colours_of,
    indexed,
    png,
    put,
    saved,
    tiff,
)  # fmt: skip

# ---- PNG, written by hand after its specification (w3.org/TR/png) ----


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_png_grey_spans_8_bits(tmp_path: Path, depth: int) -> None:
    levels = RNG.integers(0, 1 << depth, (12, 17))
    path = put(tmp_path / "a.png", png(levels, depth, GREY_TYPE))
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels[0], levels * (255 // ((1 << depth) - 1)))
    np.testing.assert_array_equal(colours_of(volume)[0], by_opencv(path))
    assert volume.voxels.dtype == np.uint8
    assert (volume.flat, volume.palette, volume.affine, volume.slope, volume.intercept) == (True, None, None, 1.0, 0.0)
    assert read_header(path) == Header((1, 12, 17), 1)


def test_png_grey_of_16_bits(tmp_path: Path) -> None:
    path = put(tmp_path / "a.png", png(GREY_16, 16, GREY_TYPE))
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels[0], GREY_16)
    np.testing.assert_array_equal(volume.voxels[0], cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    assert volume.voxels.nbytes <= read_header(path).nbytes


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("depth", [2, 4, 8])
def test_png_palette_keeps_indices_and_colours(tmp_path: Path, depth: int, transparent: bool) -> None:
    chunks = {"PLTE": COLOURS.tobytes()} | ({"tRNS": bytes([0, 128])} if transparent else {})
    path = put(tmp_path / "a.png", png(INDICES, depth, PALETTE_TYPE, **chunks))
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels[0], INDICES)
    assert volume.palette is not None
    assert volume.palette.shape == (256, 3)
    np.testing.assert_array_equal(volume.palette[:4], COLOURS)
    np.testing.assert_array_equal(colours_of(volume)[0], COLOURS[INDICES])
    if not transparent:
        np.testing.assert_array_equal(colours_of(volume)[0], by_opencv(path))
    assert volume.flat
    assert read_header(path) == Header((1, 12, 17), 1)


def test_png_palette_of_1_bit(tmp_path: Path) -> None:
    path = put(tmp_path / "a.png", png(INDICES > 1, 1, PALETTE_TYPE, PLTE=COLOURS[:2].tobytes()))
    np.testing.assert_array_equal(read(path).voxels[0], INDICES > 1)
    np.testing.assert_array_equal(colours_of(read(path))[0], by_opencv(path))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("alpha", [False, True])
def test_png_colour_without_its_alpha(tmp_path: Path, depth: int, alpha: bool) -> None:
    pixels = RGB if depth == 8 else RGB_16
    veil = RNG.integers(0, 1 << depth, (*X.shape, 1)).astype(pixels.dtype)  # the hidden colours count too
    content = np.concatenate([pixels, veil], axis=2) if alpha else pixels
    path = put(tmp_path / "a.png", png(content, depth, RGBA_TYPE if alpha else RGB_TYPE))
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels[0], pixels)
    assert volume.voxels.dtype == pixels.dtype
    assert volume.is_colour
    assert volume.voxels.flags.c_contiguous
    np.testing.assert_array_equal(volume.voxels[0], cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., 2::-1])
    assert read_header(path) == Header((1, 40, 51, 3), depth // 8)
    np.testing.assert_array_equal(read(path, 2).voxels[0], pixels[..., 2])


@pytest.mark.parametrize("depth", [8, 16])
def test_png_grey_without_its_alpha(tmp_path: Path, depth: int) -> None:
    pixels = GREY if depth == 8 else GREY_16
    veil = RNG.integers(0, 1 << depth, X.shape).astype(pixels.dtype)
    path = put(tmp_path / "a.png", png(np.stack([pixels, veil], axis=2), depth, GREY_ALPHA_TYPE))
    volume = read(path)
    assert volume.voxels.dtype == pixels.dtype
    voxels = volume.voxels if volume.voxels.ndim == 4 else volume.voxels[..., np.newaxis]
    assert (voxels[0] == pixels[..., np.newaxis]).all()


# ---- JPEG ----


@pytest.mark.parametrize("keys", [{}, {"progressive": True}, {"quality": 30}, {"subsampling": 0}], ids=str)
@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_jpeg(tmp_path: Path, pixels: NDArray[np.uint8], keys: dict[str, Any]) -> None:
    path = saved(tmp_path / "a.jpg", pixels, **keys)
    volume = read(path)
    assert volume.is_colour is (pixels is RGB)
    np.testing.assert_array_equal(colours_of(volume)[0], by_opencv(path))
    assert read_header(path).shape == volume.voxels.shape


def test_jpeg_of_four_inks(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpeg", Image.fromarray(RGB).convert("CMYK"), quality=95)
    volume = read(path)
    assert volume.voxels.shape == (1, 40, 51, 3)
    assert np.abs(volume.voxels[0].astype(int) - RGB).mean() < 3
    assert np.abs(volume.voxels[0].astype(int) - by_opencv(path)).mean() < 3


def with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied_as_viewers_do(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = saved(tmp_path / f"a{suffix}", RGB, exif=with_orientation(orientation))
    volume = read(path)
    with Image.open(path) as image:
        np.testing.assert_array_equal(volume.voxels[0], np.asarray(ImageOps.exif_transpose(image)))
    if suffix != ".webp":  # whose orientation OpenCV leaves aside
        np.testing.assert_array_equal(volume.voxels[0], cv2.imread(str(path))[..., ::-1])
    assert volume.orientation == orientation
    assert read_header(path).shape == volume.voxels.shape
    assert volume.voxels.flags.c_contiguous


@pytest.mark.parametrize("orientation", [0, 9, 4000])
def test_an_exif_orientation_that_does_not_exist_is_none(tmp_path: Path, orientation: int) -> None:
    volume = read(saved(tmp_path / "a.jpg", RGB, exif=with_orientation(orientation)))
    assert volume.orientation == 1
    assert volume.voxels.shape == (1, 40, 51, 3)


def test_jpeg_with_previews_is_its_first_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(RGB).save(path, "MPO", save_all=True, append_images=[Image.fromarray(RGB[::2, ::2])])
    with Image.open(path) as image:
        assert image.format == "MPO"
    volume = read(path)
    assert volume.flat
    assert read_header(path) == Header((1, 40, 51, 3), 1)
    np.testing.assert_array_equal(volume.voxels[0], by_opencv(path))


# ---- BMP ----


@pytest.mark.parametrize("pixels", [GREY > 120, GREY, RGB], ids=["1 bit", "8 bit", "24 bit"])
def test_bmp(tmp_path: Path, pixels: NDArray[Any]) -> None:
    path = saved(tmp_path / "a.bmp", pixels)
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels[0], pixels * 255 if pixels.dtype == bool else pixels)
    np.testing.assert_array_equal(colours_of(volume)[0], by_opencv(path))
    assert volume.voxels.dtype == np.uint8
    assert read_header(path) == Header(volume.voxels.shape, 1)


def test_bmp_with_a_palette(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.bmp", indexed(INDICES))
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels[0], INDICES)
    np.testing.assert_array_equal(colours_of(volume)[0], COLOURS[INDICES])
    np.testing.assert_array_equal(colours_of(volume)[0], by_opencv(path))


def test_bmp_of_1_bit_whose_first_colour_is_white(tmp_path: Path) -> None:
    content = bytearray(saved(tmp_path / "a.bmp", GREY > 120).read_bytes())
    table = content.index(bytes([0, 0, 0, 0, 255, 255, 255, 0]))
    content[table : table + 8] = bytes([255, 255, 255, 0, 0, 0, 0, 0])
    path = put(tmp_path / "b.bmp", bytes(content))
    np.testing.assert_array_equal(colours_of(read(path))[0, ..., 0], np.where(GREY > 120, 0, 255))
    np.testing.assert_array_equal(colours_of(read(path))[0], by_opencv(path))


# ---- GIF ----


def test_gif_is_a_palette_image(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.gif", indexed(INDICES))
    volume = read(path)
    assert volume.flat
    assert volume.voxels.shape == (1, 12, 17)
    np.testing.assert_array_equal(colours_of(volume)[0], COLOURS[INDICES])


def test_grey_gif(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.gif", GREY)
    np.testing.assert_array_equal(colours_of(read(path))[0, ..., 0], GREY)


@pytest.mark.parametrize("own_palettes", [False, True])
def test_animated_gif_becomes_colour_pages(tmp_path: Path, own_palettes: bool) -> None:
    frames = [np.roll(INDICES, n, axis=1) for n in range(3)]
    palettes = [np.roll(COLOURS, n if own_palettes else 0, axis=1) for n in range(3)]
    images = [indexed(frame, palette) for frame, palette in zip(frames, palettes, strict=True)]
    path = saved(tmp_path / "a.gif", images[0], save_all=True, append_images=images[1:])
    volume = read(path)
    assert not volume.flat
    assert volume.palette is None
    expected = [palette[frame] for frame, palette in zip(frames, palettes, strict=True)]
    np.testing.assert_array_equal(volume.voxels, np.stack(expected))
    assert read_header(path) == Header((3, 12, 17, 3), 1)


# ---- JPEG 2000, WebP ----


def jpeg2000(path: Path, pixels: NDArray[Any], bits: int = 0, signed: bool = False) -> Path:
    """Save without loss; `bits` and `signed` change what the header says of the samples."""
    Image.fromarray(pixels).save(path, num_resolutions=3, no_jp2=path.suffix == ".j2k")
    if bits:
        content = bytearray(path.read_bytes())
        at = content.index(b"\xff\x4f\xff\x51") + 42
        content[at] = (bits - 1) | (0x80 if signed else 0)
        path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize("suffix", [".jp2", ".j2k"])
@pytest.mark.parametrize("pixels", [GREY, RGB, GREY_16], ids=["grey", "rgb", "grey 16"])
def test_jpeg_2000(tmp_path: Path, pixels: NDArray[Any], suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = jpeg2000(tmp_path / f"a{suffix}", pixels)
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels[0], pixels)
    assert volume.voxels.dtype == pixels.dtype
    assert read_header(path) == Header(volume.voxels.shape, pixels.itemsize)
    assert capfd.readouterr().err == ""


def test_jpeg_2000_of_16_bit_colour_keeps_its_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.jp2"
    large = np.tile(RGB_16, (4, 4, 1))
    cv2.imwrite(str(path), large[..., ::-1], [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])
    volume = read(path)
    assert volume.voxels.dtype == np.uint16
    np.testing.assert_array_equal(volume.voxels[0], cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1])
    assert np.abs(volume.voxels[0].astype(int) - large).max() < 200  # of 65,535: OpenCV writes with little loss
    assert read_header(path) == Header((1, 160, 204, 3), 2)


def test_jpeg_2000_of_12_bits_is_not_scaled(tmp_path: Path) -> None:
    """Pillow shifts 12 bits up to 16."""
    path = jpeg2000(tmp_path / "a.j2k", (GREY_16 >> 4), bits=12)
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels[0], cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    np.testing.assert_array_equal(volume.voxels[0], np.asarray(Image.open(path)) >> 4)
    assert volume.voxels.max() < 4096


def test_jpeg_2000_of_signed_samples(tmp_path: Path) -> None:
    """ISO/IEC 15444-1, G.1.2: unsigned samples are stored less half their range, signed ones as they are."""
    path = jpeg2000(tmp_path / "a.j2k", GREY_16, bits=16, signed=True)
    volume = read(path)
    assert volume.voxels.dtype == np.int16
    np.testing.assert_array_equal(volume.voxels[0], GREY_16.astype(int) - 32768)
    assert "signed colour" in refused(jpeg2000(tmp_path / "b.j2k", RGB, bits=8, signed=True))


@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_webp(tmp_path: Path, pixels: NDArray[Any]) -> None:
    path = saved(tmp_path / "a.webp", pixels, lossless=True)
    np.testing.assert_array_equal(colours_of(read(path))[0], by_opencv(path))
    np.testing.assert_array_equal(colours_of(read(path))[0], pixels if pixels is RGB else np.dstack([GREY] * 3))


def test_webp_without_its_alpha(tmp_path: Path) -> None:
    veil = RNG.integers(1, 256, (*X.shape, 1)).astype(np.uint8)
    path = saved(tmp_path / "a.webp", np.concatenate([RGB, veil], axis=2), lossless=True, exact=True)
    np.testing.assert_array_equal(read(path).voxels[0], RGB)


# ---- what Pillow must not refuse, and must not open ----


@pytest.mark.parametrize(
    "chunk",
    [
        pytest.param({"iCCP": b"big\0\0" + zlib.compress(RNG.bytes(3 << 20))}, id="colour profile"),
        pytest.param({"zTXt": b"note\0\0" + zlib.compress(b"x" * (3 << 20))}, id="compressed note"),
        pytest.param({"tEXt": b"note\0" + b"x" * (3 << 20)}, id="note"),
    ],
)
@pytest.mark.parametrize("depth", [8, 16])
def test_png_with_a_large_colour_profile_or_note(tmp_path: Path, chunk: dict[str, bytes], depth: int) -> None:
    pixels = RGB if depth == 8 else RGB_16
    path = put(tmp_path / "a.png", png(pixels, depth, RGB_TYPE, **chunk))
    np.testing.assert_array_equal(read(path).voxels[0], pixels)


def test_a_png_whose_note_is_a_bomb(tmp_path: Path) -> None:
    bomb = b"note\0\0" + zlib.compress(bytes(1 << 28), 9)
    assert "too large" in refused(put(tmp_path / "a.png", png(RGB, 8, RGB_TYPE, zTXt=bomb)))


def test_a_postscript_file_under_the_name_of_a_picture_starts_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.eps")
    content = (tmp_path / "a.eps").read_bytes()
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    monkeypatch.setattr(subprocess, "check_call", lambda *_, **__: pytest.fail("a program was started"))
    for name in ("a.png", "a.jpg", "a.tif", "a.gif"):
        assert "PostScript" in refused(put(tmp_path / name, content))


@pytest.mark.parametrize("kind", ["PPM", "TGA", "PCX", "ICO", "SGI"])
def test_other_formats_of_pillow_are_not_opened(tmp_path: Path, kind: str) -> None:
    Image.fromarray(RGB[:32, :32]).save(tmp_path / "a.png", kind)
    assert "cannot identify image file" in refused(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif"])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_the_content_decides_not_the_suffix(tmp_path: Path, name: str, kind: str) -> None:
    Image.fromarray(GREY).save(tmp_path / name, kind)
    np.testing.assert_array_equal(colours_of(read(tmp_path / name))[0, ..., 0], GREY)


def test_libpng_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = bytearray(png(RGB_16, 16, RGB_TYPE))
    content[100] ^= 0x10
    detail = refused(put(tmp_path / "a.png", bytes(content)))
    assert detail.startswith("a.png cannot be read: libpng error")
    assert capfd.readouterr().err == ""


# ---- channels, limits, broken files ----


def test_channels_of_what_has_none(tmp_path: Path) -> None:
    assert refused(saved(tmp_path / "a.png", RGB), Reason.GEOMETRY, channel=3) == (
        "a.png is a colour image: it has the channels 0 to 2, and no channel 3"
    )
    assert refused(saved(tmp_path / "b.png", GREY), Reason.GEOMETRY, channel=1) == (
        "b.png is a grey image: it has no channel 1"
    )


WRITERS: dict[str, Callable[[Path], Any]] = {
    "grey.png": lambda path: saved(path, GREY),
    "palette.png": lambda path: saved(path, indexed(INDICES)),
    "grey16.png": lambda path: path.write_bytes(png(GREY_16, 16, GREY_TYPE)),
    "rgb16.png": lambda path: path.write_bytes(png(RGB_16, 16, RGB_TYPE)),
    "grey.jpg": lambda path: saved(path, GREY),
    "rgb.jpg": lambda path: saved(path, RGB),
    "progressive.jpg": lambda path: saved(path, RGB, progressive=True),
    "bit.bmp": lambda path: saved(path, GREY > 120),
    "grey.bmp": lambda path: saved(path, GREY),
    "rgb.bmp": lambda path: saved(path, RGB),
    "grey.jp2": lambda path: jpeg2000(path, GREY),
    "rgb16.jp2": lambda path: cv2.imwrite(str(path), np.tile(RGB_16, (4, 4, 1))),
    "rgb.webp": lambda path: saved(path, RGB),
    "single.gif": lambda path: saved(path, GREY),
    "animated.gif": lambda path: saved(path, GREY, save_all=True, append_images=[Image.fromarray(RGB)]),
    "grey.tif": lambda path: tiff(path, GREY),
    "lzw.tif": lambda path: saved(path, GREY, compression="tiff_lzw"),
    "rgb16.tif": lambda path: tiff(path, RGB_16, photometric="rgb", compression="zlib"),
    "pages.tif": lambda path: tiff(path, np.stack([GREY, GREY]), photometric="minisblack"),
    "pages16.tif": lambda path: tiff(path, np.stack([RGB_16, RGB_16]), photometric="rgb"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_truncated_files(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    WRITERS[name](tmp_path / name)
    content = (tmp_path / name).read_bytes()
    # tifffile writes a page's header last and ends with 16 bytes that need not be there
    for size in np.linspace(0, len(content) * 0.97 - 24, 25).astype(int):
        refused(put(tmp_path / f"cut{Path(name).suffix}", content[:size]))


@pytest.mark.parametrize("name", WRITERS)
def test_corrupt_files_are_a_volume_or_a_case_error(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    WRITERS[name](tmp_path / name)
    content = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(len(name))
    path = tmp_path / f"corrupt{Path(name).suffix}"
    errors = 0
    for trial in range(80):
        broken = bytearray(content)
        for at in rng.integers(0, 120 if trial % 2 else len(content), 3):
            broken[at] = rng.integers(0, 256)
        path.write_bytes(bytes(broken))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read(path, limit=1 << 20)
            except CaseError:
                errors += 1
    assert errors


@pytest.mark.parametrize("at", range(5))
def test_a_corrupt_png_is_noticed_by_its_checksums(tmp_path: Path, at: int, capfd: pytest.CaptureFixture[str]) -> None:
    for pixels, depth, kind in ((GREY, 8, GREY_TYPE), (RGB_16, 16, RGB_TYPE)):
        content = bytearray(png(pixels, depth, kind))
        content[60 + at * (len(content) - 90) // 4] ^= 0x10
        refused(put(tmp_path / "a.png", bytes(content)))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff"])
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\0" * 500, b"\x89PNG\r\n\x1a\n", b"II*\0" + b"\xff" * 40, b"BM", b"GIF89a"]
)
def test_not_an_image(tmp_path: Path, suffix: str, content: bytes) -> None:
    refused(put(tmp_path / f"a{suffix}", content))


def test_no_such_file(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.png")


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.gif"])
def test_a_header_that_claims_too_much(tmp_path: Path, name: str) -> None:
    """Only the header is looked at: Pillow's own limit is off, ours is asked first."""
    side = 60000
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, name[2:])
    content = bytearray(buffer.getvalue())
    if name == "a.png":
        struct.pack_into(">II", content, 16, side, side)
        struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    elif name == "a.bmp":
        struct.pack_into("<ii", content, 18, side, side)
    else:
        struct.pack_into("<HH", content, 6, side, side)
    path = put(tmp_path / name, bytes(content))
    assert read_header(path).nbytes >= side * side
    assert "holds 3.35 GB (1 x 60000 x 60000)" in refused(path, Reason.MEMORY, limit=10**9)


def test_real_files_decode_as_opencv(shared_data: Path) -> None:
    """A spread over every folder and suffix; 16-bit and multi-page files are compared unchanged."""
    kinds: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(shared_data.rglob("*")):
        if path.suffix in (".png", ".jpg", ".bmp", ".tif"):
            kinds.setdefault((path.relative_to(shared_data).parts[0], path.suffix), []).append(path)
    assert len(kinds) > 12
    for paths in kinds.values():
        for path in paths[:: max(1, len(paths) // 5)]:
            volume = read(path)
            assert read_header(path).shape == volume.voxels.shape, path
            pages = cv2.imreadmulti(str(path), flags=cv2.IMREAD_UNCHANGED)[1]
            if volume.voxels.dtype == np.uint8 and len(pages) == 1:
                np.testing.assert_array_equal(colours_of(volume)[0], by_opencv(path), err_msg=str(path))
            else:
                assert volume.voxels.dtype == pages[0].dtype, path
                np.testing.assert_array_equal(volume.voxels, np.stack(pages), err_msg=str(path))


def test_real_gifs_decode_as_pillow(shared_data: Path) -> None:
    paths = sorted(shared_data.rglob("*.gif"))
    assert len(paths) >= 20
    for path in paths:
        with Image.open(path) as image:
            theirs = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(colours_of(read(path))[0], theirs, err_msg=str(path))
