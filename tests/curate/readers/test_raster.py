import io
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Volume
from curate.readers import Header, read, read_header

RNG = np.random.default_rng(0)
Y, X = np.mgrid[:40, :51]
GREY = ((np.sin(X / 5) + np.cos(Y / 7)) * 60 + 120 + RNG.normal(0, 3, X.shape)).astype(np.uint8)
RGB = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)
GREY_16 = GREY.astype(np.uint16) * 200 + np.arange(51, dtype=np.uint16)
RGB_16 = RGB.astype(np.uint16) * 200 + np.arange(3, dtype=np.uint16)
COLOURS = np.array([[10, 20, 30], [200, 0, 0], [0, 180, 0], [250, 250, 10]], np.uint8)
INDICES = RNG.integers(0, 4, (12, 17)).astype(np.uint8)


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def saved(path: Path, pixels: NDArray[Any] | Image.Image, **keys: Any) -> Path:
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **keys)
    return path


def indexed(indices: NDArray[np.uint8], colours: NDArray[np.uint8] = COLOURS) -> Image.Image:
    image = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    image.putpalette(colours.tobytes())
    return image


def colours_of(volume: Volume) -> NDArray[Any]:
    """Return RGB pixels (pages, h, w, 3) of any volume of 8 bits."""
    voxels = volume.voxels if volume.palette is None else volume.palette[volume.voxels]
    return voxels if voxels.ndim == 4 else np.repeat(voxels[..., np.newaxis], 3, axis=3)


def by_opencv(path: Path) -> NDArray[np.uint8]:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert pixels is not None
    return pixels[..., ::-1]


def refused(path: Path, reason: Reason = Reason.UNREADABLE, **keys: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns before it fails
        with pytest.raises(CaseError) as caught:
            read(path, **keys)
    assert caught.value.reason is reason
    assert caught.value.detail.startswith(path.name)
    assert str(path.parent) not in caught.value.detail  # which is another on every machine
    return caught.value.detail


# ---- PNG, written by hand after its specification (w3.org/TR/png) ----

GREY_TYPE, RGB_TYPE, PALETTE_TYPE, GREY_ALPHA_TYPE, RGBA_TYPE = 0, 2, 3, 4, 6


def png(pixels: NDArray[Any], depth: int, kind: int, **chunks: bytes) -> bytes:
    """Encode pixels (h, w[, samples]) of 1 to 16 bits a sample."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    if depth < 8:
        bits = np.unpackbits(rows.astype(np.uint8)[..., np.newaxis], axis=-1)[..., 8 - depth :]
        rows = np.packbits(bits.reshape(height, -1), axis=1)
    rows = rows.astype(">u2" if depth == 16 else np.uint8)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
        + b"".join(chunk(name.encode(), data) for name, data in chunks.items())
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
        + chunk(b"IEND", b"")
    )


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


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_jpeg_is_not_turned_by_its_exif(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.jpg", RGB, exif=exif)
    assert cv2.imread(str(path)).shape == ((51, 40, 3) if orientation != 3 else (40, 51, 3))
    np.testing.assert_array_equal(read(path).voxels[0], by_opencv(path))


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


# ---- TIFF, written by tifffile ----


def tiff(path: Path, pixels: NDArray[Any], endian: str = "<", big: bool = False, **keys: Any) -> Path:
    with tifffile.TiffWriter(path, byteorder=endian, bigtiff=big) as writer:
        writer.write(pixels, **keys)
    return path


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


def test_tiff_colour_in_planes(tmp_path: Path) -> None:
    """OpenCV would mix the planes of 16 bits up without a word."""
    for pixels in (RGB, RGB_16):
        planes = np.moveaxis(pixels, 2, 0)
        path = tiff(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
        if pixels is RGB:
            np.testing.assert_array_equal(read(path).voxels[0], RGB)
        else:
            assert "16-bit colour in separate planes" in refused(path)


def test_tiff_pages_of_different_size(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(GREY, photometric="minisblack")
        writer.write(GREY[::2], photometric="minisblack")
    assert refused(path) == "a.tif cannot be read: page 2 has 51 x 20 pixels, the first 51 x 40"


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


@pytest.mark.parametrize(
    ("dtype", "endian"),
    [("float16", "<"), ("float64", "<"), ("complex64", "<"), ("uint64", "<"), ("int64", ">"), ("uint32", ">")],
)
def test_tiff_of_types_that_pillow_does_not_know_is_refused(tmp_path: Path, dtype: str, endian: str) -> None:
    assert "cannot identify image file" in refused(tiff(tmp_path / "a.tif", GREY.astype(dtype), endian))


# ---- channels, limits, broken files ----


def test_channels_of_what_has_none(tmp_path: Path) -> None:
    assert refused(saved(tmp_path / "a.png", RGB), Reason.GEOMETRY, channel=3) == "a.png has no channel 3"
    assert refused(saved(tmp_path / "b.png", GREY), Reason.GEOMETRY, channel=1) == "b.png has no channel 1"


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


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.gif", "a.tif"])
def test_a_header_that_claims_too_much(tmp_path: Path, name: str) -> None:
    """Only the header is looked at: Pillow's own limit is off, ours is asked first."""
    side = 60000
    buffer = io.BytesIO()
    if name == "a.tif":
        tifffile.imwrite(tmp_path / name, GREY)
        content = bytearray((tmp_path / name).read_bytes())
        with tifffile.TiffFile(tmp_path / name) as file:
            for tag in ("ImageWidth", "ImageLength"):
                struct.pack_into("<H", content, file.pages[0].tags[tag].valueoffset, side)
    else:
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
