"""The images of a catalog, each with its rows, pixels and masks."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog.names import image_name, modality_token
from catalog.pixels import PixelReader, Pixels

Row = dict[str, Any]


class CorpusImage:
    """One image of a corpus; pixels and masks are decoded when they are first asked for.

    Attributes:
        rows: The image's rows of the catalog, by column; one a mask, in the catalog's order. An image without a mask
            has one row, with None in the columns of masks.
    """

    def __init__(self, reader: PixelReader, rows: list[Row]) -> None:
        self._reader = reader
        self.rows = rows

    @property
    def name(self) -> str:
        """The image's name, unique in its corpus; file names begin with it."""
        first = self.rows[0]
        token = modality_token(first["modality"], first["sequence"])
        return image_name(token, first["dataset"], first["case"], first["axis"], first["slice"])

    @cached_property
    def pixels(self) -> Pixels:
        """The image: uint8, grey (h, w) or RGB (h, w, 3)."""
        return self._reader.image(self.rows[0]["image"], self.rows[0]["image_index"])

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """The masks (n, h, w); masks[i] belongs to rows[i]."""
        rows = [row for row in self.rows if row["mask"] is not None]
        masks = np.empty((len(rows), self.rows[0]["height"], self.rows[0]["width"]), np.bool_)
        for mask, row in zip(masks, rows, strict=True):
            np.not_equal(self._reader.mask(row["mask"], row["mask_index"], row["image_index"]), 0, out=mask)
        return masks

    def __repr__(self) -> str:
        return f"<CorpusImage {self.name}: {len(self.rows)} rows>"


def iter_images(root: Path, batches: Iterable[pa.RecordBatch]) -> Iterator[CorpusImage]:
    """Yield the images of some rows of the catalog of the corpus at `root`, which come in the catalog's order."""
    reader = PixelReader(root)
    rows = (row for batch in batches for row in batch.to_pylist())
    # A plane's rows are adjacent, but those of its sequences alternate.
    for _, plane in groupby(rows, key=lambda row: (row["dataset"], row["case"], row["axis"], row["slice"])):
        images: dict[tuple[str, str | None], list[Row]] = {}
        for row in plane:
            images.setdefault((row["modality"], row["sequence"]), []).append(row)
        for image in images.values():
            yield CorpusImage(reader, image)
