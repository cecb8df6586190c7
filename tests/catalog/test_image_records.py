"""Images with their masks, from every store, against the rows of the catalog and the numbers in them."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

import catalog
from catalog.hashes import image_hash, mask_hash
from catalog.stores.registry import store_names
from curate.run.plan import Options
from curate.run.run import run
from tests.catalog.conftest import WriteCorpus
from tests.curate.corpora import make_source, recipe


@pytest.fixture(scope="module", params=store_names())
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> catalog.Corpus:
    folder = tmp_path_factory.mktemp("images")
    options = Options(store=request.param, memory=2 << 30, keep_empty=True)
    run(recipe(), make_source(folder / "source", 2), folder / "out", options)
    return catalog.open(folder / "out")


def test_every_image_and_mask_is_there_once_and_in_order(corpus: catalog.Corpus) -> None:
    table = corpus.to_arrow().to_pylist()
    rows, names = [], []
    for image in corpus.images():
        names.append(image.name)
        rows += image.rows
        first = image.rows[0]
        assert image.pixels.dtype == np.uint8
        assert image.pixels.shape == (first["height"], first["width"])
        assert image_hash(image.pixels) == first["image_hash"]
        assert image.masks.dtype == np.bool_
        masked = [row for row in image.rows if row["mask"] is not None]
        assert image.masks.shape == (len(masked), *image.pixels.shape)
        for mask, row in zip(image.masks, masked, strict=True):
            assert mask_hash(mask) == row["mask_hash"]
            assert mask.sum() == row["area"]
    assert rows == table
    assert len(names) == len(set(names))
    assert any(row["mask"] is None for row in table), "there are images without masks"


def test_where_takes_masks_and_leaves_images_out(corpus: catalog.Corpus) -> None:
    found = list(corpus.images("label = 'tumour' and axis = 'z'"))
    assert found
    for image in found:
        assert {row["label"] for row in image.rows} == {"tumour"}
        assert len(image.masks) == len(image.rows)
        assert image.name.rpartition("--")[2].startswith("z_")
    empty = next(corpus.images("mask is null"))
    assert empty.masks.shape == (0, *empty.pixels.shape)
    assert list(corpus.images("false")) == []


def test_an_image_is_freed_when_the_next_is_asked_for(corpus: catalog.Corpus) -> None:
    images = corpus.images()
    seen = []
    for _ in range(5):
        image = next(images)
        assert image.masks is image.masks, "decoded once"
        seen.append(weakref.ref(image))
    del image
    gc.collect()
    assert all(ref() is None for ref in seen)


def test_sequences_of_one_plane_are_told_apart(tmp_path: Path, write_corpus: WriteCorpus) -> None:
    """The catalog sorts a plane's rows by label first: those of its images alternate."""
    rows = [
        {"modality": "MR", "sequence": sequence, "label_id": label, "case": case, "image": f"{case}{sequence}.png"}
        for case in "12"
        for label in (1, 2)
        for sequence in ("flair", "t1")
    ]
    images = list(catalog.open(write_corpus(tmp_path, rows)).images())
    assert [(image.name, [row["label_id"] for row in image.rows]) for image in images] == [
        ("mr_flair--A--1--x_0003", [1, 2]),
        ("mr_t1--A--1--x_0003", [1, 2]),
        ("mr_flair--A--2--x_0003", [1, 2]),
        ("mr_t1--A--2--x_0003", [1, 2]),
    ]


def test_real_images_in_colour(shared_data: Path, corpora: dict[str, catalog.Corpus]) -> None:
    for store in corpora.values():
        image = next(store.images("modality = 'Endoscopy'"))
        assert image.pixels.ndim == 3
        assert image_hash(image.pixels) == image.rows[0]["image_hash"]
        assert image.masks[0].sum() == image.rows[0]["area"]
