"""A model as four graphs, whatever runs them; train/export/graphs.py describes their inputs and outputs."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predict.engines.engine import MaskLogits, Prompts
from predict.presets import EMBEDDING, GRID

Array = NDArray[Any]
RunGraph = Callable[[Sequence[Array]], Sequence[Array]]
"""Takes the inputs in their order, returns the outputs, which the next call may overwrite."""


class GraphEngine:
    """Run the graphs that `open_graph` returns by name; a graph is opened when it is first needed.

    `at_once` objects are decoded by one call; `precision` is the one that the graphs compute in.
    """

    def __init__(self, size: int, open_graph: Callable[[str], RunGraph], at_once: int, precision: str = "f32") -> None:
        self.size = size
        self.precision = precision
        self._graph = cache(open_graph)
        self._at_once = at_once

    def embed(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the embedding (1, 256, 64, 64) of an image (3, S, S) in [0, 1], in memory channels last."""
        rows = np.array(self._graph("encoder")([image[None]])[0])
        return rows.reshape(1, GRID, GRID, EMBEDDING).transpose(0, 3, 1, 2)

    def decode(self, embedding: NDArray[np.float32], prompts: Prompts) -> Iterator[MaskLogits]:
        """Yield the masks of the prompts, a batch of objects at a time; those with a mask prompt one by one."""
        rows = np.ascontiguousarray(embedding.transpose(0, 2, 3, 1)).reshape(1, GRID * GRID, EMBEDDING)
        if prompts.masks is None:
            yield from self._draw(self._graph("ground")([rows]), prompts)
            return
        for row in range(len(prompts)):
            one = prompts.part(row, row + 1)
            yield from self._draw(self._graph("mask")([rows, prompts.masks[row][None, None]]), one)

    def _draw(self, shared: Sequence[Array], prompts: Prompts) -> Iterator[MaskLogits]:
        places, kinds = prompts.tokens()
        for start in range(0, len(places), self._at_once):
            stop = start + self._at_once
            logits, iou = self._graph("decoder")([*shared, places[start:stop], kinds[start:stop]])
            yield MaskLogits(np.array(logits), np.array(iou))
