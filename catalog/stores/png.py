"""One PNG a slice and one a mask, the layout of SA-Med2D-20M."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.codecs.png import encode_bits, encode_image
from catalog.stores import Place


class PngStore:
    """Writes `images/<dataset>/<image>.png` and `masks/<dataset>/<mask>.png`."""

    def __init__(self, root: Path, dataset: str) -> None:
        self._root = root
        self._images, self._masks = f"images/{dataset}/", f"masks/{dataset}/"
        self._written: list[str] = []
        for folder in (self._images, self._masks):
            (root / folder).mkdir(parents=True, exist_ok=True)

    def image(self, name: str, pixels: NDArray[np.uint8]) -> Place:
        """Write a slice."""
        return self._write(f"{self._images}{name}.png", encode_image(pixels))

    def mask(self, name: str, bits: NDArray[np.uint8], width: int) -> Place:
        """Write a mask."""
        return self._write(f"{self._masks}{name}.png", encode_bits(bits, width))

    def close(self) -> None:
        """Nothing is held back."""

    def abort(self) -> None:
        """Remove what was written."""
        for path in self._written:
            (self._root / path).unlink(missing_ok=True)

    def _write(self, path: str, data: bytes) -> Place:
        self._written.append(path)
        with open(f"{self._root}/{path}", "wb", buffering=0) as file:  # noqa: PTH123 - pathlib costs as much as the file
            rest = memoryview(data)
            while rest:  # a disk that runs full takes a part and says so only at the next write
                rest = rest[file.write(rest) :]
        return Place(path, None)
