"""Logits enlarged to masks on a second thread, while the model decodes the next ones."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from predict.engines.enlarge import enlarge_patch
from predict.prepare import Fit
from predict.propagation.object_masks import ObjectMasks

WAITING = 64
"""Most logits that wait to be enlarged: 16 MiB."""


class MaskQueue:
    """Enlarge logits and add them to `masks`; all are added when the `with` block ends."""

    def __init__(self, fit: Fit, masks: ObjectMasks) -> None:
        self._fit, self._masks = fit, masks
        self._thread = ThreadPoolExecutor(1, "masks")
        self._waiting: deque[Future[None]] = deque()

    def put(self, number: int, logits: NDArray[np.float32], plane: int = 0) -> None:
        """Add the mask of logits (256, 256) to object `number` (from 0), in slice `plane` of a volume."""
        self._waiting.append(self._thread.submit(self._add, number, logits, plane))
        while len(self._waiting) > WAITING:
            self._waiting.popleft().result()

    def _add(self, number: int, logits: NDArray[np.float32], plane: int) -> None:
        patch = enlarge_patch(logits, self._fit)
        if patch is not None:
            self._masks.add(number, patch, plane)

    def __enter__(self) -> "MaskQueue":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            for added in self._waiting:
                added.result()
