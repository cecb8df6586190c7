"""Pictures as OpenCV and Pillow read them, and what is known of them."""

import cv2
import numpy as np
import pytest
from PIL import Image

from curate.imaging.window import MINMAX, NONE, parse_window
from predict.errors import CaseError
from predict.inputs.pictures import Picture, read_picture
from predict.inputs.request import Request
from predict.prompts.tables import Objects

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (40, 60, 3), np.uint8)
GREY = RANDOM.integers(0, 256, (40, 60), np.uint8)
DEEP = RANDOM.integers(0, 4000, (40, 60), np.uint16)
BOX = Objects(np.array([[3.0, 4, 20, 30]]), ("",))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff"])
@pytest.mark.parametrize("pixels", [COLOUR, GREY], ids=["colour", "grey"])
def test_8_bit_pictures_are_as_they_are(pixels, suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    np.testing.assert_array_equal(read_picture(path, NONE), pixels)


def test_a_jpeg_is_as_opencv_decodes_it(shared_data):
    path = shared_data / "Kvasir-SEG/images/cju5c5xc7algd0817pb1ej5yo.jpg"
    expected = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    assert np.abs(read_picture(path, NONE).astype(int) - expected).max() <= 3  # two decoders, two roundings


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_deep_pictures_are_windowed(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), DEEP)
    low, high = np.percentile(DEEP[DEEP > 0], [0.5, 99.5])
    expected = np.floor(np.clip((DEEP - low) / (high - low) * 255, 0, 255) + 0.5)
    np.testing.assert_array_equal(read_picture(path, NONE), expected)
    expected = np.floor((DEEP - DEEP.min()) / np.ptp(DEEP) * 255 + 0.5)
    np.testing.assert_array_equal(read_picture(path, MINMAX), expected)
    expected = np.floor(np.clip((DEEP - 1000.0) / 2000 * 255, 0, 255) + 0.5)
    np.testing.assert_array_equal(read_picture(path, parse_window("2000/2000")), expected)


def test_palettes_are_expanded_and_alpha_is_dropped(tmp_path):
    Image.fromarray(COLOUR).quantize(16).save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        read_picture(tmp_path / "a.png", NONE), np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    )
    Image.fromarray(np.dstack([COLOUR, GREY])).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "b.png", NONE), COLOUR)


def test_a_picture_gets_its_boxes(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "2DBox_US_7.png")
    known = Objects(np.array([[3.0, 4, 20, 30], [0, 0, 60, 40]]), ("cyst", ""))
    case = Picture(tmp_path / "2DBox_US_7.png", Request(boxes={"2DBox_US_7": known})).read()
    assert (case.name, case.modality, case.names, case.is_volume) == ("2DBox_US_7", "US", ("cyst", ""), False)
    np.testing.assert_array_equal(case.boxes, known.boxes)
    np.testing.assert_array_equal(case.pixels, COLOUR)


def make(tmp_path, pixels=GREY, name="a.png"):
    path = tmp_path / name
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[3, 4, 2, 30]], "inverted"),
        ([[3, 4, 3, 30]], "empty"),
        ([[3, 4, 61, 30]], "outside the image of 40 x 60 pixels"),
        ([[3, 4, float("inf"), 30]], "not finite"),
        ([[3, 4, float("nan"), 30]], "not finite"),
        ([[3, 4, 0, 20, 30, 2]], "boxes have a z range"),
        ([[0, 0, 9, 9]] * 70_000, "70000 boxes; labels go to 65535"),
    ],
)
def test_bad_boxes_are_told(boxes, message, tmp_path):
    known = Objects(np.array(boxes, float), ("",) * len(boxes))
    with pytest.raises(CaseError, match=message):
        Picture(make(tmp_path), Request(boxes={"a": known})).read()


