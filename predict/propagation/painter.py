"""Masks enlarged and painted beside the model's work, by a thread of its own."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from predict.engines.engine import Labels
from predict.engines.enlarge import enlarge_part
from predict.prepare import Fit

WAITING = 64
"""Logits that may wait to be painted: 16 MiB."""


class Painter:
    """Paints logits into labels in the order given; all is painted when its `with` block ends.

    Where masks overlap, the greater label has the pixel.
    """

    def __init__(self, fit: Fit) -> None:
        self._fit = fit
        self._thread = ThreadPoolExecutor(1, "painter")
        self._waiting: deque[Future[None]] = deque()

    def paint(self, labels: Labels, logits: NDArray[np.float32], label: int) -> None:
        """Paint what logits (256, 256) draw into an image's labels (H, W), soon."""
        self._waiting.append(self._thread.submit(self._paint, labels, logits, label))
        while len(self._waiting) > WAITING:
            self._waiting.popleft().result()

    def _paint(self, labels: Labels, logits: NDArray[np.float32], label: int) -> None:
        part = enlarge_part(logits, self._fit)
        if part is not None:
            part.paint(labels, label)

    def __enter__(self) -> "Painter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            for painted in self._waiting:
                painted.result()
