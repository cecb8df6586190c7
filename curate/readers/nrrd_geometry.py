"""Where the voxels of an NRRD are: spaces, directions, units and origins, read as ITK reads them."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from curate.imaging.volume import Affine
from curate.readers.detached import lps_to_ras, number, numbers, whole_number

Fields = Mapping[str, str]
"""The fields of a header: their names in lower case without spaces, and their values."""

Direction = list[float] | None
"""The step of an axis in space; None for an axis without one."""

_SPACES: dict[str, tuple[int, tuple[float, float, float]]] = {
    name: (dimension, to_lps)
    for names, dimension, to_lps in (
        (("right-anterior-superior", "ras"), 3, (-1.0, -1.0, 1.0)),
        (("left-anterior-superior", "las"), 3, (1.0, -1.0, 1.0)),
        (("left-posterior-superior", "lps"), 3, (1.0, 1.0, 1.0)),
        (("scanner-xyz", "3d-right-handed", "3d-left-handed"), 3, (1.0, 1.0, 1.0)),  # ITK takes them for LPS
        (("right-anterior-superior-time", "rast"), 4, (-1.0, -1.0, 1.0)),
        (("left-anterior-superior-time", "last"), 4, (1.0, -1.0, 1.0)),
        (("left-posterior-superior-time", "lpst"), 4, (1.0, 1.0, 1.0)),
        (("scanner-xyz-time", "3d-right-handed-time", "3d-left-handed-time"), 4, (1.0, 1.0, 1.0)),
    )
    for name in names
}
_MM = {
    unit: factor
    for units, factor in (
        (("", "mm", "millimeter", "millimetre", "millimeters", "millimetres", "pixel", "pixels", "???"), 1.0),
        (("um", "\xb5m", "\u03bcm", "micron", "microns", "micrometer", "micrometre", "micrometers"), 0.001),
        (("nm", "nanometer", "nanometre", "nanometers"), 1e-6),
        (("cm", "centimeter", "centimetre", "centimeters"), 10.0),
        (("m", "meter", "metre", "meters", "metres"), 1000.0),
    )
    for unit in units
}


def space_of(fields: Fields) -> tuple[int, tuple[float, float, float]]:
    """Return the number of dimensions of the space, 0 where there is none, and the signs that make it LPS."""
    if "space" in fields:
        known = _SPACES.get(fields["space"].lower())
        if known is None:
            raise ValueError(f"its header's space {fields['space'][:80]!r} is not known; known: {', '.join(_SPACES)}")
        return known
    return whole_number(fields.get("spacedimension", "0"), "space dimension", 0, 4), (1.0, 1.0, 1.0)


def directions_of(fields: Fields, dimension: int) -> list[Direction]:
    """Return the direction of each axis in space; raises ValueError where the field is malformed."""
    text = fields.get("spacedirections")
    if text is None:
        return [None] * dimension
    space = space_of(fields)[0]
    vectors: list[Direction] = []
    for vector in re.findall(r"none|\([^()]*\)", text):
        words = vector.strip("()").replace(",", " ")
        unknown = vector == "none" or "nan" in vector.lower()
        vectors.append(None if unknown else numbers(words, space, "space directions"))
    if len(vectors) != dimension:
        raise ValueError(f"its header's space directions must be {dimension} vectors: {text[:80]!r}")
    return vectors


def affine_of(fields: Fields, spatial: Sequence[int], directions: Sequence[Direction]) -> tuple[Affine, bool]:
    """Return (i, j, k, 1) to RAS+ mm, and whether the header gives a position.

    `spatial` are the axes that are i, j, k. Raises ValueError where a field is malformed.
    """
    space, to_lps = space_of(fields)
    if any(direction is not None for direction in directions):
        matrix, origin = _columns([directions[axis] for axis in spatial]), np.zeros(3)
    else:
        matrix, origin = _spacings(fields, spatial, len(directions))
        if space:
            origin[:] = 0
    placed = "spacedirections" in fields or "spaceorigin" in fields or bool(origin.any())
    given = fields.get("spaceorigin", "nan")
    if space and "nan" not in given.lower():
        origin[: min(space, 3)] = numbers(given.strip("() ").replace(",", " "), space, "space origin")[:3]
    to_mm = np.ones(3)
    if space and "spaceunits" in fields:
        units = _quoted(fields["spaceunits"], space, "space units")
        to_mm[: min(space, 3)] = [_to_mm(unit, "space units") for unit in units[:3]]
    affine = np.eye(4)
    signs = np.array(to_lps)
    # without directions axes run to the left, to the back and to the head, whatever the space, as in ITK
    affine[:3, :3] = matrix if "spacedirections" not in fields else signs[:, np.newaxis] * matrix
    affine[:3, 3] = signs * origin
    return lps_to_ras(np.diag([*to_mm, 1.0]) @ affine), placed


def _columns(vectors: Sequence[Direction]) -> NDArray[np.float64]:
    """Return the columns of the matrix; a plane in space gets its normal, of 1 mm, as the third."""
    columns = np.eye(3)
    for axis, vector in enumerate(vectors):
        if vector is not None:
            columns[:, axis] = (*vector, 0.0, 0.0, 0.0)[:3]
    if len(vectors) == 2:
        normal = np.cross(columns[:, 0], columns[:, 1])
        columns[:, 2] = normal / (np.linalg.norm(normal) or 1.0)
    return columns


def _spacings(
    fields: Fields, spatial: Sequence[int], dimension: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the matrix and the origin of a header with `spacings` and `axis mins` in place of directions.

    An axis begins at the border of its first voxel, or, where its centers are `node`, at the centre.
    """
    steps, mins = (_per_axis(fields, key, dimension)[list(spatial)] for key in ("spacings", "axismins"))
    known = np.isfinite(steps).all() and np.isfinite(mins).all()
    quoted = _quoted(fields["units"], dimension, "units") if "units" in fields else [""] * dimension
    units = np.array([_to_mm(quoted[axis], "units") for axis in spatial])
    centers = fields.get("centers", fields.get("centerings", "")).lower().split() or ["cell"] * dimension
    half = np.array([0.0 if centers[axis : axis + 1] == ["node"] else 0.5 for axis in spatial])
    steps = np.where(np.isfinite(steps), steps, 1.0)
    matrix, origin = np.eye(3), np.zeros(3)
    matrix[: len(spatial), : len(spatial)] = np.diag(steps * units)
    if known:
        origin[: len(spatial)] = (mins + half * steps) * units
    return matrix, origin


def _per_axis(fields: Fields, key: str, dimension: int) -> NDArray[np.float64]:
    """Return one number an axis, NaN where the header gives none."""
    words = fields.get(key, "").split() or ["nan"] * dimension
    if len(words) != dimension:
        raise ValueError(f"its header's {key} must be {dimension} numbers: {fields[key][:80]!r}")
    return np.array([number(word, key) for word in words])


def _quoted(text: str, count: int, field: str) -> list[str]:
    words = re.findall(r'"([^"]*)"', text)
    if len(words) != count:
        raise ValueError(f"its header's {field} must be {count} quoted words: {text[:80]!r}")
    return words


def _to_mm(unit: str, field: str) -> float:
    factor = _MM.get(unit.strip().lower())
    if factor is None:
        raise ValueError(f"its header's {field} {unit[:80]!r} is not known; known: {', '.join(filter(None, _MM))}")
    return factor
