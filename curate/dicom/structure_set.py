"""RTSTRUCT: the contours of each region of interest (DICOM PS3.3 C.8.8.5 and C.8.8.6)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curate.dicom.data_set import DataSet, DicomError, read_file
from curate.dicom.instance import regions_of
from curate.labels.named import Named

_CLOSED = frozenset({"CLOSED_PLANAR", "CLOSEDPLANAR_XOR", ""})


@dataclass(frozen=True)
class Region:
    """A region of interest: its closed contours, each (n, 3) in mm, LPS; `passed_over` counts others by their type."""

    named: Named
    contours: tuple[NDArray[np.float64], ...]
    passed_over: dict[str, int] = field(default_factory=dict)


class StructureSet:
    """The regions of a file, whose contours are read one region at a time."""

    def __init__(self, path: Path, limit: int) -> None:
        """Read the file; raises DicomError where it is damaged or is no RTSTRUCT, OSError where it cannot be read."""
        file = read_file(path, whole=True, limit=limit)
        self.regions = tuple(regions_of(file))
        self._contours: dict[int, list[DataSet]] = {}
        for region in file.items("ROIContourSequence"):
            self._contours.setdefault(region.integer("ReferencedROINumber", -1), []).append(region)
        if not self.regions:
            raise DicomError("it is not a DICOM structure set (RTSTRUCT), or has no region")

    def region(self, named: Named) -> Region:
        """Return a region with its contours; it may have none."""
        contours, passed_over = [], dict[str, int]()
        for kind, points in self._points(named):
            if kind in _CLOSED and points is not None:
                contours.append(points)
            else:
                reason = kind.lower() if kind not in _CLOSED else "damaged"
                passed_over[reason] = passed_over.get(reason, 0) + 1
        return Region(named, tuple(contours), passed_over)

    def _points(self, named: Named) -> Iterator[tuple[str, NDArray[np.float64] | None]]:
        """Yield the type and the points of each contour, None where they cannot be read or enclose nothing."""
        for region in self._contours.get(named.number, ()):
            for contour in region.items("ContourSequence"):
                kind = contour.text("ContourGeometricType").upper()
                try:
                    values = np.array(contour.raw("ContourData").rstrip(b" \0").split(b"\\"), np.float64)
                except ValueError:
                    yield kind, None
                    continue
                sound = values.size >= 9 and values.size % 3 == 0 and bool(np.isfinite(values).all())
                yield kind, values.reshape(-1, 3) if sound else None
