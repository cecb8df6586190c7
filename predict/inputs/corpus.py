"""Images of a corpus, with boxes from their masks."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalog.errors import CatalogError
from catalog.names import image_name, mask_name, modality_token
from catalog.pixels import PixelReader
from catalog.samples import Samples
from predict.engines.engine import blank_labels
from predict.errors import CaseFault, InputError
from predict.inputs.case import PromptedCase
from predict.prompts.jitter import jittered

COLUMNS = ("label_id", "instance", "area", "spacing_row", "spacing_col", "image_hash", "mask_hash")
"""Columns of the catalog that are needed besides those of all samples."""


@dataclass(frozen=True)
class CorpusCase:
    """Image `number` of the samples; its objects are its masks, the largest first.

    Where masks overlap, the reference labels show the smaller one. A box's jitter depends on its mask's name and the
    seed alone, as in `train evaluate`.
    """

    samples: Samples
    pixels: PixelReader
    number: int
    jitter: int = 0
    seed: int = 0
    score: bool = False

    @property
    def name(self) -> str:
        """The image's name in the corpus."""
        row = self._row(int(self.samples.rows(self.number)[0]))
        return image_name(
            modality_token(row["modality"], row["sequence"]), row["dataset"], row["case"], row["axis"], row["slice"]
        )

    @property
    def target(self) -> Path:
        """A PNG file of that name in a folder for each data set, as in the corpus."""
        return Path(self._row(int(self.samples.rows(self.number)[0]))["dataset"]) / f"{self.name}.png"

    def fingerprint(self) -> str:
        """Return a SHA-256 of the image's and the masks' pixels, by the catalog, and of how boxes are made."""
        rows = [self._row(row) for row in self.samples.rows(self.number).tolist()]
        hashes = [(row["image_hash"], row["mask_hash"]) for row in rows]
        return hashlib.sha256(repr((hashes, self.jitter, self.seed, self.score)).encode()).hexdigest()

    def read(self) -> PromptedCase:
        """Read the case.

        Raises:
            InputError: its pixels are missing or damaged.
        """
        numbers = self.samples.rows(self.number).tolist()
        numbers.sort(key=lambda row: -self._row(row)["area"])
        rows, places = [self._row(row) for row in numbers], [self.samples.place(row) for row in numbers]
        try:
            image = self.pixels.image(places[0].image, places[0].image_index)
            truth = None
            if self.score:
                truth = blank_labels(image.shape[:2], len(rows))
                for label, place in enumerate(places, start=1):
                    truth[self.pixels.mask(place.mask, place.mask_index, place.image_index) > 0] = label
        except (CatalogError, IndexError) as error:
            raise InputError(CaseFault.UNREADABLE, str(error)) from error
        name, boxes = self.name, []
        for row, place in zip(rows, places, strict=True):
            tight = np.array([place.box]) - [0, 0, 1, 1]  # to the last pixel inside
            mask = mask_name(name, row["label_id"], row["instance"])
            boxes.append(jittered(tight, image.shape[:2], self.jitter, self.seed, mask)[0])
        spacing = rows[0]["spacing_row"], rows[0]["spacing_col"]
        return PromptedCase(
            name,
            image,
            np.array(boxes),
            rows[0]["modality"],
            spacing=None if None in spacing else spacing,
            names=tuple(f"{row['label']}_{row['instance']:03d}" for row in rows),
            truth=truth,
        )

    def _row(self, row: int) -> dict[str, Any]:
        names = ("dataset", "case", "axis", "slice", "modality", "sequence", "label", *COLUMNS)
        return {name: self.samples.table[name][row].as_py() for name in names}


def corpus_images(samples: Samples, jitter: int = 0, seed: int = 0, score: bool = False) -> Sequence[CorpusCase]:
    """Return the images of samples that were loaded with COLUMNS, in the catalog's order."""
    pixels = PixelReader(samples.root)
    return [CorpusCase(samples, pixels, number, jitter, seed, score) for number in range(samples.images)]
