"""A stored embedding goes where its image goes."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.train.small_runs import PRESET, small_model, small_samples, write_small_corpus
from train.data.augmentations import TABLES
from train.data.dataset import MaskDataset, batches, make_loader
from train.data.sampling import EpochSampler
from train.data.views import HASH
from train.embeddings.embed import distinct_images
from train.embeddings.store import EmbeddingCache, EmbeddingWriter
from train.learning.protocol import RequestError
from train.learning.targets import LiveTarget, StoredTarget, check_shape

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Samples, a folder with random embeddings of their images, and these by hash."""
    samples = small_samples(write_small_corpus(tmp_path_factory.mktemp("small"), images=6, val=1), "train")
    folder = tmp_path_factory.mktemp("embeddings")
    rng = np.random.default_rng(0)
    found = {key: rng.normal(size=(256, 64, 64)).astype(np.float16) for key in distinct_images(samples)}
    EmbeddingWriter(folder, {"teacher": "x"}).add(list(found), np.stack(list(found.values())))
    return samples, EmbeddingCache(folder), found


def turned(grid, flip_x, flip_y, turns):
    """A flip left to right, one top to bottom, then quarter turns against the clock, by NumPy's own names."""
    if flip_x:
        grid = np.flip(grid, -1)
    if flip_y:
        grid = np.flip(grid, -2)
    return np.rot90(grid, turns, axes=(-2, -1))


def test_embeddings_are_flipped_and_turned_with_their_image(stored):
    samples, cache, found = stored
    plain = MaskDataset(samples, ())
    table = [one for one in TABLES["full"] if one.name in ("flip_x", "flip_y", "turn")]
    sampler = EpochSampler(samples, 3)
    symmetries = set()
    for epoch in range(4):
        sampler.set_epoch(epoch)
        draws = list(sampler)
        batch = next(batches(make_loader(MaskDataset(samples, table), sampler, 6)))
        followed = StoredTarget(cache)(samples, batch).embedding
        left = StoredTarget(cache, flipped=False)(samples, batch).embedding
        assert followed.shape == (6, 256, 64, 64)
        for row, draw in enumerate(draws):
            symmetry = tuple(batch.symmetry[row].tolist())
            symmetries.add(symmetry)
            own = found[samples.table[HASH][draw.row].as_py()]
            # The image itself proves what the numbers mean.
            assert np.array_equal(batch.image[row], turned(plain[draw].image.numpy(), *symmetry))
            assert np.array_equal(followed[row], turned(own, *symmetry))
            assert np.array_equal(left[row], own)
    assert len(symmetries) > 5


def test_the_live_teacher_sees_what_the_student_sees(stored):
    samples = stored[0]
    teacher = small_model(4)
    batch = next(batches(make_loader(MaskDataset(samples, TABLES["full"]), EpochSampler(samples), 3)))
    target = LiveTarget(teacher, 256, CPU)
    got = target(samples, batch).embedding
    assert not got.requires_grad
    # In evaluation: the same again, and nothing learned from what it saw.
    assert torch.equal(got, target(samples, batch).embedding)
    with torch.no_grad():
        assert torch.equal(got, small_model(4).eval().embed(batch.image))


def test_a_teacher_that_does_not_fit_is_told():
    teacher = small_model()
    with pytest.raises(RequestError, match="takes images of 256 pixels, the student of 1024: store its embeddings"):
        LiveTarget(teacher, 1024, CPU)
    teacher.preset = dataclasses.replace(PRESET, image_size=1024)
    with pytest.raises(RequestError, match="takes images of 1024 pixels, the student of 256"):
        LiveTarget(teacher, 256, CPU)
    other = small_model()
    other.image_encoder = torch.nn.Conv2d(3, 256, 8, stride=8)
    with pytest.raises(RequestError, match="an embedding of stand-in is 256 x 32 x 32, the student's 256 x 64 x 64"):
        LiveTarget(other, 256, CPU)
    check_shape("x", (256, 64, 64))
