"""`predict.predict` on arrays, with the model that comes with the package."""

import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

import predict
from predict.cli.command import app
from predict.engines import openvino as openvino_engine
from predict.errors import CaseFault, ModelError
from tests.predict.conftest import IMAGES, read_image, refused, save_case

pytest.importorskip("openvino")

BOXES = [[20, 10, 90, 70], [62, 32, 78, 48]]
DISC = np.full((80, 120), 20, np.uint8)
ROWS, COLUMNS = np.mgrid[:80, :120]
DISC[np.hypot(COLUMNS - 55, ROWS - 40) < 30] = 200
DISC[np.hypot(COLUMNS - 70, ROWS - 40) < 8] = 90


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_masks_of_an_image():
    masks = predict.predict(DISC, BOXES)
    assert (masks.shape, masks.dtype) == ((2, 80, 120), np.bool_)
    assert dice(masks[1], DISC == 90) > 0.8
    assert dice(masks[0], DISC > 20) > 0.8
    assert (masks[0] & masks[1]).any()  # both are whole


def test_shapes_with_one_meaning_are_taken():
    masks = predict.predict(DISC, BOXES)
    rgb = np.stack([DISC] * 3, -1)
    alpha = np.random.default_rng(0).integers(0, 256, DISC.shape, np.uint8)
    for pixels in (DISC[..., None], rgb, np.dstack([rgb, alpha])):
        np.testing.assert_array_equal(predict.predict(pixels, np.array(BOXES)), masks)
    one = predict.predict(DISC, BOXES[1])
    assert one.shape == (1, 80, 120)
    np.testing.assert_array_equal(one[0], masks[1])
    np.testing.assert_array_equal(predict.predict(DISC[:, ::-1][:, ::-1], np.array(BOXES, np.float32)), masks)
    assert predict.predict(DISC, np.empty((0, 4))).shape == (0, 80, 120)
    assert predict.predict(DISC, []).shape == (0, 80, 120)


def test_volumes():
    volume = np.stack([DISC] * 4)
    masks = predict.predict(volume, [[20, 10, 1, 90, 70, 2]])
    assert (masks.shape, masks.dtype) == ((1, 4, 80, 120), np.bool_)
    assert [bool(plane.any()) for plane in masks[0]] == [False, True, True, False]
    for pixels in (volume[..., None], np.stack([volume] * 3, -1)):
        np.testing.assert_array_equal(predict.predict(pixels, [20, 10, 1, 90, 70, 2]), masks)


@pytest.mark.parametrize(
    ("pixels", "boxes", "fault"),
    [
        (DISC.astype(np.uint16), BOXES, CaseFault.RANGE),
        (DISC / 255, BOXES, CaseFault.RANGE),
        (DISC > 3, BOXES, CaseFault.RANGE),
        (DISC[0], BOXES, CaseFault.FORM),
        (np.stack([DISC] * 2, -1), BOXES, CaseFault.FORM),
        (np.stack([DISC] * 5), BOXES, CaseFault.FORM),  # a volume with boxes of an image
        (DISC, [[1, 2, 0, 3, 4, 0]], CaseFault.FORM),
        (DISC, [1, 2, 3], CaseFault.BOX_FORM),
        (DISC, [[BOXES]], CaseFault.BOX_FORM),
        (DISC, [["a", "b", "c", "d"]], CaseFault.BOX_FORM),
        (DISC, [[1, 2, np.nan, 4]], CaseFault.BOX_FORM),
        (DISC, [[9, 2, 3, 4]], CaseFault.BOX_ORDER),
        (DISC, [[120, 2, 130, 4]], CaseFault.BOX_OUTSIDE),
    ],
)
def test_other_shapes_are_refused(pixels, boxes, fault):
    with refused(fault):
        predict.predict(pixels, boxes)


def test_boxes_past_the_border_are_clipped_with_a_warning():
    with pytest.warns(UserWarning, match="1 of 2 boxes reach past the border"):
        masks = predict.predict(DISC, [[62, 32, 200, 48], BOXES[1]])
    np.testing.assert_array_equal(masks[:1], predict.predict(DISC, [62, 32, 119, 48]))


def test_a_box_of_one_pixel_is_valid():
    spot = DISC.copy()
    spot[20, 100] = 255
    masks = predict.predict(spot, [[100, 20, 100, 20], [60, 10, 60, 70]])
    assert masks.shape == (2, 80, 120)
    assert masks[0].any()
    assert masks[0].sum() < 100


def test_an_unknown_model_is_named():
    with pytest.raises(ModelError):
        predict.predict(DISC, BOXES, model="effnet-lite")


def test_the_command_draws_the_same_masks(shared_data, tmp_path):
    case = read_image(shared_data, next(iter(IMAGES)))
    save_case(tmp_path, case)
    app([str(tmp_path), "--out", str(tmp_path / "o"), "--overlaps", "last"], standalone_mode=False)
    with np.load(tmp_path / "o" / f"{case.name}.npz") as archive:
        labels = archive["segs"]
    expected = np.zeros(labels.shape, np.uint8)
    for label, mask in enumerate(predict.predict(case.pixels, case.boxes), start=1):
        expected[mask] = label
    np.testing.assert_array_equal(labels, expected)


def test_calls_of_several_threads_share_one_engine_and_one_core():
    expected = [predict.predict(DISC, box) for box in BOXES]
    found: list = [None] * 8
    threads = [
        threading.Thread(target=lambda n=n: found.__setitem__(n, predict.predict(DISC, BOXES[n % 2])))
        for n in range(len(found))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, masks in enumerate(found):
        np.testing.assert_array_equal(masks, expected[number % 2])
    assert openvino_engine.shared_core.cache_info().misses <= 1


def test_nothing_heavy_is_imported_before_the_first_call():
    heavy = ("torch", "numpy", "cv2", "openvino", "nibabel", "SimpleITK", "pyarrow", "typer")
    code = (
        "import sys, predict\n"
        f"print([name for name in {heavy} if name in sys.modules])\n"
        "print(predict.__all__, set(predict.__all__) <= set(dir(predict)))\n"
        "import predict.api\n"
        "print('torch' in sys.modules, predict.predict is predict.api.predict)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", f"{predict.__all__} True", "False True"]
    with pytest.raises(AttributeError):
        _ = predict.nothing


def test_a_picture_as_opencv_reads_it(shared_data):
    case = read_image(shared_data, "2DBox_Endoscopy_polyp")
    path = shared_data / IMAGES["2DBox_Endoscopy_polyp"][1]
    truth = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127
    (mask,) = predict.predict(case.pixels, case.boxes[:1])
    assert dice(mask, truth) > 0.9
