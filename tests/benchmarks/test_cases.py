"""Cases made from a corpus that is written by hand, so that every pixel and box is known."""

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.cases import CASES, Timed, make_case, quick
from catalog.corpus import Corpus
from catalog.schema import CATALOG_SCHEMA
from predict.inputs.challenge import ChallengeFile

SLICES, HEIGHT, WIDTH, LABELS = 5, 30, 40, 3


def row(image: str, modality: str, label: str, box: list[int], **more) -> dict:
    x0, y0, x1, y1 = box
    return {
        "image": image, "mask": "-", "dataset": modality, "case": "1", "patient": "1", "modality": modality,
        "label": label, "height": HEIGHT, "width": WIDTH, "x0": x0, "y0": y0, "x1": x1, "y1": y1,
        "area": (x1 - x0) * (y1 - y0), **more,
    }  # fmt: skip


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Corpus:
    """A stack of five slices with three labels, the third on slices 2 and 3 alone, and seven images with two masks."""
    folder = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(0)
    rows = []
    for z in range(SLICES):
        cv2.imwrite(str(folder / f"ct{z}.png"), np.full((HEIGHT, WIDTH), 10 * z, np.uint8))
        for label in range(LABELS - (z not in (2, 3))):
            box = [label, z, label + 10, z + 12]
            rows.append(row(f"ct{z}.png", "CT", f"organ{label}", box, axis="z", slice=7 + z))
            rows.append(row(f"ct{z}.png", "CT", f"organ{label}", [0, 0, 2, 2], axis="z", slice=7 + z))
    for number in range(7):
        cv2.imwrite(str(folder / f"us{number}.png"), random.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8))
        rows += [row(f"us{number}.png", "Ultrasound", "a", box) for box in ([1, 2, 11, 12], [20, 3, 40, 30])]
    pq.write_table(pa.Table.from_pylist(rows, schema=CATALOG_SCHEMA), folder / "catalog.parquet")
    return Corpus.open(folder)


def made(timed: Timed, corpus: Corpus, folder: Path):
    path = folder / f"{timed.name}.npz"
    make_case(timed, corpus, path)
    case = ChallengeFile.from_path(path).read()  # refuses boxes that are empty or outside
    assert case.pixels.shape[: len(timed.shape)] == timed.shape
    assert len(case.boxes) == timed.objects
    return case


def test_a_volume_of_its_stack_s_own_size_is_the_stack(corpus, tmp_path):
    case = made(Timed("3DBox_CT_1", "CT", (SLICES, HEIGHT, WIDTH), LABELS), corpus, tmp_path)
    np.testing.assert_array_equal(case.pixels[:, 3, 4], [0, 10, 20, 30, 40])
    # the largest mask on the middle slice (of an even number the lower one), all slices of the label, last ones inside
    assert case.boxes.tolist() == [[0, 2, 0, 9, 13, 4], [1, 2, 0, 10, 13, 4], [2, 2, 2, 11, 13, 3]]


def test_a_larger_volume_changes_slowly(corpus, tmp_path):
    case = made(Timed("3DBox_CT_2", "CT", (41, 2 * HEIGHT, 3 * WIDTH), 2), corpus, tmp_path)
    np.testing.assert_array_equal(case.pixels[:, 9, 9], np.arange(41))
    assert case.boxes.tolist() == [[0, 4, 0, 29, 27, 40], [3, 4, 0, 32, 27, 40]]


def test_objects_are_those_of_the_wanted_length_and_no_longer(corpus, tmp_path):
    short = made(Timed("3DBox_CT_3", "CT", (41, HEIGHT, WIDTH), 1, share=0.3), corpus, tmp_path)
    assert short.boxes[:, [2, 5]].tolist() == [[20, 30]]  # of organ2's 20..30 none is cut: 12 slices are wanted
    cut = made(quick(Timed("3DBox_CT_4", "CT", (41, HEIGHT, WIDTH), 2, share=0.8)), corpus, tmp_path)
    lengths = cut.boxes[:, 5] - cut.boxes[:, 2] + 1
    assert lengths.tolist() == [4, 4]
    assert abs(cut.boxes[0, [2, 5]].sum() - 50) <= 1  # about the middle of 20..30


def test_an_image_is_one_picture_and_many_boxes_are_a_mosaic(corpus, tmp_path):
    one = made(Timed("2DBox_US_1", "Ultrasound", (HEIGHT, WIDTH), 2), corpus, tmp_path)
    assert one.boxes.tolist() == [[1, 2, 10, 11], [20, 3, 39, 29]]
    assert any((cv2.imread(str(corpus.root / f"us{n}.png"))[..., ::-1] == one.pixels).all() for n in range(7))
    mosaic = made(Timed("2DBox_US_2", "Ultrasound", (2 * HEIGHT, 2 * WIDTH), 7), corpus, tmp_path)
    assert len(np.unique(mosaic.boxes, axis=0)) == 7
    again = made(Timed("2DBox_US_2", "Ultrasound", (2 * HEIGHT, 2 * WIDTH), 7), corpus, tmp_path)
    np.testing.assert_array_equal(mosaic.pixels, again.pixels)
    np.testing.assert_array_equal(mosaic.boxes, again.boxes)


def test_what_the_corpus_lacks_is_told(corpus, tmp_path):
    for timed in (
        Timed("2DBox_Fundus_1", "Fundus", (9, 9), 1),
        Timed("3DBox_MR_1", "MR", (9, 9, 9), 1),
        Timed("3DBox_CT_9", "CT", (9, 9, 9), LABELS + 1),
        Timed("2DBox_US_9", "Ultrasound", (9, 9), 15),
    ):
        with pytest.raises(ValueError, match=timed.modality):
            make_case(timed, corpus, tmp_path / "x.npz")


def test_the_table_is_that_of_the_papers():
    assert [(timed.shape, timed.objects) for timed in CASES] == [
        ((287, 512, 512), 6), ((237, 512, 512), 6), ((246, 512, 512), 1), ((115, 400, 400), 6), ((64, 290, 320), 6),
        ((84, 512, 512), 1), ((264, 200, 200), 1), ((256, 256), 1), ((320, 640), 34), ((3024, 4032), 1),
        ((480, 560), 1), ((2048, 2048), 1), ((1536, 2040), 19), ((1920, 2560), 241),
    ]  # fmt: skip
    assert all(timed.name.startswith("3DBox" if timed.is_volume else "2DBox") for timed in CASES)
