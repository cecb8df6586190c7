"""Seeds of DICOM for `benchmarks.fuzz`: files of several syntaxes, series, a SEG and an RTSTRUCT with their images.

Images and labels are read as a run reads them: indexed, stacked, decoded, and labels placed on the first volume.
"""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

SUFFIX = ".dcm"


def seeds() -> dict[str, Callable[[Path], Any]]:
    """Return a writer of a small sound folder for each name; the main file is the one damaged most often."""
    import shutil

    import pydicom

    files = Path(pydicom.__file__).parent / "data" / "test_files"
    single = {
        "explicit": "MR_small", "implicit": "MR_small_implicit", "big": "MR_small_bigendian", "rle": "MR_small_RLE",
        "jpeg2000": "MR_small_jp2klossless", "jpegls": "MR_small_jpeg_ls_lossless", "deflated": "image_dfl",
        "jpeg": "SC_rgb_jpeg_dcmd", "lossless": "SC_rgb_jpeg_gdcm", "palette": "examples_palette", "ct": "CT_small",
        "ybr": "SC_ybr_full_422_uncompressed", "frames": "SC_rgb_rle_2frame", "plain": "ExplVR_LitEndNoMeta",
    }  # fmt: skip

    def copy(name: str) -> Callable[[Path], Any]:
        return lambda path: shutil.copy(files / f"{name}.dcm", path)

    return {
        **{f"{name}{SUFFIX}": copy(file) for name, file in single.items()},
        f"series{SUFFIX}": _series,
        f"enhanced{SUFFIX}": _enhanced,
        f"seg{SUFFIX}": lambda path: _labelled(path, _segmentation),
        f"rtstruct{SUFFIX}": lambda path: _labelled(path, _structure_set),
    }


def read_folder(folder: Path, limit: int) -> None:
    """Read everything in a folder; raises CaseError where nothing can be read."""
    from catalog.drop_reasons import Reason
    from curate.dicom.index import read_index
    from curate.dicom.instance import Kind
    from curate.dicom.series_input import series_input
    from curate.dicom.stacks import series_of, stacks_of
    from curate.errors import CaseError
    from curate.inputs import FileInput
    from curate.labels.base import LabelFile
    from curate.labels.registry import ENCODINGS
    from curate.readers import read
    from curate.recipe.load import parse_recipe

    os.environ["XDG_CACHE_HOME"] = str(folder / ".cache")
    index = read_index(folder, fresh=True)
    trouble: CaseError | None = None
    volumes = []
    for series in series_of(index.instances):
        for stack in stacks_of(series):
            try:
                volumes.append(read(series_input(folder, stack, "series/x"), limit=limit))
            except CaseError as error:
                trouble = error
    for kind in (Kind.SEG, Kind.RTSTRUCT):
        encoding = "dicom_seg" if kind == Kind.SEG else "rtstruct"
        recipe = parse_recipe(
            f"name: X\nlicense: {{name: x}}\nmodality: MR\nanatomy: other\ncases: {{series: {{}}}}\n"
            f"encoding: {encoding}\nlabels: {{all: '.*'}}\n",
            Path("x.yaml"),
        )
        for instance in index.of_kind(kind) if volumes else ():
            files = [LabelFile("", FileInput(folder, instance.path, "dicom"), limit)]
            try:
                ENCODINGS[encoding].decode(recipe.groups[0], files, volumes[0])
            except CaseError as error:
                trouble = error
    if trouble is not None:
        raise trouble
    if not volumes:
        raise CaseError(Reason.UNREADABLE, "no image in the folder")


def _images(folder: Path, count: int = 4) -> list[Any]:
    """Write axial slices of 16 x 20 pixels; return their data sets."""
    import numpy as np
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    made = []
    for number in range(count):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID, one.SOPInstanceUID = CTImageStorage, generate_uid(entropy_srcs=[str(number)])
        one.PatientID, one.StudyInstanceUID, one.SeriesInstanceUID = "P", "1.2.3", "1.2.4"
        one.FrameOfReferenceUID, one.Modality, one.InstanceNumber = "1.2.5", "CT", number + 1
        one.ImagePositionPatient, one.ImageOrientationPatient = [-5, 7, 2.5 * number], [1, 0, 0, 0, 1, 0]
        one.PixelSpacing, one.SliceThickness = [0.5, 0.5], 2.5
        one.Rows, one.Columns, one.SamplesPerPixel = 16, 20, 1
        one.PhotometricInterpretation, one.PixelRepresentation = "MONOCHROME2", 1
        one.BitsAllocated, one.BitsStored, one.HighBit = 16, 12, 11
        one.RescaleSlope, one.RescaleIntercept, one.WindowCenter, one.WindowWidth = 1 + number, -1024, 40, 400
        one.PixelData = np.arange(320, dtype=np.int16).tobytes()
        _save(one, folder / f"image{number}")
        made.append(one)
    return made


