"""Items against the challenge's preprocessing, spelled with OpenCV on the corpus's own files."""

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from catalog.errors import CatalogError, DataError
from catalog.pixels import PixelReader
from catalog.samples import load_samples
from predict.prepare import fit_to, prepare_mask
from train.data.augment import apply_symmetry
from train.data.augmentations import TABLES
from train.data.dataset import MaskDataset, as_symmetry, batches, make_loader
from train.data.sampling import Draw, EpochSampler


def expected(pixels, mask, row, size=256):
    """Three channels first, then resize, stretch, pad: the order of the challenge's script."""
    pixels = np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels
    height, width = pixels.shape[:2]
    scale = size / max(height, width)
    small = cv2.resize(pixels, (int(width * scale + 0.5), int(height * scale + 0.5)), interpolation=cv2.INTER_AREA)
    small = (small - small.min()) / np.clip(small.max() - small.min(), 1e-8, None)
    image = np.pad(small, ((0, size - small.shape[0]), (0, size - small.shape[1]), (0, 0)))
    at_256 = 256 / max(height, width)
    new = int(width * at_256 + 0.5), int(height * at_256 + 0.5)
    covered = cv2.resize((mask > 0).astype(np.float64), new, interpolation=cv2.INTER_AREA)
    small_mask = covered >= min(0.5, covered.max() / 2) - 1e-9
    box = [int(row[name] * scale) for name in ("x0", "y0")] + [int((row[name] - 1) * scale) for name in ("x1", "y1")]
    return image.transpose(2, 0, 1).astype(np.float32), np.pad(small_mask, ((0, 256 - new[1]), (0, 256 - new[0]))), box


@pytest.mark.parametrize("size", [256, 1024])
def test_items_are_the_scripts_in_each_store(corpus, size):
    samples = load_samples(corpus)
    dataset = MaskDataset(samples, size=size)
    reader = PixelReader(corpus.root)
    rows = pq.read_table(corpus.catalog).to_pylist()
    shapes = set()
    for row in [*range(0, len(rows), 40), *range(len(rows) - 4, len(rows))]:
        item, line = dataset[Draw(row, (0,))], rows[row]
        pixels = reader.image(line["image"], line["image_index"])
        mask = reader.mask(line["mask"], line["mask_index"], line["image_index"])
        image, small, box = expected(pixels, mask, line, size)
        np.testing.assert_array_equal(item.image.numpy(), image)
        np.testing.assert_array_equal(item.mask[0].numpy(), small)
        assert item.box.tolist() == box
        assert item.row == row
        shapes.add(pixels.ndim)
    assert shapes == {2, 3}


def test_the_box_holds_the_mask(corpora):
    dataset = MaskDataset(load_samples(corpora["png"]), TABLES["lite-medsam"])
    for row in range(0, len(dataset), 25):
        item = dataset[Draw(row, (row,))]
        y, x = np.nonzero(item.mask[0].numpy())
        x0, y0, x1, y1 = item.box.tolist()
        assert x0 - 1 <= x.min()
        assert x.max() <= x1 + 1
        assert y0 - 1 <= y.min()
        assert y.max() <= y1 + 1


def test_stores_give_the_same_items(corpora):
    datasets = [MaskDataset(load_samples(corpus), TABLES["full"]) for corpus in corpora.values()]
    for row in range(0, len(datasets[0]), 30):
        one, *others = [dataset[Draw(row, (1, row))] for dataset in datasets]
        for other in others:
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_symmetry_that_is_told_leads_from_the_plain_item(corpora):
    samples = load_samples(corpora["npz"])
    grid = tuple(entry for entry in TABLES["full"] if entry.name in ("flip_x", "flip_y", "turn"))
    plain, turned = MaskDataset(samples), MaskDataset(samples, grid)
    for row in range(0, samples.masks, 40):
        draw = Draw(row, (row,))
        a, b = plain[draw], turned[draw]
        symmetry = as_symmetry(b.symmetry)
        assert torch.equal(apply_symmetry(a.image, symmetry), b.image)
        assert torch.equal(apply_symmetry(a.mask, symmetry), b.mask)


@pytest.mark.parametrize("store", ["png", "npz", "shards"])
def test_workers_change_nothing(corpora, store):
    samples = load_samples(corpora[store])
    runs = []
    for workers in (0, 2):
        sampler = EpochSampler(samples, seed=5, by=["modality"], temperature=5)
        loader = make_loader(MaskDataset(samples, TABLES["full"]), sampler, 16, workers)
        seen = []
        for epoch in range(2):
            sampler.set_epoch(epoch, start=samples.images - 40)
            seen += list(batches(loader))
        runs.append(seen)
    for one, two in zip(*runs, strict=True):
        assert one.image.shape[1:] == (3, 256, 256)
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert [len(batch.row) for batch in runs[0]] == [16, 16, 8] * 2
    assert not torch.equal(runs[0][0].image, runs[0][3].image)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_missing_file_is_one_message(write_catalog, tmp_path, workers):
    samples = load_samples(write_catalog(tmp_path, [{}] * 4))
    loader = make_loader(MaskDataset(samples), EpochSampler(samples), 2, workers)
    with pytest.raises(CatalogError, match=r"^images/\d\.png is missing or damaged .*Restore it") as told:
        list(batches(loader))
    assert "Traceback" not in str(told.value)


def test_a_mask_of_another_size_is_told(write_catalog, tmp_path):
    samples = load_samples(write_catalog(tmp_path, [{"image": "a.png", "mask": "b.png"}]))
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 40), np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((20, 40), 255, np.uint8))
    with pytest.raises(DataError, match=r"b\.png is \(20, 40\), its image a\.png \(40, 40\)"):
        MaskDataset(samples)[Draw(0, (0,))]


def test_a_thin_mask_does_not_vanish():
    mask = np.zeros((1000, 2000), np.uint8)
    mask[501, 300:900] = 255
    small = prepare_mask(mask, fit_to(1000, 2000, 256))
    assert set(np.nonzero(small)[0]) == {int(501 * 256 / 2000)}
    assert small.sum() == pytest.approx(600 * 256 / 2000, abs=1)


def test_wrong_augmentations_are_told(write_catalog, tmp_path):
    samples = load_samples(write_catalog(tmp_path, [{}]))
    with pytest.raises(DataError, match="unknown augmentation 'swirl'"):
        MaskDataset(samples, [TABLES["full"][0].__class__("swirl")])
