"""What the index holds of a file: enough to choose, split and order images, and to match labels to them.

Names, dates and ids other than those needed to tell patients, studies and series apart are not read.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from curate.dicom.data_set import DataSet, DicomError, File, read_file
from curate.dicom.frames import Frame, frames_of
from curate.labels.named import Named

_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"


class Kind(StrEnum):
    """What a file is."""

    IMAGE = "image"
    SEG = "seg"
    RTSTRUCT = "rtstruct"
    OTHER = "other"  # DICOM without an image: reports, presentation states, plans, DICOMDIR
    DAMAGED = "damaged"
    FOREIGN = "foreign"  # not DICOM


@dataclass(frozen=True)
class Instance:
    """One file of a folder.

    `path` is relative to the folder, `size` in bytes and `mtime` in ns tell whether it has changed. `note` says why a
    damaged file cannot be read. `tiles` is the number of tiles of a mosaic, `frames` are empty where the file is no
    image. `names` are the labels of segments or the names of ROIs, with their `numbers` and coded types;
    `refers_series` and `refers_images` are the UIDs that a label refers to, `frames_of_reference` the spaces it is in.
    """

    path: str
    size: int
    mtime: int
    kind: Kind
    note: str = ""
    sop_class: str = ""
    sop_uid: str = ""
    syntax: str = ""
    patient_id: str = ""
    study_uid: str = ""
    series_uid: str = ""
    frames_of_reference: tuple[str, ...] = ()
    modality: str = ""
    description: str = ""
    study_description: str = ""
    protocol: str = ""
    body_part: str = ""
    manufacturer: str = ""
    model: str = ""
    image_type: str = ""
    sequence_name: str = ""
    contrast: str = ""
    kernel: str = ""
    view: str = ""
    laterality: str = ""
    number: int | None = None
    instance_number: int | None = None
    thickness: float | None = None
    repetition_time: float | None = None
    field_strength: float | None = None
    rows: int = 0
    columns: int = 0
    samples: int = 1
    photometric: str = ""
    bits: int = 0
    burned_in: bool = False
    tiles: int = 0
    frame_count: int = 0
    frames: tuple[Frame, ...] = ()
    names: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    refers_series: tuple[str, ...] = ()
    refers_images: tuple[str, ...] = field(default=(), repr=False)


def read_instance(root: Path, path: str, size: int, mtime: int) -> Instance:
    """Return what the header of a file says; a file that is not DICOM, or is damaged, comes back as such."""
    try:
        file = read_file(root / path)
        return _instance(file, path, size, mtime)
    except DicomError as error:
        foreign = str(error) == "it is not DICOM"
        return Instance(path, size, mtime, Kind.FOREIGN if foreign else Kind.DAMAGED, "" if foreign else str(error))
    except OSError as error:
        return Instance(path, size, mtime, Kind.DAMAGED, error.strerror or "it cannot be opened")
    except (ValueError, ArithmeticError, LookupError, MemoryError, struct.error) as error:
        return Instance(path, size, mtime, Kind.DAMAGED, f"its header cannot be read ({type(error).__name__})")


def _instance(file: File, path: str, size: int, mtime: int) -> Instance:
    sop_class = file.text("SOPClassUID") or file.media
    kind = _kind(file, sop_class)
    frames = frames_of(file) if kind == Kind.IMAGE else ()
    series: dict[str, None] = {}
    images: dict[str, None] = {}
    spaces = dict.fromkeys(filter(None, [file.text("FrameOfReferenceUID")]))
    named: list[Named] = []
    if kind == Kind.SEG:
        named = segments_of(file)
        _add_references(_of_segmentation(file), series, images)
    elif kind == Kind.RTSTRUCT:
        named = regions_of(file)
        for space in file.items("ReferencedFrameOfReferenceSequence"):
            spaces |= dict.fromkeys(filter(None, [space.text("FrameOfReferenceUID")]))
        _add_references(_of_structure_set(file), series, images)
    return Instance(
        path=path,
        size=size,
        mtime=mtime,
        kind=kind,
        sop_class=sop_class,
        sop_uid=file.text("SOPInstanceUID"),
        syntax=file.syntax,
        patient_id=file.text("PatientID"),
        study_uid=file.text("StudyInstanceUID"),
        series_uid=file.text("SeriesInstanceUID"),
        frames_of_reference=tuple(spaces),
        modality=file.text("Modality"),
        description=file.text("SeriesDescription"),
        study_description=file.text("StudyDescription"),
        protocol=file.text("ProtocolName"),
        body_part=file.text("BodyPartExamined"),
        manufacturer=file.text("Manufacturer"),
        model=file.text("ManufacturerModelName"),
        image_type=file.text("ImageType"),
        sequence_name=file.text("SequenceName"),
        contrast=file.text("ContrastBolusAgent"),
        kernel=file.text("ConvolutionKernel"),
        view=file.text("ViewPosition"),
        laterality=file.text("ImageLaterality") or file.text("Laterality"),
        number=_whole(file, "SeriesNumber"),
        instance_number=_whole(file, "InstanceNumber"),
        thickness=file.number("SliceThickness"),
        repetition_time=file.number("RepetitionTime"),
        field_strength=file.number("MagneticFieldStrength"),
        rows=file.integer("Rows"),
        columns=file.integer("Columns"),
        samples=file.integer("SamplesPerPixel", 1),
        photometric=file.text("PhotometricInterpretation"),
        bits=file.integer("BitsAllocated"),
        burned_in=file.text("BurnedInAnnotation").upper() == "YES",
        tiles=len(frames) if "MOSAIC" in file.texts("ImageType") and len(frames) > 1 else 0,
        frame_count=file.integer("NumberOfFrames", 1) if file.pixels is not None else 0,
        frames=frames,
        names=tuple(one.name for one in named),
        numbers=tuple(str(one.number) for one in named),
        codes=tuple(one.code for one in named),
        refers_series=tuple(series),
        refers_images=tuple(images),
    )


def segments_of(file: DataSet) -> list[Named]:
    """Return the segments of a SEG, but for the background of a label map, which has number 0."""
    found = []
    for segment in file.items("SegmentSequence"):
        number = segment.integer("SegmentNumber")
        kind = segment.item("SegmentedPropertyTypeCodeSequence")
        code = f"{kind.text('CodingSchemeDesignator')}:{kind.text('CodeValue')}" if kind is not None else ""
        if number:
            found.append(Named(number, segment.text("SegmentLabel"), code))
    return found


def regions_of(file: DataSet) -> list[Named]:
    """Return the regions of interest of an RTSTRUCT."""
    return [
        Named(region.integer("ROINumber"), region.text("ROIName")) for region in file.items("StructureSetROISequence")
    ]


def _kind(file: File, sop_class: str) -> Kind:
    if sop_class in _SEGMENTATIONS:
        return Kind.SEG
    if sop_class == _STRUCTURE_SET:
        return Kind.RTSTRUCT
    is_image = file.pixels is not None and file.integer("Rows") > 0 and file.integer("Columns") > 0
    return Kind.IMAGE if is_image and sop_class != _DOSE else Kind.OTHER


def _whole(file: File, keyword: str) -> int | None:
    return file.integer(keyword) if file.number(keyword) is not None else None


def _add_references(found: Iterator[tuple[str, str]], series: dict[str, None], images: dict[str, None]) -> None:
    for series_uid, image_uid in found:
        if series_uid:
            series[series_uid] = None
        if image_uid:
            images[image_uid] = None


def _of_segmentation(file: File) -> Iterator[tuple[str, str]]:
    """Yield (series, image) that a segmentation was made of; either may be empty."""
    for referenced in file.items("ReferencedSeriesSequence"):
        uid = referenced.text("SeriesInstanceUID")
        yield uid, ""
        for image in referenced.items("ReferencedInstanceSequence"):
            yield uid, image.text("ReferencedSOPInstanceUID")
    shared = file.items("SharedFunctionalGroupsSequence")
    for groups in (*shared, *file.items("PerFrameFunctionalGroupsSequence")):
        for derivation in groups.items("DerivationImageSequence"):
            for image in derivation.items("SourceImageSequence"):
                yield "", image.text("ReferencedSOPInstanceUID")


def _of_structure_set(file: File) -> Iterator[tuple[str, str]]:
    """Yield (series, image) that contours were drawn on, from the contours themselves where the header has none."""
    found = False
    for space in file.items("ReferencedFrameOfReferenceSequence"):
        for study in space.items("RTReferencedStudySequence"):
            for referenced in study.items("RTReferencedSeriesSequence"):
                uid = referenced.text("SeriesInstanceUID")
                yield uid, ""
                for image in referenced.items("ContourImageSequence"):
                    found = True
                    yield uid, image.text("ReferencedSOPInstanceUID")
    if not found:
        for contour in _contours(file):
            for image in contour.items("ContourImageSequence"):
                yield "", image.text("ReferencedSOPInstanceUID")


def _contours(file: File) -> Iterator[DataSet]:
    for roi in file.items("ROIContourSequence"):
        yield from roi.items("ContourSequence")
