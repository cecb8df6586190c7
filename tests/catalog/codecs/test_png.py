"""PNG bytes against OpenCV, Pillow, zlib, the letter of the standard and libpng's checker."""

import io
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from catalog.codecs.png import encode_bits, encode_image

SIZES = [(height, width) for height in range(1, 21) for width in range(1, 21)]


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG, lengths and checksums verified."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, found = 8, []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        assert len(body) == length
        assert checksum == zlib.crc32(kind + body)
        found.append((kind, body))
        at += 12 + length
    assert at == len(data)
    return found


def scanlines(data: bytes, depth: int, colour: int, height: int, width: int) -> list[bytes]:
    """The inflated rows with their filter bytes; header, order of chunks and zlib stream verified."""
    (_, header), (_, idat), (_, end) = found = chunks(data)
    assert [kind for kind, _ in found] == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", header) == (width, height, depth, colour, 0, 0, 0)
    assert end == b""
    stream = zlib.decompressobj()
    raw = stream.decompress(idat)
    assert stream.eof
    assert stream.unused_data == b""
    samples = 3 if colour == 2 else 1
    row = 1 + -(-width * depth * samples // 8)
    assert len(raw) == row * height
    return [raw[row * y : row * (y + 1)] for y in range(height)]


def by_hand(data: bytes, height: int, width: int, step: int) -> NDArray[np.uint8]:
    """Undo Sub as PNG section 9.2 tells it: each byte plus the one a pixel before, modulo 256."""
    out = np.zeros((height, width * step), np.uint8)
    for y, line in enumerate(scanlines(data, 8, 2 if step == 3 else 0, height, width)):
        assert line[0] == 1
        for x, byte in enumerate(line[1:]):
            out[y, x] = (byte + (int(out[y, x - step]) if x >= step else 0)) & 0xFF
    return out.reshape((height, width, 3) if step == 3 else (height, width))


def by_opencv(data: bytes, flag: int = cv2.IMREAD_UNCHANGED) -> NDArray[np.uint8]:
    image = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), flag), np.uint8)
    return image if image.ndim == 2 else image[..., ::-1]


def by_pillow(data: bytes, mode: str | None = None) -> NDArray[np.uint8]:
    Image.open(io.BytesIO(data)).verify()
    image = Image.open(io.BytesIO(data))
    return np.asarray(image if mode is None else image.convert(mode))


# ---- images ----


@pytest.mark.parametrize("step", [1, 3])
def test_images_of_every_small_size(step: int) -> None:
    rng = np.random.default_rng(step)
    for height, width in SIZES:
        shape = (height, width) if step == 1 else (height, width, 3)
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        data = encode_image(pixels)
        assert (by_opencv(data) == pixels).all()
        assert (by_pillow(data) == pixels).all()
        assert (by_hand(data, height, width, step) == pixels).all()


@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda s: st.sampled_from([s, (*s, 3)])),
    )
)
@settings(max_examples=100)
def test_any_image(pixels: NDArray[np.uint8]) -> None:
    data = encode_image(pixels)
    assert (by_opencv(data) == pixels).all()
    assert (by_pillow(data) == pixels).all()


def test_modes() -> None:
    grey = encode_image(np.zeros((5, 6), np.uint8))
    colour = encode_image(np.zeros((5, 6, 3), np.uint8))
    assert Image.open(io.BytesIO(grey)).mode == "L"
    assert Image.open(io.BytesIO(colour)).mode == "RGB"
    assert by_opencv(grey).shape == (5, 6)


@pytest.mark.parametrize("shape", [(512, 512), (1, 70000), (3000, 2), (257, 300, 3)])
def test_large_images_of_any_content(shape: tuple[int, ...]) -> None:
    """Noise grows when deflated, a constant shrinks to little; both come back."""
    rng = np.random.default_rng(9)
    ramp = np.cumsum(np.ones(shape, np.uint8), axis=1, dtype=np.uint8)
    for pixels in (rng.integers(0, 256, shape, dtype=np.uint8), np.full(shape, 77, np.uint8), ramp):
        data = encode_image(pixels)
        assert (by_opencv(data) == pixels).all()
        assert (by_pillow(data) == pixels).all()
        assert len(chunks(data)) == 3


def test_views_are_encoded_as_they_look() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    for view in (
        pixels[::-1],
        pixels[:, ::-1],
        pixels[..., 0],
        pixels[..., 0].T,
        pixels[3:30:2, ::3],
        pixels[..., ::-1],
    ):
        assert (by_pillow(encode_image(view)) == view).all()


def test_an_image_is_not_changed() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (9, 9), dtype=np.uint8)
    before = pixels.copy()
    assert encode_image(pixels) == encode_image(pixels)
    assert (pixels == before).all()


# ---- masks ----


def test_masks_of_every_small_size() -> None:
    rng = np.random.default_rng(4)
    for height, width in SIZES:
        mask = rng.random((height, width)) < 0.5
        bits = np.packbits(mask, axis=-1)
        data = encode_bits(bits, width)
        wanted = mask.astype(np.uint8) * 255
        assert (by_opencv(data, 0) == wanted).all()
        assert (by_pillow(data, "L") == wanted).all()
        assert (by_pillow(data) == mask).all()
        assert scanlines(data, 1, 0, height, width) == [b"\0" + row.tobytes() for row in bits]


