"""Cases as the challenge "Segment Anything in Medical Images on Laptop" hands them out: one .npz each.

`imgs` holds 8-bit pixels, `boxes` a row a box: x0, y0, x1, y1 on an image and x0, y0, z0, x1, y1, z1 in a volume, whose
slice z1 is inside. A file is called `2DBox_<modality>_<id>.npz` or `3DBox_<modality>_<id>.npz`. `gts`, the labels as
they should be, and `spacing`, mm along x, y, z, are read where a case is scored: from the file itself, or from one of
the same name in the folder of the truth. Boxes can be made from `gts` too.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predict.errors import CaseError
from predict.inputs.case import Case, modality_of
from predict.inputs.request import Request, with_hints, with_truth
from predict.npz import read_arrays
from predict.prompts.checks import check_boxes


@dataclass(frozen=True)
class ChallengeFile:
    """A case of the challenge."""

    path: Path
    request: Request = field(default_factory=Request)

    @property
    def name(self) -> str:
        """The file's name without suffix."""
        return self.path.stem

    @property
    def target(self) -> Path:
        """A file of the same name."""
        return Path(self.path.name)

    def read(self) -> Case:
        """Read and check the case.

        Raises:
            CaseError: the file is damaged, lacks a key, or its pixels or boxes are not what they must be.
        """
        request = self.request
        if self.name in request.boxes:
            raise CaseError("the file of boxes names it, but it has boxes of its own: leave it out there")
        given = read_arrays(self.path, ("imgs",) if request.boxes_from_truth else ("imgs", "boxes"))
        reference = self._reference()
        imgs, truth = given["imgs"], reference.get("gts")
        if "boxes" in given:
            boxes = given["boxes"]
            _check_form(boxes, self.name)
        else:
            boxes = np.empty((0, 6 if truth is not None and truth.ndim == 3 else 4), np.int64)
        volume = boxes.shape[1] == 6
        layout = "(D, H, W) or (D, H, W, 3)" if volume else "(H, W, 3) or (H, W)"
        plain = 3 if volume else 2
        if imgs.ndim not in (plain, plain + 1) or (imgs.ndim > plain and imgs.shape[-1] != 3) or not imgs.size:
            told = f"with boxes of {boxes.shape[1]} numbers" if "boxes" in given else f"with gts of {plain} axes"
            raise CaseError(f"imgs is {_shape(imgs)}; {told} it must be {layout}")
        check_boxes(boxes, imgs.shape[:plain])
        spacing = _steps(reference.get("spacing")) if volume and request.score else None
        case = Case(self.name, _to_8bit(imgs), boxes, modality_of(self.name), spacing=spacing, truth=truth)
        return with_hints(with_truth(case, request), request, self.path)

    def _reference(self) -> dict[str, NDArray[Any]]:
        """Return `gts` and `spacing` as far as they are needed and there."""
        if not (self.request.score or self.request.boxes_from_truth):
            return {}
        apart = None if self.request.truth is None else self.request.truth / self.path.name
        return read_arrays(apart if apart is not None and apart.is_file() else self.path, (), ("gts", "spacing"))


def _check_form(boxes: NDArray[Any], name: str) -> None:
    if boxes.dtype.kind not in "iuf":
        raise CaseError(f"boxes are {boxes.dtype}; they must be numbers")
    if not boxes.size:
        raise CaseError("there are no boxes")
    if boxes.ndim != 2 or boxes.shape[1] not in (4, 6):
        raise CaseError(f"boxes are {_shape(boxes)}; they must be (N, 4) on an image, (N, 6) in a volume")
    if boxes.dtype.kind == "f" and not np.isfinite(boxes).all():
        raise CaseError(f"box {boxes[~np.isfinite(boxes).all(1)][0].tolist()}: not finite")
    told = name[:2]
    if told in ("2D", "3D") and told != ("3D" if boxes.shape[1] == 6 else "2D"):
        raise CaseError(f"the name says {told}, but boxes have {boxes.shape[1]} numbers each")


def _to_8bit(imgs: NDArray[Any]) -> NDArray[np.uint8]:
    if imgs.dtype == np.uint8:
        return np.ascontiguousarray(imgs)
    if imgs.dtype.kind not in "iu":
        raise CaseError(f"imgs are {imgs.dtype}; they must be 8-bit, 0 to 255: window and round them first")
    low, high = int(imgs.min()), int(imgs.max())
    if low < 0 or high > 255:
        raise CaseError(f"imgs run from {low} to {high}; they must be 8-bit, 0 to 255: window them first")
    return imgs.astype(np.uint8, order="C")


def _steps(spacing: NDArray[Any] | None) -> tuple[float, ...]:
    """Return mm along z, y, x of a stored x, y, z."""
    if spacing is None:
        raise CaseError("there is no key spacing, without which a volume cannot be scored")
    if spacing.shape != (3,) or spacing.dtype.kind not in "iuf" or not (np.isfinite(spacing) & (spacing > 0)).all():
        raise CaseError(f"spacing is {spacing.tolist()}; it must be three positive numbers, mm along x, y, z")
    return tuple(float(step) for step in spacing[::-1])


def _shape(array: NDArray[Any]) -> str:
    return f"({', '.join(str(length) for length in array.shape)})"
