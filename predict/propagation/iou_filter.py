"""Which objects are drawn, by the IoU that the model expects of them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class IouFilter:
    """Collects the expected IoU of each object; one below `least` is not drawn."""

    count: int
    least: float | None
    iou: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.iou = np.full(self.count, np.nan)

    def keeps(self, label: int, iou: float) -> bool:
        """Record the expected IoU of an object; return whether it is drawn."""
        self.iou[label - 1] = iou
        return self.least is None or iou >= self.least

    def dropped(self) -> tuple[int, ...]:
        """Return the labels of the objects that are not drawn."""
        return () if self.least is None else tuple((np.flatnonzero(self.iou < self.least) + 1).tolist())
