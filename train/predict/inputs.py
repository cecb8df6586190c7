"""Cases as the challenge "Segment Anything in Medical Images on Laptop" hands them out: one .npz each.

`imgs` holds 8-bit pixels, `boxes` a row a box: x0, y0, x1, y1 on an image and x0, y0, z0, x1, y1, z1 in a volume, whose
slice z1 is inside. A file is called `2DBox_<modality>_<id>.npz` or `3DBox_<modality>_<id>.npz`. `spacing` has no part
in finding masks and is not read.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.predict.errors import CaseError, FolderError

MOST_BYTES = 2 << 30
"""What an array may claim to hold: a laptop has 8 GB, and the masks of a volume take as much again."""
MOST_BOXES = 65535
"""Labels are 16 bits wide at most."""
SHOWN = 3


@dataclass(frozen=True)
class Case:
    """An image (H, W) or (H, W, 3) with boxes (N, 4), or a volume (D, H, W) or (D, H, W, 3) with boxes (N, 6).

    Pixels are uint8. Boxes keep the dtype they were stored in: LiteMedSAM's script scales them in it.
    """

    name: str
    pixels: NDArray[np.uint8]
    boxes: NDArray[Any]

    @property
    def is_volume(self) -> bool:
        """True where boxes have a z range."""
        return bool(self.boxes.shape[1] == 6)

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (D, H, W)."""
        return self.pixels.shape[: 3 if self.is_volume else 2]


def find_cases(folder: Path) -> list[Path]:
    """Return the .npz files of a folder by name.

    Raises:
        FolderError: there is no such folder, or it holds none; the message says what lies there instead.
    """
    if not folder.is_dir():
        raise FolderError(f"{folder} is no folder. Give the one that holds the cases, one .npz each.")
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    cases = [folder / name for name in names if name.endswith(".npz")]
    if not cases:
        there = f"it holds {', '.join(names[:SHOWN])}{', ...' * (len(names) > SHOWN)}" if names else "it is empty"
        raise FolderError(f"{folder} has no case, no .npz file: {there}.")
    return cases


def modality_of(name: str) -> str | None:
    """Return the modality of `3DBox_CT_0566`, CT; None for a name of another form."""
    parts = name.split("_")
    return parts[1] if len(parts) > 2 and parts[0][:2] in ("2D", "3D") else None


def read_case(path: Path) -> Case:
    """Read and check a case.

    Raises:
        CaseError: the file is damaged, lacks a key, or its pixels or boxes are not what they must be.
    """
    imgs, boxes = _read_arrays(path, ("imgs", "boxes"))
    _check_boxes(boxes, path.stem)
    volume = boxes.shape[1] == 6
    layout = "(D, H, W) or (D, H, W, 3)" if volume else "(H, W, 3) or (H, W)"
    plain = 3 if volume else 2
    if imgs.ndim not in (plain, plain + 1) or (imgs.ndim > plain and imgs.shape[-1] != 3) or not imgs.size:
        raise CaseError(f"imgs is {_shape(imgs)}; with boxes of {boxes.shape[1]} numbers it must be {layout}")
    case = Case(path.stem, _to_8bit(imgs), boxes)
    _check_places(case)
    return case


def _read_arrays(path: Path, keys: tuple[str, ...]) -> list[NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            there = [name.removesuffix(".npy") for name in archive.namelist()]
            missing = [key for key in keys if key not in there]
            if missing:
                listed = ", ".join(there) or "none"
                raise CaseError(f"there is no key {' and no '.join(missing)}; the keys are: {listed}")
            return [_read_array(archive, key) for key in keys]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        # RuntimeError: encrypted, or a compression that zipfile does not know
        raise CaseError(f"the file is damaged or no .npz: {next(iter(str(error).splitlines()), '')}") from error
    except MemoryError as error:
        raise CaseError("there is not enough memory to read the file") from error


def _read_array(archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    # The header is read first: what it claims is allocated before the first byte is looked at.
    with archive.open(f"{key}.npy") as file:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
    nbytes = dtype.itemsize
    for length in shape:
        nbytes *= int(length)
    if nbytes > MOST_BYTES:
        raise CaseError(f"{key} claims {shape} of {dtype}, {nbytes / 2**30:.3g} GiB; at most 2 GiB are read")
    with archive.open(f"{key}.npy") as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):  # to the end, since the checksum is looked at there
            raise CaseError(f"{key} is damaged: it is longer than its header says")
    return array


def _check_boxes(boxes: NDArray[Any], name: str) -> None:
    if boxes.dtype.kind not in "iuf":
        raise CaseError(f"boxes are {boxes.dtype}; they must be numbers")
    if not boxes.size:
        raise CaseError("there are no boxes")
    if boxes.ndim != 2 or boxes.shape[1] not in (4, 6):
        raise CaseError(f"boxes are {_shape(boxes)}; they must be (N, 4) on an image, (N, 6) in a volume")
    told = name[:2]
    if told in ("2D", "3D") and told != ("3D" if boxes.shape[1] == 6 else "2D"):
        raise CaseError(f"the name says {told}, but boxes have {boxes.shape[1]} numbers each")
    if len(boxes) > MOST_BOXES:
        raise CaseError(f"there are {len(boxes)} boxes; labels go to {MOST_BOXES}: split the case")


def _to_8bit(imgs: NDArray[Any]) -> NDArray[np.uint8]:
    if imgs.dtype == np.uint8:
        return np.ascontiguousarray(imgs)
    if imgs.dtype.kind not in "iu":
        raise CaseError(f"imgs are {imgs.dtype}; they must be 8-bit, 0 to 255: window and round them first")
    low, high = int(imgs.min()), int(imgs.max())
    if low < 0 or high > 255:
        raise CaseError(f"imgs run from {low} to {high}; they must be 8-bit, 0 to 255: window them first")
    return imgs.astype(np.uint8, order="C")


def _check_places(case: Case) -> None:
    """Every box has an extent and lies inside; its far side may lie on the edge itself."""
    half = case.boxes.shape[1] // 2
    low, high = case.boxes[:, :half], case.boxes[:, half:]
    extent = case.shape[::-1]  # x, y, z
    flat = np.arange(half) < 2
    if case.boxes.dtype.kind == "f":
        _refuse(case.boxes, ~np.isfinite(case.boxes).all(1), "not finite")
        if half == 3:
            whole = case.boxes[:, [2, 5]]
            _refuse(case.boxes, (whole != np.floor(whole)).any(1), "between two slices")
    _refuse(case.boxes, (low > high).any(1), "inverted: x0, y0, z0, x1, y1, z1 is the order" if half == 3
            else "inverted: x0, y0, x1, y1 is the order")  # fmt: skip
    _refuse(case.boxes, ((low == high) & flat).any(1), "empty")  # a z range of one slice is not
    size = " x ".join(str(length) for length in case.shape)
    outside = (low < 0) | (high > extent) | (low >= extent)
    _refuse(case.boxes, outside.any(1), f"outside the {'volume' if half == 3 else 'image'} of {size} pixels")


def _refuse(boxes: NDArray[Any], wrong: Any, what: str) -> None:
    if not wrong.any():
        return
    found = np.flatnonzero(wrong)
    named = ", ".join(f"{i + 1} {boxes[i].tolist()}" for i in found[:SHOWN])
    more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise CaseError(f"{'boxes' if len(found) > 1 else 'box'} {named}{more} of {len(boxes)}: {what}")


def _shape(array: NDArray[Any]) -> str:
    return f"({', '.join(str(length) for length in array.shape)})"