def test_a_picture_of_which_nothing_is_known_is_told(tmp_path):
    with pytest.raises(CaseError, match=r"nothing says where its objects are: give boxes \(--boxes\)"):
        Picture(make(tmp_path), Request(boxes={"b": BOX})).read()


def test_broken_pictures_are_told(tmp_path):
    path = make(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CaseError, match=r"a\.png cannot be read"):
        Picture(path, Request(boxes={"a": BOX})).read()
    pages = [Image.fromarray(GREY)] * 3
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(CaseError, match="it has 3 pages"):
        Picture(tmp_path / "b.tif", Request(boxes={"b": BOX})).read()


def test_points_and_masks_add_objects(tmp_path):
    hint = np.zeros((40, 60), np.uint8)
    hint[3:6, 3:6] = 3
    (tmp_path / "masks").mkdir()
    make(tmp_path / "masks", hint)
    points = np.array([[1, 5, 5, 0.0], [2, 50, 30, 1]])
    request = Request(boxes={"a": BOX}, points={"a": points}, masks=tmp_path / "masks")
    case = Picture(make(tmp_path), request).read()
    np.testing.assert_array_equal(case.boxes[0], BOX.boxes[0])
    assert np.isnan(case.boxes[1:]).all()
    assert len(case.boxes) == 3
    np.testing.assert_array_equal(case.hint, hint)
    np.testing.assert_array_equal(case.points, points)


def test_a_mask_of_0_and_255_is_that_of_the_first_object(tmp_path):
    (tmp_path / "masks").mkdir()
    make(tmp_path / "masks", (GREY > 99).astype(np.uint8) * 255)
    case = Picture(make(tmp_path), Request(masks=tmp_path / "masks")).read()
    np.testing.assert_array_equal(case.hint, GREY > 99)
    assert case.boxes.shape == (1, 4)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([[1, 60, 5, 1]], r"point \[60\.0, 5\.0\] of object 1: outside the image of 40 x 60"),
        ([[1, 5, -1, 1]] * 5, "and 2 more: outside"),
        ([[3, 5, 5, 1]], "object 2 of 3 has neither a box, a point nor a mask"),
        ([[1, float("nan"), 5, 1]], "outside"),
    ],
)
def test_bad_points_are_told(points, message, tmp_path):
    with pytest.raises(CaseError, match=message):
        Picture(make(tmp_path), Request(boxes={"a": BOX}, points={"a": np.array(points, float)})).read()


def test_bad_masks_are_told(tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    request = Request(boxes={"a": BOX}, masks=folder)
    path = make(tmp_path)
    make(folder, GREY.T.copy())
    with pytest.raises(CaseError, match="60 x 40 pixels, the image 40 x 60"):
        Picture(path, request).read()
    make(folder, COLOUR)
    with pytest.raises(CaseError, match="no label picture"):
        Picture(path, request).read()
    make(folder, name="a.tif")
    with pytest.raises(CaseError, match=r"has a\.png and a\.tif for it"):
        Picture(path, request).read()


def test_the_reference_is_a_label_file_of_the_same_name(tmp_path):
    folder = tmp_path / "truth"
    folder.mkdir()
    labels = np.zeros((40, 60), np.uint8)
    labels[5:9, 7:20] = 1
    labels[30:, 50:] = 4
    make(folder, labels, "a.bmp")
    path = make(tmp_path)
    case = Picture(path, Request(boxes={"a": BOX}, truth=folder, score=True)).read()
    np.testing.assert_array_equal(case.truth, labels)
    case = Picture(path, Request(truth=folder, score=True, boxes_from_truth=True)).read()
    assert case.boxes.tolist() == [[7, 5, 19, 8], [50, 30, 59, 39]]
    assert np.unique(case.truth).tolist() == [0, 1, 2]
    (folder / "a.bmp").unlink()
    with pytest.raises(CaseError, match="no reference labels to score it by"):
        Picture(path, Request(boxes={"a": BOX}, truth=folder, score=True)).read()
