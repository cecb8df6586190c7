"""What `predict` takes: cases, each an image or a volume with what is known of the objects in it.

A source knows a case's name and reads it when its turn has come; one small module a kind of source.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from predict.engines.engine import Labels
from predict.inputs.scan_geometry import Scan

MOST_BYTES = 2 << 30
"""What a file may claim to hold: a laptop has 8 GB, and the masks of a volume take as much again."""


@dataclass(frozen=True)
class Case:
    """An image (H, W) or (H, W, 3) with boxes (N, 4), or a volume (D, H, W) or (D, H, W, 3) with boxes (N, 6).

    Pixels are uint8. Row k of `boxes` is object k + 1: x0, y0, x1, y1 or x0, y0, z0, x1, y1, z1, in the dtype that they
    were stored in, for LiteMedSAM's script scales them in it. A row of nan is an object that points or a mask tell of.

    `points` (M, 4) are object, x, y and 1 inside or 0 outside of it; `hint` (H, W) holds k where object k is thought to
    be. Both are of images alone. `names` are the objects' own, if they have any. `spacing` is in mm along the array's
    axes, None: unknown. `truth`, where it is to be scored, has the shape and labels of the
    result. `scan` tells how a volume was turned from its file's order.
    """

    name: str
    pixels: NDArray[np.uint8]
    boxes: NDArray[Any]
    modality: str | None = None
    points: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 4)))
    hint: Labels | None = None
    names: tuple[str, ...] = ()
    spacing: tuple[float, ...] | None = None
    truth: Labels | None = None
    scan: Scan | None = None

    @property
    def is_volume(self) -> bool:
        """True where boxes have a z range."""
        return bool(self.boxes.shape[1] == 6)

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (D, H, W)."""
        return self.pixels.shape[: 3 if self.is_volume else 2]


class Source(Protocol):
    """Where a case comes from."""

    @property
    def name(self) -> str:
        """What the case is called."""
        ...

    @property
    def target(self) -> Path:
        """The file of its labels, relative to the folder of results; its suffix tells the format."""
        ...

    def read(self) -> Case:
        """Read and check the case; raises CaseError where it cannot be used."""
        ...


def modality_of(name: str) -> str | None:
    """Return the modality of `3DBox_CT_0566`, CT; None for a name of another form."""
    parts = name.split("_")
    return parts[1] if len(parts) > 2 and parts[0][:2] in ("2D", "3D") else None
