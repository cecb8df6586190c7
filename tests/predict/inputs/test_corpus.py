"""Images of a corpus in each of its stores, against OpenCV on the png store's files."""

from dataclasses import replace

import cv2
import numpy as np

from catalog.pixels import PixelReader
from catalog.samples import load_samples
from predict.errors import CaseFault
from predict.inputs.corpus import COLUMNS, corpus_images
from tests.predict.conftest import refused
from train.scoring import references


def images(corpus, **options):
    return corpus_images(load_samples(corpus, columns=COLUMNS), **options)


def test_images_have_the_names_pixels_and_masks_of_the_corpus(corpora, corpus):
    root = corpora["png"].root
    sources = {one.name: one for one in images(corpus, score=True)}
    files = {path.stem: path for path in (root / "images").rglob("*.png")}
    assert set(sources) == set(files)
    for name in sorted(files)[:: max(1, len(files) // 12)]:
        case = sources[name].read()
        pixels = cv2.imread(str(files[name]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(case.pixels, pixels if pixels.ndim == 2 else pixels[..., ::-1])
        assert sources[name].target.as_posix() == f"{files[name].parent.name}/{name}.png"
        masks = [cv2.imread(str(path), 0) > 0 for path in (root / "masks").rglob(f"{name}--*.png")]
        assert len(case.boxes) == len(masks) == len(case.names)
        union = np.any(masks, 0)
        np.testing.assert_array_equal(case.truth > 0, union)
        # The largest first, so that an object within another one is not lost under it.
        ordered = sorted(masks, key=lambda mask: -mask.sum())
        assert case.truth[ordered[-1]].min() == len(masks)
        for box, mask in zip(case.boxes, ordered, strict=True):
            y, x = np.nonzero(mask)
            if len({int(one.sum()) for one in masks}) == len(masks):
                assert box.tolist() == [x.min(), y.min(), max(x.max(), x.min() + 1), max(y.max(), y.min() + 1)]


def test_objects_are_named_as_in_the_catalog(corpora):
    source = next(one for one in images(corpora["png"]) if one.name.startswith("mr_flair"))
    case = source.read()
    assert case.modality == "MR"
    assert case.truth is None
    assert all(name[-4] == "_" and name[-3:].isdigit() for name in case.names)


def test_boxes_and_spacing_are_those_of_train_evaluate(corpora):
    corpus = corpora["png"]
    samples = load_samples(corpus, columns={*COLUMNS, *references.COLUMNS})
    reader = PixelReader(corpus.root)
    for number in range(0, samples.images, 5):
        case = corpus_images(samples, jitter=5, seed=3)[number].read()
        asked = references.read_reference(reader, samples, number, references.Asking(jitter=5, seed=3))
        assert sorted(case.boxes.tolist()) == sorted(asked.boxes.tolist())
        assert case.spacing == asked.spacing


def test_missing_pixels_fail_the_case_alone(corpora, tmp_path):
    source = replace(images(corpora["png"])[0], pixels=PixelReader(tmp_path))
    with refused(CaseFault.UNREADABLE):
        source.read()


def test_fingerprints_are_those_of_pixels_and_boxes(corpora):
    prints = [one.fingerprint() for one in images(corpora["png"])]
    assert len(set(prints)) == len(prints)
    assert [one.fingerprint() for one in images(corpora["shards"])] == prints
    assert [one.fingerprint() for one in images(corpora["png"], jitter=5)] != prints
