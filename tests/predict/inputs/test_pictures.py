"""Pictures as OpenCV and Pillow read them, and what is known of them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from curate.imaging.window import DEFAULTS, MINMAX, NONE, parse_window
from predict.errors import CaseFault
from predict.inputs.input_options import InputOptions
from predict.inputs.label_files import LabelFolder
from predict.inputs.pictures import PictureFile, read_picture
from predict.notes import NoteKind
from predict.prompts.tables import NamedBoxes
from tests.predict.conftest import refused

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (40, 60, 3), np.uint8)
GREY = RANDOM.integers(0, 256, (40, 60), np.uint8)
DEEP = RANDOM.integers(0, 4000, (40, 60), np.uint16)
BOX = NamedBoxes(np.array([[3.0, 4, 20, 30]]), ("",))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff"])
@pytest.mark.parametrize("pixels", [COLOUR, GREY], ids=["colour", "grey"])
def test_8_bit_pictures_are_as_they_are(pixels, suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pixels).save(path)
    np.testing.assert_array_equal(read_picture(path, NONE).pixels, pixels)


@pytest.mark.parametrize("modality", ["X-ray", "Ultrasound", "OCT", "Mammography", "Endoscopy", "Dermoscopy"])
def test_8_bit_pictures_are_in_a_corpus_as_they_are_in_predict(modality, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(GREY // 3 + 40).save(path)
    theirs = read_picture(path, DEFAULTS[modality]).pixels
    np.testing.assert_array_equal(theirs, GREY // 3 + 40)
    np.testing.assert_array_equal(read_picture(path, NONE).pixels, theirs)


def test_a_jpeg_is_as_opencv_decodes_it(shared_data):
    path = shared_data / "Kvasir-SEG/images/cju5c5xc7algd0817pb1ej5yo.jpg"
    expected = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    assert np.abs(read_picture(path, NONE).pixels.astype(int) - expected).max() <= 3  # two decoders, two roundings


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_deep_pictures_are_windowed(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), DEEP)
    low, high = np.percentile(DEEP[DEEP > 0], [0.5, 99.5])
    expected = np.floor(np.clip((DEEP - low) / (high - low) * 255, 0, 255) + 0.5)
    np.testing.assert_array_equal(read_picture(path, NONE).pixels, expected)
    expected = np.floor((DEEP - DEEP.min()) / np.ptp(DEEP) * 255 + 0.5)
    np.testing.assert_array_equal(read_picture(path, MINMAX).pixels, expected)
    expected = np.floor(np.clip((DEEP - 1000.0) / 2000 * 255, 0, 255) + 0.5)
    np.testing.assert_array_equal(read_picture(path, parse_window("2000/2000")).pixels, expected)


def test_palettes_are_expanded_and_alpha_is_dropped(tmp_path):
    Image.fromarray(COLOUR).quantize(16).save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        read_picture(tmp_path / "a.png", NONE).pixels, np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    )
    Image.fromarray(np.dstack([COLOUR, GREY])).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "b.png", NONE).pixels, COLOUR)


def test_a_picture_gets_its_boxes(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "2DBox_US_7.png")
    known = NamedBoxes(np.array([[3.0, 4, 20, 30], [0, 0, 59, 39]]), ("cyst", ""))
    case = PictureFile.from_path(tmp_path / "2DBox_US_7.png", InputOptions(boxes={"2DBox_US_7": known})).read()
    assert (case.name, case.modality, case.names, case.is_volume) == ("2DBox_US_7", "US", ("cyst", ""), False)
    np.testing.assert_array_equal(case.boxes, known.boxes)
    np.testing.assert_array_equal(case.pixels, COLOUR)


def make(tmp_path, pixels=GREY, name="a.png"):
    path = tmp_path / name
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize(
    ("boxes", "fault"),
    [
        ([[3, 4, 2, 30]], CaseFault.BOX_ORDER),
        ([[60, 4, 61, 30]], CaseFault.BOX_OUTSIDE),
        ([[3, 4, float("inf"), 30]], CaseFault.BOX_FORM),
        ([[3, 4, float("nan"), 30]], CaseFault.BOX_FORM),
        ([[3, 4, 0, 20, 30, 2]], CaseFault.BOX_FORM),
        ([[0, 0, 9, 9]] * 70_000, CaseFault.BOX_COUNT),
    ],
)
def test_bad_boxes_are_refused(boxes, fault, tmp_path):
    known = NamedBoxes(np.array(boxes, float), ("",) * len(boxes))
    with refused(fault):
        PictureFile.from_path(make(tmp_path), InputOptions(boxes={"a": known})).read()


def test_boxes_are_clipped_and_those_of_one_pixel_are_valid(tmp_path):
    known = NamedBoxes(np.array([[-2.5, 4, 60, 30], [3, 4, 3, 30], [7, 8, 7, 8]]), ("",) * 3)
    case = PictureFile.from_path(make(tmp_path), InputOptions(boxes={"a": known})).read()
    assert case.boxes.tolist() == [[0, 4, 59, 30], [3, 4, 3, 30], [7, 8, 7, 8]]
    assert [(note.kind, note.count) for note in case.notes] == [(NoteKind.CLIPPED, 1)]
    with refused(CaseFault.BOX_OUTSIDE):
        PictureFile.from_path(make(tmp_path), InputOptions(boxes={"a": known}, strict=True)).read()


def test_a_picture_without_prompts_is_refused(tmp_path):
    with refused(CaseFault.NO_PROMPT):
        PictureFile.from_path(make(tmp_path), InputOptions(boxes={"b": BOX})).read()


def test_the_whole_picture_is_one_object(tmp_path):
    case = PictureFile.from_path(make(tmp_path), InputOptions(whole=True)).read()
    assert case.boxes.tolist() == [[0, 0, 59, 39]]
    assert case.notes == ()


def test_broken_pictures_are_refused(tmp_path):
    path = make(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with refused(CaseFault.UNREADABLE):
        PictureFile.from_path(path, InputOptions(boxes={"a": BOX})).read()
    pages = [Image.fromarray(GREY)] * 3
    pages[0].save(tmp_path / "b.tif", save_all=True, append_images=pages[1:])
    with refused(CaseFault.CHANNELS):
        PictureFile.from_path(tmp_path / "b.tif", InputOptions(boxes={"b": BOX})).read()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("suffix", "pixels"),
    [("jpg", GREY), ("jpg", COLOUR), ("png", COLOUR), ("png", DEEP), ("tif", COLOUR), ("tif", GREY)],
    ids=["jpeg", "colour jpeg", "png", "deep png", "colour tiff", "tiff"],
)
def test_exif_orientations_are_applied_as_pillow_does(orientation, suffix, pixels, tmp_path):
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    image.save(path, exif=exif, **({"quality": 95} if suffix == "jpg" else {}))
    # what is in memory: Pillow 13 itself leaves some TIFF files as they are stored
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path) if suffix == "jpg" else image))
    found = read_picture(path, parse_window("2000/4000") if pixels is DEEP else NONE)
    if pixels is DEEP:
        expected = np.floor(np.clip(expected / 4000 * 255.0, 0, 255) + 0.5)
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.orientation == orientation
    case = PictureFile.from_path(path, InputOptions(whole=True)).read()
    height, width = expected.shape[:2]
    assert case.boxes.tolist() == [[0, 0, width - 1, height - 1]]
    assert [note.kind for note in case.notes] == ([] if orientation == 1 else [NoteKind.UPRIGHT])


def test_labels_in_the_stored_orientation_are_turned_with_their_picture(tmp_path):
    image = Image.fromarray(GREY)
    exif = image.getexif()
    exif[0x0112] = 6
    path = tmp_path / "a.png"
    image.save(path, exif=exif)
    stored = np.zeros(GREY.shape, np.uint8)
    stored[3:9, 5:30] = 1
    (tmp_path / "truth").mkdir()
    (tmp_path / "upright").mkdir()
    Image.fromarray(stored).save(tmp_path / "truth" / "a.png")
    Image.fromarray(np.rot90(stored, -1)).save(tmp_path / "upright" / "a.png")
    for folder in ("truth", "upright"):
        options = InputOptions(truth=LabelFolder(tmp_path / folder), score=True, boxes_from_truth=True)
        np.testing.assert_array_equal(PictureFile.from_path(path, options).read().truth, np.rot90(stored, -1))


def test_pixels_that_are_not_finite_belong_to_no_object(tmp_path):
    pixels = RANDOM.normal(0, 1, (40, 60)).astype(np.float32)
    pixels[3, 4], pixels[5, 6] = np.nan, -np.inf
    path = tmp_path / "a.tif"
    Image.fromarray(pixels).save(path)
    case = PictureFile.from_path(path, InputOptions(boxes={"a": BOX})).read()
    assert np.argwhere(case.unknown).tolist() == [[3, 4], [5, 6]]
    assert [(note.kind, note.count) for note in case.notes] == [(NoteKind.NOT_FINITE, 2)]
    finite = pixels[np.isfinite(pixels)]
    low, high = np.percentile(finite[finite != 0].astype(float), [0.5, 99.5])
    expected = np.floor(np.clip((pixels.astype(float) - low) / (high - low) * 255, 0, 255) + 0.5)
    np.testing.assert_array_equal(case.pixels[np.isfinite(pixels)], expected[np.isfinite(pixels)])
    assert case.pixels[3, 4] == 0
    with refused(CaseFault.NOT_FINITE):
        PictureFile.from_path(path, InputOptions(boxes={"a": BOX}, strict=True)).read()
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(path)
    with refused(CaseFault.NOT_FINITE):
        PictureFile.from_path(path, InputOptions(boxes={"a": BOX})).read()


def test_points_and_masks_add_objects(tmp_path):
    hint = np.zeros((40, 60), np.uint8)
    hint[3:6, 3:6] = 3
    (tmp_path / "masks").mkdir()
    make(tmp_path / "masks", hint)
    points = np.array([[1, 5, 5, 0.0], [2, 50, 30, 1]])
    request = InputOptions(boxes={"a": BOX}, points={"a": points}, masks=LabelFolder(tmp_path / "masks"))
    case = PictureFile.from_path(make(tmp_path), request).read()
    np.testing.assert_array_equal(case.boxes[0], BOX.boxes[0])
    assert np.isnan(case.boxes[1:]).all()
    assert len(case.boxes) == 3
    np.testing.assert_array_equal(case.hint, hint)
    np.testing.assert_array_equal(case.points, points)


def test_a_mask_of_0_and_255_is_that_of_the_first_object(tmp_path):
    (tmp_path / "masks").mkdir()
    make(tmp_path / "masks", (GREY > 99).astype(np.uint8) * 255)
    case = PictureFile.from_path(make(tmp_path), InputOptions(masks=LabelFolder(tmp_path / "masks"))).read()
    np.testing.assert_array_equal(case.hint, GREY > 99)
    assert case.boxes.shape == (1, 4)


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        ([[1, 60, 5, 1]], CaseFault.POINT_OUTSIDE),
        ([[1, 5, -1, 1]] * 5, CaseFault.POINT_OUTSIDE),
        ([[3, 5, 5, 1]], CaseFault.NO_PROMPT),  # object 2 has nothing
        ([[1, float("nan"), 5, 1]], CaseFault.POINT_OUTSIDE),
    ],
)
def test_bad_points_are_refused(points, fault, tmp_path):
    options = InputOptions(boxes={"a": BOX}, points={"a": np.array(points, float)})
    with refused(fault):
        PictureFile.from_path(make(tmp_path), options).read()


def test_bad_masks_are_refused(tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    path = make(tmp_path)

    def read():
        return PictureFile.from_path(path, InputOptions(boxes={"a": BOX}, masks=LabelFolder(folder))).read()

    make(folder, GREY.T.copy())
    with refused(CaseFault.LABEL_GRID):
        read()
    make(folder, COLOUR)
    with refused(CaseFault.LABEL_FILE):
        read()
    make(folder, name="a.tif")
    with refused(CaseFault.LABEL_FILE):  # a.png and a.tif
        read()


def test_the_reference_is_a_label_file_of_the_same_name(tmp_path):
    folder = tmp_path / "truth"
    folder.mkdir()
    labels = np.zeros((40, 60), np.uint8)
    labels[5:9, 7:20] = 1
    labels[30:, 50:] = 4
    make(folder, labels, "a.bmp")
    path = make(tmp_path)
    options = InputOptions(boxes={"a": BOX}, truth=LabelFolder(folder), score=True)
    np.testing.assert_array_equal(PictureFile.from_path(path, options).read().truth, labels)
    case = PictureFile.from_path(path, replace(options, boxes={}, boxes_from_truth=True)).read()
    assert case.boxes.tolist() == [[7, 5, 19, 8], [50, 30, 59, 39]]
    assert np.unique(case.truth).tolist() == [0, 1, 2]
    (folder / "a.bmp").unlink()
    with refused(CaseFault.NO_REFERENCE):
        PictureFile.from_path(path, InputOptions(boxes={"a": BOX}, truth=LabelFolder(folder), score=True)).read()
