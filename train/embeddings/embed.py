"""A teacher's embeddings of every image of some samples, once."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from catalog.pixels import PixelReader
from catalog.samples import Samples
from predict.prepare import fit_to, prepare_pixels
from train.embeddings.store import EmbeddingWriter

HASH = "image_hash"
"""The column that an image goes by; the samples must have it."""
AHEAD = 2
"""Batches that are read while one is encoded."""

Encode = Callable[[NDArray[np.float32]], NDArray[np.floating]]
"""Images (B, 3, S, S) in [0, 1] to embeddings (B, 256, 64, 64)."""


def distinct_images(samples: Samples) -> dict[str, int]:
    """Return the hash of each different image with the number of the first image that has it."""
    hashes = samples.table[HASH].take(samples.grouped[samples.starts[:-1]]).to_pylist()
    found: dict[str, int] = {}
    for image, key in enumerate(hashes):
        found.setdefault(key, image)
    return found


def embed_samples(
    samples: Samples,
    encode: Encode,
    writer: EmbeddingWriter,
    *,
    size: int,
    batch: int = 8,
    readers: int = 2,
    rank: int = 0,
    world: int = 1,
) -> Iterator[int]:
    """Embed the images that the writer has not; yield how many of a batch are done, after it is on the disk.

    Args:
        samples: Whose images, loaded with the column `image_hash`.
        encode: The teacher.
        writer: Where to.
        size: The edge of the teacher's image in pixels.
        batch: Images at once.
        readers: Threads that read and resize.
        rank: Of `world` processes, each of which takes its share.

    Raises:
        CatalogError: pixels are missing or damaged.
        DataError, OutputError: as EmbeddingWriter.add.
    """
    reader = PixelReader(samples.root)

    def read(image: int) -> NDArray[np.float32]:
        place = samples.place(int(samples.rows(image)[0]))
        pixels = reader.image(place.image, place.image_index)
        return prepare_pixels(pixels, fit_to(pixels.shape[0], pixels.shape[1], size))

    # Shared out before what is done is left out: the others may be writing while this one starts.
    mine = list(distinct_images(samples).items())[rank::world]
    todo = [pair for pair in mine if pair[0] not in writer.done]
    with ThreadPoolExecutor(readers) as pool:
        waiting: list[tuple[list[str], list[Future[NDArray[np.float32]]]]] = []
        for start in range(0, len(todo), batch):
            group = todo[start : start + batch]
            waiting.append(([key for key, _ in group], [pool.submit(read, image) for _, image in group]))
            if len(waiting) > AHEAD:
                yield _embed(*waiting.pop(0), encode, writer)
        for ready in waiting:
            yield _embed(*ready, encode, writer)


def _embed(keys: list[str], images: list[Future[NDArray[np.float32]]], encode: Encode, writer: EmbeddingWriter) -> int:
    embeddings = encode(np.stack([image.result() for image in images]))
    writer.add(keys, embeddings.astype(np.float16))
    return len(keys)
