import cv2
import numpy as np
import pytest

from catalog.pixels import PixelReader
from catalog.samples import load_samples
from train.scoring.evaluate import CaseScore, Evaluation, evaluate
from train.scoring.pictures import (
    BOX,
    FOUND,
    GAP,
    LINE,
    TILE,
    TRUTH,
    draw_case,
    draw_worst,
    worst_and_median,
    write_worst,
)
from train.scoring.references import COLUMNS, Asking, read_reference


def cases(*scores, model="m", modality="CT"):
    same = {"nsd": 0.0, "dsc_cvpr24": 0.0, "nsd_cvpr24": 0.0, "seconds": 0.0, "boxes": 1}
    return tuple(CaseScore(model, f"{i}", "A", "p", modality, dsc, **same) for i, dsc in enumerate(scores))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([0.5], [0.5]), ([0.9, 0.1], [0.1]), ([0.9, 0.1, 0.5], [0.1, 0.5]), ([0.4, 0.3, 0.2, 0.1], [0.1, 0.2])],
)
def test_worst_and_median(scores, expected):
    found = Evaluation(("m",), (), (*cases(*scores), *cases(0.0, model="n"), *cases(0.0, modality="MR")), {}, {})
    assert [case.dsc for case in worst_and_median(found, "m", "CT")] == expected
    assert worst_and_median(found, "m", "PET") == ()


def places(picture, colour):
    return np.argwhere((picture == colour).all(-1))


def test_outlines_lie_where_mask_prediction_and_box_are(drawn_corpus, box_engine):
    samples = load_samples(drawn_corpus, columns=COLUMNS)
    reader = PixelReader(drawn_corpus.root)
    drawn = (read_reference(reader, samples, 0, Asking(jitter=8, seed=seed)) for seed in range(20))
    reference = next(one for one in drawn if one.boxes[0, 0] == 20 - 8)
    picture = draw_case(reference, box_engine(0.5))
    assert picture.shape == (TILE, TILE, 3)
    height = picture.shape[0]
    box, mask, found = (places(picture, colour) for colour in (BOX, TRUTH, FOUND))
    (x0, y0, x1, y1) = reference.boxes[0]
    edge = int((x1 + 1 - x0) * 1.5)
    scale = height / edge
    drawn = np.concatenate([box, found])  # the prediction hides the upper half of the box
    assert np.ptp(drawn, axis=0) == pytest.approx([(y1 + 1 - y0) * scale, (x1 + 1 - x0) * scale], abs=2)
    assert np.ptp(mask, axis=0) == pytest.approx([30 * scale, 60 * scale], abs=2)
    assert mask.min(0) - drawn.min(0) == pytest.approx([8 * scale, 8 * scale], abs=2)
    assert np.ptp(found, axis=0)[0] == pytest.approx((y1 + 1 - y0) * scale / 2, abs=scale + 1)


def test_a_row_a_modality_and_two_columns_a_model(drawn_corpus, box_engine, tmp_path):
    samples = load_samples(drawn_corpus, columns=COLUMNS)
    engines = {"whole": box_engine(), "half": box_engine(0.5)}
    found = evaluate(samples, engines, Asking())
    sheet = draw_worst(found, samples, engines, Asking())
    row = TILE + 2 * LINE + GAP
    assert sheet.shape == (2 * LINE + GAP + 3 * row, 4 * (TILE + GAP) + GAP, 3)
    for top in range(3):
        for column in (0, 2):
            y, x = 2 * LINE + GAP + top * row, GAP + column * (TILE + GAP)
            tile = sheet[y : y + TILE, x : x + TILE]
            assert len(places(tile, FOUND)) > 20
    write_worst(tmp_path, found, samples, engines, Asking())
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "worst.png"))[..., ::-1], sheet)
