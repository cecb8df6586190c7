"""The frames of a file: where each is in the patient, and what tells it from others at the same place.

A classic file has one frame, an enhanced one a frame for each item of its functional groups, a Siemens mosaic a frame
for each tile. Positions and directions are those of DICOM: mm, towards left, posterior and head (LPS).
"""

from collections.abc import Iterator
from math import isfinite
from typing import NamedTuple

from curate.dicom.data_set import DataSet, File, Form

Vector = tuple[float, float, float]
MAX_FRAMES = 1 << 20

NOTHING = DataSet(b"", {}, Form(True, "<"))
"""An empty data set."""


class Frame(NamedTuple):
    """One 2D image.

    `number` counts the frames of a file from 0. `position` is the centre of the first pixel, `rows` and `columns` the
    unit vectors along a row (to the next column) and along a column; None where the file gives none. `spacing` is the
    distance of rows and of columns, mm. `echo` is the number of the echo, or its time in ms; `time`, `trigger`,
    `acquisition`, `moment` and `kind` tell frames of one position apart.
    """

    number: int = 0
    position: Vector | None = None
    along_row: Vector | None = None
    along_column: Vector | None = None
    spacing: tuple[float, float] | None = None
    echo: float | None = None
    b_value: float | None = None
    time: float | None = None
    trigger: float | None = None
    acquisition: float | None = None
    moment: str = ""
    kind: str = ""


def frames_of(file: File) -> tuple[Frame, ...]:
    """Return the frames of a file with pixels; those of a file without functional groups have one geometry."""
    count = file.integer("NumberOfFrames", 1)
    groups = FunctionalGroups(file)
    if groups.per_frame:
        return tuple(_enhanced(number, groups) for number in range(len(groups.per_frame)))
    first = _classic(file)
    if "MOSAIC" in file.texts("ImageType"):
        from curate.dicom.mosaic import tiles_of

        return tuple(tiles_of(file, first)) or (first,)
    if count == 1:
        return (first,)
    return tuple(_numbered(file, first, min(max(count, 1), MAX_FRAMES)))


def _classic(file: File) -> Frame:
    kind = file.texts("ImageType")[2:]
    return _frame(
        0,
        file,
        file,
        file,
        echo=file.number("EchoNumbers") or file.number("EchoTime"),
        b_value=_b_value(file),
        time=file.number("TemporalPositionIdentifier"),
        trigger=file.number("TriggerTime"),
        acquisition=file.number("AcquisitionNumber"),
        moment=file.text("FrameReferenceTime") or file.text("AcquisitionTime"),
        kind="\\".join(kind),
    )


def _numbered(file: File, first: Frame, count: int) -> Iterator[Frame]:
    """Yield the frames of a classic multi-frame file; those of nuclear medicine are slices with an even distance."""
    detector = file.item("DetectorInformationSequence")
    step = file.number("SpacingBetweenSlices")
    if detector is not None and step and "TOMO" in file.text("ImageType") and "RECON" in file.text("ImageType"):
        placed = _frame(0, detector, detector, file)
        if placed.position is not None and placed.along_row is not None and placed.along_column is not None:
            normal = cross(placed.along_row, placed.along_column)
            for number in range(count):
                x, y, z = (p + number * step * n for p, n in zip(placed.position, normal, strict=True))
                yield placed._replace(number=number, position=(x, y, z))
            return
    for number in range(count):
        yield first._replace(number=number, position=None)


class FunctionalGroups:
    """What enhanced files say of each frame: in the frame's own item, else in the shared one."""

    def __init__(self, file: DataSet) -> None:
        self.per_frame = file.items("PerFrameFunctionalGroupsSequence")
        self.shared = file.item("SharedFunctionalGroupsSequence")

    def of(self, number: int, keyword: str) -> DataSet:
        """Return the first item of a group of frame `number`, an empty data set where there is none."""
        own = self.per_frame[number].item(keyword) if number < len(self.per_frame) else None
        found = own if own is not None or self.shared is None else self.shared.item(keyword)
        return found if found is not None else NOTHING


def _enhanced(number: int, groups: FunctionalGroups) -> Frame:
    content = groups.of(number, "FrameContentSequence")
    types = (
        groups.of(number, keyword).texts("FrameType")[2:]
        for keyword in ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")
    )
    return _frame(
        number,
        groups.of(number, "PlanePositionSequence"),
        groups.of(number, "PlaneOrientationSequence"),
        groups.of(number, "PixelMeasuresSequence"),
        echo=groups.of(number, "MREchoSequence").number("EffectiveEchoTime"),
        b_value=groups.of(number, "MRDiffusionSequence").number("DiffusionBValue"),
        time=content.number("TemporalPositionIndex"),
        trigger=groups.of(number, "CardiacSynchronizationSequence").number("NominalCardiacTriggerDelayTime"),
        acquisition=content.number("FrameAcquisitionNumber"),
        moment=content.text("FrameAcquisitionDateTime"),
        kind="\\".join(next(filter(None, types), ())),
    )


def _frame(
    number: int,
    place: DataSet,
    directions: DataSet,
    measures: DataSet,
    echo: float | None = None,
    b_value: float | None = None,
    time: float | None = None,
    trigger: float | None = None,
    acquisition: float | None = None,
    moment: str = "",
    kind: str = "",
) -> Frame:
    cosines = directions.numbers("ImageOrientationPatient")
    position = place.numbers("ImagePositionPatient")
    along_row = along_column = None
    if len(cosines) == 6 and all(map(isfinite, cosines)):
        along_row, along_column = _unit(cosines[:3]), _unit(cosines[3:])
    spacing = measures.numbers("PixelSpacing")
    return Frame(
        number,
        (position[0], position[1], position[2]) if len(position) == 3 and all(map(isfinite, position)) else None,
        along_row,
        along_column,
        (spacing[0], spacing[1]) if len(spacing) == 2 and all(0 < s < 1e4 for s in spacing) else None,
        echo,
        b_value,
        time,
        trigger,
        acquisition,
        moment,
        kind,
    )


def cross(a: Vector, b: Vector) -> Vector:
    """Return the cross product: of the directions of a row and a column, the normal of the image."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _unit(vector: tuple[float, ...]) -> Vector | None:
    """Return a vector of length 1, None for one that is no direction cosine."""
    x, y, z = vector
    length = (x * x + y * y + z * z) ** 0.5
    return (x / length, y / length, z / length) if 0.9 < length < 1.1 else None


def _b_value(file: File) -> float | None:
    """Return the b-value in s/mm^2 as the standard has it, else as the maker of the scanner writes it."""
    value = file.number("DiffusionBValue")
    if value is not None:
        return value
    maker = file.text("Manufacturer").upper()
    if "SIEMENS" in maker:
        return file.number("SiemensBValue")
    if "PHILIPS" in maker:
        return file.number("PhilipsBValue")
    value = file.number("GEBValue") if maker.startswith("GE") else None
    return None if value is None else value % 100_000  # newer systems add 10^9
