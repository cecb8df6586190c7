"""Each different image is embedded once, and its embedding is its own."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from catalog.errors import CatalogError, DataError
from predict.prepare import fit_to, prepare_pixels
from tests.train.small_runs import small_samples, write_small_corpus
from train.data.views import HASH
from train.embeddings.embed import distinct_images, embed_samples
from train.embeddings.store import EmbeddingCache, EmbeddingWriter

ABOUT = {"teacher": "x"}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return write_small_corpus(tmp_path_factory.mktemp("small"), images=5, val=2)


class Shrunk:
    """The image itself on the grid, in the first three channels."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images):
        self.seen += len(images)
        out = np.zeros((len(images), 256, 64, 64), np.float32)
        out[:, :3] = images[:, :, 2::4, 2::4]
        return out


def expected(folder: Path, name: str):
    pixels = cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED)
    if pixels.ndim == 3:
        pixels = pixels[..., ::-1]
    fit = fit_to(*pixels.shape[:2], 256)
    return prepare_pixels(np.ascontiguousarray(pixels), fit)[:, 2::4, 2::4].astype(np.float16)


def assert_all_right(folder: Path, out: Path):
    cache, table = EmbeddingCache(out), small_samples(folder, None).table
    names = dict(zip(table[HASH].to_pylist(), table["image"].to_pylist(), strict=True))
    assert len(cache) == len(names)
    for key, name in names.items():
        assert np.array_equal(cache.batch([key]).numpy()[0, :3], expected(folder, name))


def test_every_image_gets_its_own(small, tmp_path):
    teacher = Shrunk()
    done = list(embed_samples(small_samples(small, None), teacher, EmbeddingWriter(tmp_path, ABOUT), size=256, batch=3))
    assert done == [3, 3, 1]
    assert teacher.seen == 7
    assert_all_right(small, tmp_path)


def test_twins_share_one(tmp_path):
    folder = write_small_corpus(tmp_path / "corpus", images=3, val=1)
    # The same pixels under another name, as a catalog of two sets that overlap has them.
    samples = small_samples(folder, None)
    key = samples.table[HASH].to_pylist()
    table = samples.table.set_column(samples.table.column_names.index(HASH), HASH, [[key[0]] * len(key)])
    import dataclasses

    twins = dataclasses.replace(samples, table=table)
    assert len(distinct_images(samples)) == 4
    assert distinct_images(twins) == {key[0]: 0}
    teacher = Shrunk()
    assert list(embed_samples(twins, teacher, EmbeddingWriter(tmp_path / "out", ABOUT), size=256)) == [1]


def test_it_goes_on_where_it_stopped(small, tmp_path):
    samples = small_samples(small, None)
    first = embed_samples(samples, Shrunk(), EmbeddingWriter(tmp_path, ABOUT), size=256, batch=2)
    assert next(first) == 2
    first.close()
    teacher = Shrunk()
    assert (
        sum(embed_samples(samples, teacher, EmbeddingWriter(tmp_path, ABOUT), size=256, batch=2)) == teacher.seen == 5
    )
    assert_all_right(small, tmp_path)
    assert list(embed_samples(samples, teacher, EmbeddingWriter(tmp_path, ABOUT), size=256)) == []


def test_processes_that_start_one_after_the_other_leave_no_image_out(small, tmp_path):
    """The second finds embeddings of the first, which must not change what is its share."""
    samples = small_samples(small, None)
    first = embed_samples(samples, Shrunk(), EmbeddingWriter(tmp_path, ABOUT, 0), size=256, batch=1, rank=0, world=2)
    assert next(first) == 1
    second = embed_samples(samples, Shrunk(), EmbeddingWriter(tmp_path, ABOUT, 1), size=256, batch=2, rank=1, world=2)
    assert (sum(second), sum(first)) == (3, 3)
    assert_all_right(small, tmp_path)


def test_pixels_that_are_missing_and_a_teacher_of_another_shape_are_told(tmp_path):
    folder = write_small_corpus(tmp_path / "corpus", images=3, val=1)
    (folder / "1.png").unlink()
    with pytest.raises(CatalogError, match=r"1\.png"):
        list(embed_samples(small_samples(folder, None), Shrunk(), EmbeddingWriter(tmp_path / "a", ABOUT), size=256))
    with pytest.raises(DataError, match=r"\(256, 32, 32\), not"):
        list(
            embed_samples(
                small_samples(folder, "val"), lambda images: np.zeros((len(images), 256, 32, 32)),
                EmbeddingWriter(tmp_path / "b", ABOUT), size=256,
            )
        )  # fmt: skip
