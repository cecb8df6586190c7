from itertools import pairwise

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFont

from catalog.corpus import Corpus
from catalog.errors import CatalogError
from catalog.pixels import PixelReader
from catalog.report.contact_sheet import (
    FONT_SIZE,
    GAP,
    LABEL_LINES,
    LINE,
    _wrapped,
    draw_sheet,
    draw_tile,
    label_colours,
)
from catalog.report.sample import ImageKey, SampledImage, SampledMask

KEY = ImageKey("A", "1", "x", 3, "CT", None)
RED = {"liver": (255, 0, 0)}


def write_slice(root, image, mask):
    cv2.imwrite(str(root / "image.png"), image)
    cv2.imwrite(str(root / "mask.png"), mask.astype(np.uint8), [cv2.IMWRITE_PNG_BILEVEL, 1])
    return SampledImage(KEY, "image.png", None, None, (SampledMask("liver", "mask.png", None),))


def test_the_outline_runs_along_the_border_of_the_mask(tmp_path):
    mask = np.zeros((100, 100), bool)
    mask[30:70, 20:80] = True
    mask[45:55, 45:55] = False
    sampled = write_slice(tmp_path, np.full((100, 100), 90, np.uint8), mask)
    tile = draw_tile(PixelReader(tmp_path), sampled, RED, 100)
    red = tile[..., 0].astype(int) - tile[..., 1] > 100
    border = mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3))).astype(bool)
    assert red[30, 20:80].all()
    assert red[69, 20:80].all()
    assert red[30:70, 20].all()
    assert red[30:70, 79].all()
    # Inner outlines run along the hole's rim; every line lies within a pixel of the border.
    assert red[44:56, 44].sum() > 8
    assert not red[~cv2.dilate(border.astype(np.uint8), np.ones((3, 3))).astype(bool)].any()
    assert (tile[50, 30] == 90).all()


def test_a_mask_of_one_pixel_is_seen(tmp_path):
    mask = np.zeros((40, 40), bool)
    mask[20, 10] = True
    tile = draw_tile(PixelReader(tmp_path), write_slice(tmp_path, np.zeros((40, 40), np.uint8), mask), RED, 40)
    assert tile[20, 10, 0] > 100


def test_scaled_outlines_stay_in_place(tmp_path):
    mask = np.zeros((64, 64), bool)
    mask[16:48, 16:48] = True
    sampled = write_slice(tmp_path, np.zeros((64, 64), np.uint8), mask)
    tile = draw_tile(PixelReader(tmp_path), sampled, RED, 256)
    rows, columns = np.nonzero(tile[..., 0] > 100)
    # The outline joins centres of border pixels: 16.5 and 47.5 of 64.
    for low, high in ((rows.min(), rows.max()), (columns.min(), columns.max())):
        assert low == pytest.approx(16.5 * 4 - 0.5, abs=1)
        assert high == pytest.approx(47.5 * 4 - 0.5, abs=1)


@pytest.mark.parametrize(
    ("shape", "spacing", "expected"),
    [
        ((100, 50), None, (200, 100)),
        ((50, 100), (2.0, 1.0), (200, 200)),
        ((40, 400), (5.0, 0.5), (200, 200)),
        ((1000, 3), None, (200, 1)),
    ],
)
def test_pixels_are_drawn_square_where_the_spacing_is_known(tmp_path, shape, spacing, expected):
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros(shape, np.uint8))
    sampled = SampledImage(KEY, "image.png", None, spacing, ())
    assert draw_tile(PixelReader(tmp_path), sampled, {}, 200).shape == (*expected, 3)


def test_colour_images_stay_as_they_are(tmp_path):
    image = np.zeros((30, 30, 3), np.uint8)
    image[:] = (10, 60, 200)
    Image.fromarray(image).save(tmp_path / "image.png")
    tile = draw_tile(PixelReader(tmp_path), SampledImage(KEY, "image.png", None, None, ()), {}, 30)
    np.testing.assert_array_equal(tile, image)


def test_colours_are_bright_and_differ():
    names = [f"label {i}" for i in range(40)]
    colours = label_colours(names)
    assert colours == label_colours(names + names)
    assert len(set(colours.values())) == 40
    assert min(max(colour) for colour in colours.values()) > 120
    for start in range(32):
        few = np.array([colours[name] for name in names[start : start + 8]], float)
        distances = np.linalg.norm(few[:, None] - few, axis=-1) + 1e9 * np.eye(8)
        assert distances.min() > 40


@pytest.mark.parametrize("count", [1, 3, 40])
@pytest.mark.parametrize(
    "name", ["x{}", "vertebrae_lumbar_{}", "a_name_that_is_much_too_long_for_a_tile_of_this_width_{}"]
)
def test_label_names_stay_within_their_lines(count, name):
    font = ImageFont.load_default(FONT_SIZE)
    names = [name.format(i) for i in range(count)]
    placed = _wrapped(names, label_colours(names), 200, font)
    assert all(x + font.getlength(text) <= 200 and 0 <= line < LABEL_LINES for text, _, x, line in placed)
    texts = [text for text, *_ in placed]
    if texts[-1].startswith("+"):
        assert int(texts[-1]) + len(texts) - 1 == count
    else:
        assert len(texts) == count
    for (text, _, x, line), (_, _, next_x, next_line) in pairwise(placed):
        assert (next_line, next_x) > (line, x)
        assert next_line > line or next_x > x + font.getlength(text)


@pytest.fixture
def corpus(tmp_path, write_corpus):
    """Seven images: four slices of a volume, three photographs."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(7):
        shape = (40, 50) if i < 4 else (30, 20, 3)
        mask = np.zeros(shape[:2], np.uint8)
        mask[5:15, 5:15] = 255
        cv2.imwrite(str(tmp_path / f"{i}.png"), rng.integers(0, 256, shape, np.uint8))
        cv2.imwrite(str(tmp_path / f"mask{i}.png"), mask)
        volume = {"dataset": "A", "case": "1", "axis": "z", "slice": i}
        photograph = {"dataset": "B", "case": f"{i}", "axis": None, "slice": None, "modality": "Fundus"}
        files = {"image": f"{i}.png", "mask": f"mask{i}.png"}
        rows.append(files | (volume if i < 4 else photograph))
    return Corpus.open(write_corpus(tmp_path, rows))


@pytest.mark.parametrize(("tiles", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (6, 3, 2), (24, 4, 2)])
def test_the_sheet_has_room_for_its_tiles(corpus, tmp_path, tiles, columns, rows):
    shown = draw_sheet(corpus, tmp_path / "sheet.png", tiles=tiles, tile=64)
    assert len(shown) == min(tiles, 7)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    height = 64 + (2 + LABEL_LINES) * LINE + GAP
    assert sheet.shape == (rows * height + GAP, columns * (64 + GAP) + GAP, 3)
    assert sheet.std() > 10


def test_the_same_seed_draws_the_same_picture(corpus, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        draw_sheet(corpus, tmp_path / f"sheet_{name}.png", tiles=3, seed=seed, tile=64)
    first, again, other = ((tmp_path / f"sheet_{name}.png").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_there_must_be_something_to_draw(tmp_path, write_corpus):
    with pytest.raises(CatalogError, match="has no masks"):
        draw_sheet(Corpus.open(write_corpus(tmp_path, [])), tmp_path / "sheet.png")
    with pytest.raises(CatalogError, match="is missing or damaged"):
        draw_sheet(Corpus.open(write_corpus(tmp_path, [{}])), tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()
