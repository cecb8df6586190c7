"""Compute and store a teacher's embeddings of every image of some samples."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from catalog.pixels import PixelReader
from catalog.samples import Samples
from train.data.augmentations import Augmentation
from train.data.views import HASH, numbered_view, view_key
from train.embeddings.store import EmbeddingWriter

AHEAD = 2
"""Batches read ahead while one is encoded."""

Encode = Callable[[NDArray[np.float32]], NDArray[np.floating]]
"""Images (B, 3, S, S) in [0, 1] to embeddings (B, 256, 64, 64)."""


def distinct_images(samples: Samples) -> dict[str, int]:
    """Return the hash of each distinct image with the index of the first image that has it."""
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
    table: Sequence[Augmentation] = (),
    views: int = 1,
    batch: int = 8,
    readers: int = 2,
    rank: int = 0,
    world: int = 1,
) -> Iterator[int]:
    """Embed the views that the writer does not have yet; yield the size of each batch once it is on disk.

    All images get their first view, which is the image as it is, before any gets its second.

    Args:
        samples: The images, loaded with the column `image_hash`.
        encode: The teacher.
        writer: The store.
        size: The edge of the teacher's image in pixels.
        table: The augmentations of the views after the first.
        views: Views of each image.
        batch: Images at once.
        readers: Threads that read and resize.
        rank: Number of this process among `world`, each of which takes its share.

    Raises:
        CatalogError: pixels are missing or damaged.
        DataError, OutputError: as EmbeddingWriter.add.
    """
    reader = PixelReader(samples.root)

    def read(view: tuple[str, int, int]) -> NDArray[np.float32]:
        image_hash, image, number = view
        place = samples.place(int(samples.rows(image)[0]))
        pixels = reader.image(place.image, place.image_index)
        return numbered_view(pixels, table, size, image_hash, number).image

    images = distinct_images(samples)
    wanted = [(key, image, number) for number in range(views) for key, image in images.items()]
    # Shared out before finished views are left out: the others may be writing while this process starts.
    todo = [view for view in wanted[rank::world] if view_key(view[0], view[2]) not in writer.done]
    with ThreadPoolExecutor(readers) as pool:
        waiting: list[tuple[list[str], list[Future[NDArray[np.float32]]]]] = []
        for start in range(0, len(todo), batch):
            group = todo[start : start + batch]
            keys = [view_key(key, number) for key, _, number in group]
            waiting.append((keys, [pool.submit(read, view) for view in group]))
            if len(waiting) > AHEAD:
                yield _embed(*waiting.pop(0), encode, writer)
        for ready in waiting:
            yield _embed(*ready, encode, writer)


def _embed(keys: list[str], images: list[Future[NDArray[np.float32]]], encode: Encode, writer: EmbeddingWriter) -> int:
    embeddings = encode(np.stack([image.result() for image in images]))
    writer.add(keys, embeddings.astype(np.float16))
    return len(keys)