@given(arrays(np.bool_, st.tuples(st.integers(1, 50), st.integers(1, 70))))
@settings(max_examples=100)
def test_any_mask(mask: NDArray[np.bool_]) -> None:
    data = encode_bits(np.packbits(mask, axis=-1), mask.shape[1])
    assert (by_opencv(data, 0) == mask * 255).all()
    assert (by_pillow(data, "L") == mask * 255).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 2064), (259, 2063), (700, 1031), (1500, 2000)])
def test_large_masks_of_any_content(shape: tuple[int, int]) -> None:
    """Nothing, everything, noise, rows that repeat, rows that alternate, a disc: short and long matches of deflate."""
    rng = np.random.default_rng(6)
    y, x = np.mgrid[: shape[0], : shape[1]]
    disc = (y - shape[0] / 2) ** 2 + (x - shape[1] / 2) ** 2 < (min(shape) / 2.5) ** 2
    for mask in (
        y < 0,
        y >= 0,
        rng.random(shape) < 0.5,
        rng.random(shape) < 0.001,
        x % 16 < 8,
        (x + y) % 2 == 0,
        disc,
        ~disc,
    ):
        data = encode_bits(np.packbits(mask, axis=-1), shape[1])
        assert (by_opencv(data, 0) == mask * 255).all()
        assert (by_pillow(data, "L") == mask * 255).all()
        assert b"".join(scanlines(data, 1, 0, *shape)) == b"".join(
            b"\0" + row.tobytes() for row in np.packbits(mask, axis=-1)
        )


@pytest.mark.parametrize("height", [1, 2, 3, 40])
def test_runs_of_bytes_of_every_length(height: int) -> None:
    """About 258, the longest match of deflate, and its multiples."""
    for width_bytes in [*range(1, 12), *range(250, 270), *range(510, 522), 777, 1034]:
        for start in (0, width_bytes // 2):
            bits = np.zeros((height, width_bytes), np.uint8)
            bits[:, start:] = 0xFF
            data = encode_bits(bits, width_bytes * 8)
            assert (by_pillow(data) == np.unpackbits(bits, axis=-1)).all(), (width_bytes, start)


def test_a_mask_on_disk_reads_as_0_and_255(tmp_path: Path) -> None:
    """As SAM-Med2D's loader reads it: cv2.imread(path, 0)."""
    mask = np.zeros((300, 211), bool)
    mask[20:200, 33:190] = True
    path = tmp_path / "mask.png"
    path.write_bytes(encode_bits(np.packbits(mask, axis=-1), 211))
    assert (cv2.imread(str(path), 0) == mask * 255).all()
    with Image.open(path) as image:
        assert (np.asarray(image.convert("L")) == mask * 255).all()
        assert image.size == (211, 300)


def test_masks_after_each_other_do_not_mix() -> None:
    rng = np.random.default_rng(8)
    masks = [rng.random(shape) < 0.3 for shape in ((30, 30), (30, 31), (12, 9), (30, 30), (7, 100), (30, 25), (30, 30))]
    encoded = [encode_bits(np.packbits(mask, axis=-1), mask.shape[1]) for mask in masks]
    for mask, data in zip(masks, encoded, strict=True):
        assert (by_pillow(data, "L") == mask * 255).all()


@given(arrays(np.bool_, st.tuples(st.integers(1, 50), st.integers(1, 70))), st.integers(0, 50), st.integers(0, 50))
@settings(max_examples=60)
def test_rows_are_a_hint(mask: NDArray[np.bool_], above: int, below: int) -> None:
    padded = np.pad(mask, ((above, below), (0, 0)))
    bits = np.packbits(padded, axis=-1)
    for rows in ((above, above + len(mask)), (0, len(padded)), None):
        data = encode_bits(bits, mask.shape[1], rows)
        assert (by_pillow(data, "L") == padded * 255).all()
        assert b"".join(scanlines(data, 1, 0, *padded.shape)) == b"".join(b"\0" + row.tobytes() for row in bits)


# ---- libpng's checker ----


@pytest.mark.skipif(shutil.which("pngcheck") is None, reason="needs the program pngcheck")
def test_pngcheck_finds_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for height, width in [(1, 1), (1, 9), (7, 8), (33, 1), (256, 256), (300, 517)]:
        mask = rng.random((height, width)) < 0.5
        for name, data in (
            ("grey", encode_image(rng.integers(0, 256, (height, width), dtype=np.uint8))),
            ("colour", encode_image(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))),
            ("mask", encode_bits(np.packbits(mask, axis=-1), width)),
        ):
            (tmp_path / f"{name}_{height}_{width}.png").write_bytes(data)
    files = sorted(str(path) for path in tmp_path.glob("*.png"))
    done = subprocess.run(["pngcheck", "-v", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("No errors detected") == len(files)
