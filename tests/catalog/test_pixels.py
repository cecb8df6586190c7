import pickle
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from catalog.errors import CatalogError
from catalog.pixels import PixelReader

SHAPES = [(5, 7), (16, 16, 3), (1, 9), (33, 20, 3), (8, 1), (12, 65)]


def slices(seed=0):
    """Images, grey and RGB, with three masks each."""
    rng = np.random.default_rng(seed)
    return [
        (rng.integers(0, 256, shape, np.uint8), [rng.random(shape[:2]) < 0.4 for _ in range(3)]) for shape in SHAPES
    ]


def png(pixels):
    """PNG bytes by OpenCV; booleans become a 1-bit PNG."""
    if pixels.dtype == bool:
        return cv2.imencode(".png", pixels.astype(np.uint8), [cv2.IMWRITE_PNG_BILEVEL, 1])[1].tobytes()
    return cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1].tobytes()


@pytest.fixture
def corpus(tmp_path):
    """One corpus with all three stores; the shard has two images a row group."""
    for folder in ("images/A", "masks/A", "shards/A"):
        (tmp_path / folder).mkdir(parents=True)
    made = slices()
    for i, (image, masks) in enumerate(made):
        Image.fromarray(image).save(tmp_path / f"images/A/{i}.png")
        for j, mask in enumerate(masks):
            Image.fromarray(mask).save(tmp_path / f"masks/A/{i}--{j}.png")
        np.savez_compressed(
            tmp_path / f"images/A/{i}.npz",
            image=image,
            masks=np.packbits(masks, axis=-1),
            mask_shape=np.array([len(masks), *image.shape[:2]]),
            mask_names=np.array([f"{i}--{j}" for j in range(len(masks))]),
        )
    shard = {
        "name": [str(i) for i in range(len(made))],
        "image": [png(image) for image, _ in made],
        "masks": [[png(mask) for mask in masks] for _, masks in made],
        "mask_names": [[f"{i}--{j}" for j in range(3)] for i in range(len(made))],
    }
    pq.write_table(pa.table(shard), tmp_path / "shards/A/00000.parquet", row_group_size=2)
    return tmp_path


PLACES = {
    "png": lambda i, j: ((f"images/A/{i}.png", None), (f"masks/A/{i}--{j}.png", None, None)),
    "npz": lambda i, j: ((f"images/A/{i}.npz", None), (f"images/A/{i}.npz", j, None)),
    "shards": lambda i, j: (("shards/A/00000.parquet", i), ("shards/A/00000.parquet", j, i)),
}


@pytest.mark.parametrize("store", PLACES)
def test_pixels_come_back_as_they_went_in(corpus, store):
    reader = PixelReader(corpus, cached=2)
    for i in [3, 0, 5, 1, 4, 2, 3]:
        image, masks = slices()[i]
        for j, mask in enumerate(masks):
            at_image, at_mask = PLACES[store](i, j)
            found = reader.image(*at_image)
            assert found.dtype == np.uint8
            np.testing.assert_array_equal(found, image)
            found = reader.mask(*at_mask)
            assert found.dtype == np.uint8
            np.testing.assert_array_equal(found, mask * np.uint8(255))


@pytest.mark.parametrize("store", PLACES)
def test_what_is_returned_may_be_written_to(corpus, store):
    reader = PixelReader(corpus)
    at_image, at_mask = PLACES[store](1, 2)
    reader.image(*at_image)[:] = 0
    reader.mask(*at_mask)[:] = 0
    np.testing.assert_array_equal(reader.image(*at_image), slices()[1][0])
    np.testing.assert_array_equal(reader.mask(*at_mask), slices()[1][1][2] * np.uint8(255))


@pytest.mark.parametrize("store", PLACES)
def test_a_reader_is_shared_by_threads_and_pickled(corpus, store):
    reader = pickle.loads(pickle.dumps(PixelReader(corpus, cached=1)))
    order = np.random.default_rng(1).integers(0, len(SHAPES), 200).tolist()
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda i: reader.image(*PLACES[store](i, 0)[0]), order)
    for i, pixels in zip(order, found, strict=True):
        np.testing.assert_array_equal(pixels, slices()[i][0])


def test_missing_and_damaged_files_are_named(corpus):
    reader = PixelReader(corpus)
    for name, data in {"empty": b"", "text": b"no image at all", "cut": b"\x89PNG\r\n\x1a\n"}.items():
        for suffix in ("png", "npz", "parquet"):
            (corpus / f"{name}.{suffix}").write_bytes(data)
    zipped = bytearray((corpus / "images/A/3.npz").read_bytes())
    zipped[60:-400] = bytes(len(zipped) - 460)
    (corpus / "broken.npz").write_bytes(zipped)
    np.savez(corpus / "lacking.npz", other=np.zeros(3))
    paths = [f"{name}.{suffix}" for name in ("gone", "empty", "text", "cut") for suffix in ("png", "npz", "parquet")]
    for path in [*paths, "broken.npz", "lacking.npz"]:
        with pytest.raises(CatalogError, match=f"{path} is missing or damaged"):
            reader.image(path, 0)
        with pytest.raises(CatalogError, match=f"{path} is missing or damaged"):
            reader.mask(path, 0, 0)


@pytest.mark.parametrize("index", [None, -1, 3, 99])
def test_an_index_beyond_the_container_is_refused(corpus, index):
    reader = PixelReader(corpus)
    for path, image_index in (("images/A/0.npz", None), ("shards/A/00000.parquet", 0)):
        with pytest.raises(CatalogError, match=f"holds 3 entries, but the catalog refers to number {index}"):
            reader.mask(path, index, image_index)
    if index != 3:
        with pytest.raises(CatalogError, match=f"holds 6 entries, but the catalog refers to number {index}"):
            reader.image("shards/A/00000.parquet", index)


@pytest.mark.parametrize("path", ["../secret.png", "images/../../secret.png", "/etc/secret.npz", "a/../../b.parquet"])
def test_paths_outside_of_the_corpus_are_refused(corpus, path):
    (corpus.parent / "secret.png").write_bytes(png(slices()[0][0]))
    with pytest.raises(CatalogError, match="outside of its corpus"):
        PixelReader(corpus).image(path, 0)
    with pytest.raises(CatalogError, match="outside of its corpus"):
        PixelReader(corpus).mask(path, 0, 0)
