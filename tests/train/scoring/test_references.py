import cv2
import numpy as np
import pytest

from catalog.errors import DataError
from catalog.pixels import PixelReader
from catalog.samples import load_samples
from train.scoring.references import COLUMNS, Asking, read_reference, tight_box


def read_all(corpus, asking=Asking()):
    samples = load_samples(corpus, columns=COLUMNS)
    reader = PixelReader(corpus.root)
    return {one.name: one for one in (read_reference(reader, samples, i, asking) for i in range(samples.images))}


def test_boxes_are_tight_without_jitter_and_differ_by_at_most_it(drawn_corpus):
    tight, wide = read_all(drawn_corpus, Asking(0)), read_all(drawn_corpus)
    amounts = set()
    for name, reference in tight.items():
        for truth, box, other in zip(reference.truths, reference.boxes, wide[name].boxes, strict=True):
            rows, columns = np.nonzero(truth.mask)
            assert box.tolist() == [columns.min(), rows.min(), columns.max(), rows.max()]
            moved = (box - other) * [1, 1, -1, -1]
            inside = (other > 0) & (other < 255)
            amounts |= set(moved[inside].tolist())
            assert len(set(moved[inside].tolist())) <= 1
    assert amounts <= set(range(6))
    assert len(amounts) > 1


def test_every_amount_of_jitter_comes_up_as_often(write_catalog, tmp_path):
    cv2.imwrite(str(tmp_path / "i.png"), np.zeros((256, 256), np.uint8))
    mask = np.zeros((256, 256), np.uint8)
    mask[100:120, 100:120] = 255
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    same = {"image": "i.png", "mask": "m.png", "case": "1", "label_id": 1}
    corpus = write_catalog(tmp_path, [same | {"instance": i} for i in range(600)])
    (reference,) = read_all(corpus).values()
    counts = np.bincount(100 - reference.boxes[:, 0])
    assert len(counts) == 6
    assert counts.min() > 70


def test_the_same_boxes_in_every_store(corpora):
    found = [read_all(corpora[store], Asking(masks_per_image=3)) for store in ("png", "npz", "shards")]
    assert found[0].keys() == found[1].keys() == found[2].keys()
    for name, first in found[0].items():
        assert first.name.startswith(name.split("--")[0])
        for other in found[1:]:
            np.testing.assert_array_equal(first.boxes, other[name].boxes)
            np.testing.assert_array_equal(first.pixels, other[name].pixels)
            for one, two in zip(first.truths, other[name].truths, strict=True):
                assert (one.label, one.instance) == (two.label, two.instance)
                np.testing.assert_array_equal(one.mask, two.mask)


def test_drawn_masks_are_asked_for_with_the_boxes_that_they_have_among_all(corpora):
    whole = read_all(corpora["npz"])
    some = read_all(corpora["npz"], Asking(masks_per_image=2))
    others = read_all(corpora["npz"], Asking(masks_per_image=2, seed=1))
    differs = False
    for name, reference in whole.items():
        boxes = {(t.label, t.instance): b.tolist() for t, b in zip(reference.truths, reference.boxes, strict=True)}
        assert len(some[name].truths) == min(2, len(boxes))
        for truth, box in zip(some[name].truths, some[name].boxes, strict=True):
            assert boxes[truth.label, truth.instance] == box.tolist()
        differs |= [t.label for t in some[name].truths] != [t.label for t in others[name].truths]
    assert differs


def test_what_the_catalog_knows_of_the_spacing(drawn_corpus):
    assert [one.spacing for one in read_all(drawn_corpus).values()] == [None, None, (0.5, 0.5), None]


@pytest.mark.parametrize(("mask", "told"), [((256, 256), "3--0.png is empty"), ((250, 256), r"is \(250, 256\), its")])
def test_a_mask_that_cannot_be_one(drawn_corpus, mask, told):
    cv2.imwrite(str(drawn_corpus.root / "3--0.png"), np.zeros(mask, np.uint8))
    with pytest.raises(DataError, match=told):
        read_all(drawn_corpus)


def test_a_single_pixel_has_a_box():
    mask = np.zeros((5, 9), np.uint8)
    mask[4, 8] = 255
    assert tight_box(mask).tolist() == [8, 4, 8, 4]
