"""A case: an image or a volume with the prompts of its objects."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from predict.engines.engine import BinaryMask, LabelArray
from predict.inputs.scan_geometry import ScanGeometry
from predict.notes import Note

MOST_BYTES = 2 << 30
"""Most bytes that a file may hold once decoded: a laptop has 8 GB, and the masks of a volume take as much again."""


@dataclass(frozen=True)
class PromptedCase:
    """An image (H, W) or (H, W, 3) with boxes (N, 4), or a volume (D, H, W) or (D, H, W, 3) with boxes (N, 6).

    name: Unique among the cases of a run.
    pixels: uint8.
    boxes: Row k is object k + 1: x0, y0, x1, y1 or x0, y0, z0, x1, y1, z1, from the first pixel inside to the last. The
        dtype is the one they were stored in, since LiteMedSAM's script scales them in it. A row of nan is an object
        that has points or a mask only.
    modality: CT, MR, ...; None: unknown.
    points: (M, 4): object (from 1), x, y, and 1 inside or 0 outside of it. Images only.
    hint: (H, W), k where object k is thought to be. Images only.
    names: The objects' names, if they have any.
    spacing: mm along the axes of the array; None: unknown.
    truth: The reference labels, in the shape and with the labels of the result, where the case is scored.
    unknown: Pixels whose intensity is not finite; None: none. They belong to no object.
    geometry: How a scan's file stores the volume.
    notes: What was changed or looks odd.
    """

    name: str
    pixels: NDArray[np.uint8]
    boxes: NDArray[Any]
    modality: str | None = None
    points: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 4)))
    hint: LabelArray | None = None
    names: tuple[str, ...] = ()
    spacing: tuple[float, ...] | None = None
    truth: LabelArray | None = None
    unknown: BinaryMask | None = None
    geometry: ScanGeometry | None = None
    notes: tuple[Note, ...] = ()

    @property
    def is_volume(self) -> bool:
        """True where boxes have a z range."""
        return bool(self.boxes.shape[1] == 6)

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (D, H, W)."""
        return self.pixels.shape[: 3 if self.is_volume else 2]


class CaseSource(Protocol):
    """Where a case comes from; it is read when its turn has come."""

    @property
    def name(self) -> str:
        """The case's name, unique among the cases of a run."""
        ...

    @property
    def target(self) -> Path:
        """The file of its labels, relative to the folder of results; the suffix names the format."""
        ...

    def fingerprint(self) -> str:
        """Return a text that changes with the case's files and prompts."""
        ...

    def read(self) -> PromptedCase:
        """Read and check the case; raise InputError where it cannot be used."""
        ...


def modality_of(name: str) -> str | None:
    """Return the modality of `3DBox_CT_0566`, which is CT; None for a name of another form."""
    parts = name.rpartition("/")[2].split("_")
    return parts[1] if len(parts) > 2 and parts[0][:2] in ("2D", "3D") else None
