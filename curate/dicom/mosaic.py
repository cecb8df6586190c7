"""Siemens mosaics: the slices of a volume as tiles of one 2D image.

The number of tiles and the direction in which they follow each other are in the private CSA header. The position a file
gives is that of the mosaic's first pixel, as if the whole mosaic were one slice.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

from curate.dicom.data_set import DicomError, File

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from curate.dicom.frames import Frame, Vector

_MOST_TAGS = 1000


@dataclass(frozen=True)
class Layout:
    """How tiles lie in a mosaic: their number, and rows and columns of one."""

    tiles: int
    rows: int
    columns: int


def layout_of(rows: int, columns: int, tiles: int) -> Layout:
    """Return the layout of a mosaic of `rows` x `columns` pixels: as many tiles a side as a square needs."""
    side = ceil(sqrt(tiles))
    if tiles < 1 or rows % side or columns % side:
        raise DicomError(f"a mosaic of {rows} x {columns} pixels does not hold {tiles} tiles")
    return Layout(tiles, rows // side, columns // side)


def tiles_of(file: File, first: "Frame") -> "Iterator[Frame]":
    """Yield a frame for each tile of a mosaic whose own frame is `first`; none where its header is no mosaic's."""
    tiles, normal = _header(file)
    step = file.number("SpacingBetweenSlices") or file.number("SliceThickness")
    if not tiles or first.position is None or first.along_row is None or first.along_column is None:
        return
    if normal is None or not step or first.spacing is None:
        return
    rows, columns = file.integer("Rows"), file.integer("Columns")
    layout = layout_of(rows, columns, tiles)
    shift_x = (columns - layout.columns) / 2 * first.spacing[1]
    shift_y = (rows - layout.rows) / 2 * first.spacing[0]
    corner = [
        p + shift_x * r + shift_y * c
        for p, r, c in zip(first.position, first.along_row, first.along_column, strict=True)
    ]
    for number in range(tiles):
        x, y, z = (p + number * step * n for p, n in zip(corner, normal, strict=True))
        yield first._replace(number=number, position=(x, y, z))


def cut(mosaic: "NDArray[Any]", layout: Layout) -> "NDArray[np.generic]":
    """Return the tiles (n, rows, columns) of a mosaic, which lie row by row."""
    side_y, side_x = mosaic.shape[0] // layout.rows, mosaic.shape[1] // layout.columns
    tiles = mosaic.reshape(side_y, layout.rows, side_x, layout.columns).swapaxes(1, 2)
    return tiles.reshape(-1, layout.rows, layout.columns)[: layout.tiles]


def _header(file: File) -> tuple[int, "Vector | None"]:
    """Return the number of tiles and the direction of their order; 0 and None where the header lacks them."""
    found = _csa_values(file.raw("CSAImageHeaderInfo"), {"NumberOfImagesInMosaic", "SliceNormalVector"})
    try:
        tiles = int(found.get("NumberOfImagesInMosaic", ["0"])[0])
        x, y, z = (float(part) for part in found.get("SliceNormalVector", []))
    except (ValueError, IndexError):
        return 0, None
    return tiles, (x, y, z)


def _csa_values(data: bytes, names: set[str]) -> dict[str, list[str]]:
    """Return values of a CSA header by name, as texts.

    The layout is that of nibabel's description (nipy.org/nibabel/dicom/siemens_csa.html): a count of tags, each with a
    name, a count of items, and items of four integers and their bytes, padded to four.
    """
    is_second = data[:4] == b"SV10"
    pos = 8 if is_second else 0
    found: dict[str, list[str]] = {}
    try:
        (count,) = struct.unpack_from("<I", data, pos)
        pos += 8
        items_of_first = 0
        for tag in range(min(count, _MOST_TAGS)):
            name, several, _, _, items, _ = struct.unpack_from("<64si4siii", data, pos)
            pos += 84
            key = name.partition(b"\0")[0].decode("latin-1")
            values = []
            items_of_first = items if tag == 0 else items_of_first
            for _ in range(min(items, _MOST_TAGS)):
                sizes = struct.unpack_from("<4i", data, pos)
                pos += 16
                size = sizes[1] if is_second else sizes[0] - items_of_first
                if not 0 <= size <= len(data) - pos:
                    return found
                values.append(data[pos : pos + size].partition(b"\0")[0].decode("latin-1").strip())
                pos += size + -size % 4
            if key in names:
                found[key] = [value for value in values[: several or None] if value]
    except struct.error:
        pass
    return found