def _save(one: Any, path: Path) -> None:
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one.save_as(path, enforce_file_format=True)


def _series(path: Path) -> None:
    _images(path.parent)
    (path.parent / "image1").rename(path)


def _groups(count: int, segments: int = 0) -> tuple[Any, Any]:
    """Return the shared and the per-frame functional groups of `count` frames."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.5], 2.5
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([orientation]), Sequence([measures])
    frames = []
    for number in range(count):
        groups, position, value = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [-5, 7, 2.5 * (number % 4)]
        value.RescaleSlope, value.RescaleIntercept = 1 + number, 0
        groups.PlanePositionSequence, groups.PixelValueTransformationSequence = Sequence([position]), Sequence([value])
        if segments:
            segment = Dataset()
            segment.ReferencedSegmentNumber = 1 + number // 4
            groups.SegmentIdentificationSequence = Sequence([segment])
        frames.append(groups)
    return Sequence([shared]), Sequence(frames)


def _enhanced(path: Path) -> None:
    import numpy as np

    one = _images(path.parent, 1)[0]
    (path.parent / "image0").unlink()
    one.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    one.NumberOfFrames, one.PixelData = 4, np.arange(1280, dtype=np.int16).tobytes()
    one.SharedFunctionalGroupsSequence, one.PerFrameFunctionalGroupsSequence = _groups(4)
    _save(one, path)


def _labelled(path: Path, make: Callable[[list[Any]], Any]) -> None:
    images = _images(path.parent)
    _save(make(images), path)


def _segmentation(images: list[Any]) -> Any:
    """Return a SEG of two segments on four slices each."""
    import numpy as np
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    one = images[0].copy()
    one.file_meta = images[0].file_meta.copy() if hasattr(images[0].file_meta, "copy") else images[0].file_meta
    one.SOPClassUID, one.SOPInstanceUID, one.Modality = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.66", "SEG"
    one.SegmentationType, one.NumberOfFrames = "BINARY", 8
    one.BitsAllocated = one.BitsStored = 1
    one.HighBit, one.PixelRepresentation = 0, 0
    one.PixelData = np.packbits(np.arange(8 * 320) % 3 == 0, bitorder="little").tobytes()
    one.SegmentSequence = Sequence()
    for number, name in enumerate(("liver", "spleen"), 1):
        segment = Dataset()
        segment.SegmentNumber, segment.SegmentLabel = number, name
        one.SegmentSequence.append(segment)
    one.SharedFunctionalGroupsSequence, one.PerFrameFunctionalGroupsSequence = _groups(8, 2)
    return one


def _structure_set(images: list[Any]) -> Any:
    """Return an RTSTRUCT of one region with a contour and a hole on each slice."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import ExplicitVRLittleEndian

    one, space, region, drawn = Dataset(), Dataset(), Dataset(), Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.SOPClassUID, one.SOPInstanceUID, one.Modality = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.481", "RTSTRUCT"
    one.PatientID, one.StudyInstanceUID, one.SeriesInstanceUID = "P", "1.2.3", "1.2.9"
    space.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    one.ReferencedFrameOfReferenceSequence = Sequence([space])
    region.ROINumber, region.ROIName, drawn.ReferencedROINumber = 1, "GTV", 1
    drawn.ContourSequence = Sequence()
    for image in images:
        z = float(image.ImagePositionPatient[2])
        for low, high in ((0.3, 4.1), (1.3, 2.1)):
            contour = Dataset()
            contour.ContourGeometricType = "CLOSED_PLANAR"
            square = ((low, low), (high, low), (high, high), (low, high))
            contour.ContourData = [value for x, y in square for value in (x - 5, y + 7, z)]
            drawn.ContourSequence.append(contour)
    one.StructureSetROISequence, one.ROIContourSequence = Sequence([region]), Sequence([drawn])
    return one
