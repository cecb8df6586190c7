"""DICOM files written by pydicom, for what the real data do not hold."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from curate.dicom.index import read_index
from curate.dicom.series_input import SeriesInput, series_input
from curate.dicom.stacks import Stack, series_of, stacks_of
from curate.imaging.volume import Volume
from curate.readers import read

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
RT_STRUCTURE_SET = UID("1.2.840.10008.5.1.4.1.1.481.3")


def image(
    pixels: NDArray[Any],
    position: Sequence[float] | None = (0, 0, 0),
    syntax: UID = ExplicitVRLittleEndian,
    **tags: Any,
) -> Dataset:
    """An image of a series; `tags` replace or add elements, None takes one out."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = syntax
    one.SOPClassUID, one.SOPInstanceUID = CTImageStorage, generate_uid()
    one.PatientID, one.PatientName = "P1", "Somebody^Else"
    one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = "1.2.3", "1.2.3.4", "1.2.3.5"
    one.Modality, one.SeriesDescription, one.SeriesNumber = "CT", "portal venous", 3
    if position is not None:
        one.ImagePositionPatient, one.ImageOrientationPatient = list(position), list(AXIAL)
        one.PixelSpacing = [1.0, 1.0]
    one.Rows, one.Columns = pixels.shape[:2]
    one.SamplesPerPixel = 1 if pixels.ndim == 2 else pixels.shape[2]
    one.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        one.PlanarConfiguration = 0
    bits = pixels.dtype.itemsize * 8
    one.BitsAllocated, one.BitsStored, one.HighBit = bits, bits, bits - 1
    one.PixelRepresentation = int(pixels.dtype.kind == "i")
    one.PixelData = pixels.tobytes()
    one["PixelData"].VR = "OB" if bits == 8 else "OW"
    for keyword, value in tags.items():
        if value is None:
            del one[keyword]
        else:
            setattr(one, keyword, value)
    return one


def save(one: Dataset, path: Path) -> Path:
    """Write a data set as a file, however odd it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one.save_as(path, enforce_file_format=True)
    return path


def save_series(
    folder: Path, volume: NDArray[Any], places: Sequence[float] | None = None, **tags: Any
) -> list[Dataset]:
    """Write a series of axial slices at these z positions, 1 mm apart by default; return its data sets."""
    made = []
    for number, plane in enumerate(volume):
        z = float(number if places is None else places[number])
        one = image(plane, (0, 0, z), **{"InstanceNumber": number + 1, **tags})
        save(one, folder / f"{number:03d}.dcm")
        made.append(one)
    return made


def noise(shape: tuple[int, ...], dtype: str = "int16", low: int = -1000, high: int = 1000) -> NDArray[Any]:
    """Random pixels."""
    return np.random.default_rng(0).integers(low, high, shape).astype(dtype)


def stacks_in(folder: Path) -> list[Stack]:
    """All stacks of a folder."""
    return [stack for series in series_of(read_index(folder).instances) for stack in stacks_of(series)]


def inputs_in(folder: Path, suv: bool = False) -> list[SeriesInput]:
    """All stacks of a folder as inputs."""
    return [series_input(folder, stack, f"series/{n}", suv) for n, stack in enumerate(stacks_in(folder))]


def only(folder: Path, suv: bool = False) -> Volume:
    """The volume of a folder that holds one."""
    (source,) = inputs_in(folder, suv)
    return read(source)


def intensities(volume: Volume) -> NDArray[np.float64]:
    """Source intensities (k, j, i)."""
    return volume.voxels * volume.slope + volume.intercept


def structure_set(images: Sequence[Dataset], regions: dict[str, list[Any]]) -> Dataset:
    """An RTSTRUCT on these images; a region is a list of contours, each (n, 3) points or (type, points)."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.SOPClassUID, one.SOPInstanceUID = RT_STRUCTURE_SET, generate_uid()
    one.PatientID, one.PatientName, one.Modality = "P1", "Somebody^Else", "RTSTRUCT"
    one.StudyInstanceUID, one.SeriesInstanceUID = "1.2.3", "1.2.3.9"
    one.ReferencedFrameOfReferenceSequence = Items([_space(images)])
    one.StructureSetROISequence = Items()
    one.ROIContourSequence = Items()
    for number, (name, contours) in enumerate(regions.items(), 1):
        region, drawn = Dataset(), Dataset()
        region.ROINumber, region.ROIName = number, name
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = Items()
        for contour in contours:
            kind, points = contour if isinstance(contour, tuple) else ("CLOSED_PLANAR", contour)
            item = Dataset()
            item.ContourGeometricType = kind
            points = np.asarray(points, float)
            item.NumberOfContourPoints = len(points)
            item.ContourData = [f"{value:.6g}" for value in points.reshape(-1)]
            drawn.ContourSequence.append(item)
        one.StructureSetROISequence.append(region)
        one.ROIContourSequence.append(drawn)
    return one


def _space(images: Sequence[Dataset]) -> Dataset:
    space, study, series = Dataset(), Dataset(), Dataset()
    space.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    study.ReferencedSOPInstanceUID = images[0].StudyInstanceUID
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ContourImageSequence = Items()
    for one in images:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
        series.ContourImageSequence.append(item)
    study.RTReferencedSeriesSequence = Items([series])
    space.RTReferencedStudySequence = Items([study])
    return space
