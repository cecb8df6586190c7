"""Series to volumes: the affine, the intensities, and what is said of what cannot be read."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut
from pydicom.sequence import Sequence as Items

from catalog.drop_reasons import Reason
from curate.dicom.data_set import DicomError, read_file
from curate.dicom.pixels import form_of
from curate.errors import CaseError
from curate.imaging.voi import apply_voi
from curate.imaging.volume import Volume
from curate.inputs import FileInput
from curate.readers import read, read_header
from tests.curate.dicom.make import image, inputs_in, intensities, noise, only, save, save_series

ORIENTATION = {
    "ax/axasc36": "ax_asc_36sl_9", "ax/axasc36b": "ax_asc_36sl_11", "ax/axint35": "ax_int_35sl_8",
    "cor/corasc36": "cor_asc_36sl_13", "cor/cordesc35": "cor_desc_35sl_17", "sag/sagasc36": "sag_asc_36sl_19",
    "sag/sagint35": "sag_int_35sl_24", "axmb/AxInt36mb": "fMRI_MB_int_26",
}  # fmt: skip

PADDING = -3024.0
"""-2000 with an intercept of -1024: what two of the CT write outside the field of view, where we have background."""


def _canonical(volume: Volume) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Intensities (x, y, z) in RAS+ and their affine."""
    voxels = np.ascontiguousarray(intensities(volume).transpose(2, 1, 0))
    return _as_closest(nib.Nifti1Image(voxels, volume.affine))


def _as_closest(nifti: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
    turned = nib.as_closest_canonical(nifti)
    return np.asanyarray(turned.dataobj), turned.affine


@pytest.mark.parametrize("scan", ["CT", "PET"])
def test_ibsi_series_equal_their_nifti(scan: str, shared_data: Path) -> None:
    volume = only(shared_data / f"IBSI_STS/dicom/STS_002/{scan}")
    ours, affine = _canonical(volume)
    theirs, expected = _as_closest(nib.load(shared_data / f"IBSI_STS/nifti/STS_002/{scan}_image.nii.gz"))
    assert ours.shape == theirs.shape
    assert np.abs(affine - expected).max() < 1e-4
    if scan == "CT":
        assert np.array_equal(ours, theirs)  # 1,105,104 voxels
    else:  # float32, rescaled slice by slice: the last bit differs
        assert np.abs(ours - theirs).max() <= np.spacing(np.float32(theirs.max()))


@pytest.mark.parametrize("folder", ORIENTATION)
def test_mosaics_equal_their_reference(folder: str, oracles: Path) -> None:
    theirs, expected = _as_closest(nib.load(oracles / f"dcm_qa/Ref/{ORIENTATION[folder]}.nii.gz"))
    sources = inputs_in(oracles / "dcm_qa/In/Orientation" / folder)
    assert len(sources) == theirs.shape[3] == 2
    for time, source in enumerate(sources):
        ours, affine = _canonical(read(source))
        assert np.abs(affine - expected).max() < 1e-4
        assert np.array_equal(ours, theirs[..., time])


def test_a_time_series_equals_its_reference(oracles: Path) -> None:
    theirs, expected = _as_closest(nib.load(oracles / "dcm_qa_nih/Ref/DCM2NIIX_regression_test_4.nii.gz"))
    sources = inputs_in(oracles / "dcm_qa_nih")
    assert len(sources) == theirs.shape[3] == 10
    for time, source in enumerate(sources):
        ours, affine = _canonical(read(source))
        assert np.abs(affine - expected).max() < 1e-4
        assert np.array_equal(ours, theirs[..., time])


@pytest.mark.parametrize(
    "folder",
    ["dcmqi/data/segmentations/ct-3slice", "Brain-Tumor-Progression/PGBM-001", "dicom_oracles/rt_utils/tests/mock_data",
     "dicom_oracles/rt_utils/tests/oriented_data"],
)  # fmt: skip
def test_series_equal_what_dcm2niix_makes_of_them(folder: str, shared_data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dcm2niix", "-z", "n", "-f", "%s_%d_%z", "-o", tmp_path, shared_data / folder]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    theirs = [_as_closest(nib.load(path)) for path in sorted(tmp_path.glob("*.nii"))]
    ours = [_canonical(read(source)) for source in inputs_in(shared_data / folder)]
    assert len(ours) == len(theirs) > 0
    for voxels, affine in ours:
        assert any(
            voxels.shape == other.shape
            and np.abs(affine - expected).max() < 1e-3
            and np.allclose(voxels, np.where(other == PADDING, voxels.min(), other), rtol=1e-6, atol=1e-4)
            for other, expected in theirs
        )


def test_every_real_image_equals_pydicom_with_its_modality_lut(shared_data: Path) -> None:
    compared = 0
    for folder in ("dicom_oracles", "IBSI_STS/dicom", "dcmqi", "highdicom", "Brain-Tumor-Progression"):
        for path in sorted((shared_data / folder).rglob("*")):
            compared += _compares_with_pydicom(path) if path.is_file() else False
    assert compared == 350


def _compares_with_pydicom(path: Path) -> bool:
    """Compare a grey image of one frame, but for its padding; tell whether it was."""
    try:
        file = read_file(path)
        if form_of(file).samples != 1 or form_of(file).frames != 1 or file.text("Modality") == "SEG":
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one = pydicom.dcmread(path)
            stored = one.pixel_array
            expected = np.asarray(apply_modality_lut(stored, one), np.float64)
    except (DicomError, RuntimeError, ValueError, AttributeError, pydicom.errors.InvalidDicomError):
        return False
    if one.PhotometricInterpretation == "PALETTE COLOR" or "MOSAIC" in one.get("ImageType", []):
        return False
    ours = intensities(read(FileInput(path.parent, path.name, "dicom")))[0]
    if one.PhotometricInterpretation == "MONOCHROME1":
        expected = 255 - expected
    image_pixels = stored != one.get("PixelPaddingValue", np.inf)
    assert np.allclose(ours[image_pixels], expected[image_pixels], rtol=1e-6), path.name
    return True


def test_slices_with_a_slope_of_their_own_become_float(tmp_path: Path) -> None:
    volume = noise((3, 8, 8), "uint16", 0, 4000)
    for place, plane in enumerate(volume):
        save(image(plane, (0, 0, place), RescaleSlope=0.5 + place, RescaleIntercept=place), tmp_path / str(place))
    found = only(tmp_path)
    assert found.voxels.dtype == np.float32
    assert np.allclose(intensities(found), [plane * (0.5 + k) + k for k, plane in enumerate(volume)])


def test_slices_with_one_slope_stay_as_they_are_stored(tmp_path: Path) -> None:
    volume = noise((3, 8, 8))
    save_series(tmp_path, volume, RescaleSlope=2, RescaleIntercept=-1024)
    found = only(tmp_path)
    assert found.voxels.dtype == np.int16
    assert (found.slope, found.intercept) == (2.0, -1024.0)
    assert np.array_equal(found.voxels, volume)


def test_a_slope_of_zero_is_refused(tmp_path: Path) -> None:
    save_series(tmp_path, noise((2, 8, 8)), RescaleSlope=0, RescaleIntercept=0)
    with pytest.raises(CaseError, match="file 1 of 2 cannot be read: its RescaleSlope is 0"):
        only(tmp_path)


def test_a_modality_table(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [4, 1, 16], "US"
    table.LUTData = np.array([10, 200, 3000, 40000], np.uint16).tobytes()
    table["LUTData"].VR = "OW"
    pixels = np.array([[0, 1, 2], [3, 4, 5]], np.uint16)
    save(image(pixels, ModalityLUTSequence=Items([table])), tmp_path / "x")
    assert intensities(only(tmp_path))[0].tolist() == [[10, 10, 200], [3000, 40000, 40000]]


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_monochrome1_is_turned_over_once(dtype: str, tmp_path: Path) -> None:
    pixels = np.array([[-2048, -1, 0, 2047]] if dtype == "int16" else [[0, 1, 100, 4095]]).astype(dtype)
    save(
        image(pixels, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11, RescaleSlope=2,
              RescaleIntercept=10, WindowCenter=200, WindowWidth=101),
        tmp_path / "x",
    )  # fmt: skip
    found = only(tmp_path)
    mirrored = -1 - pixels.astype(int) if dtype == "int16" else 4095 - pixels.astype(int)
    assert np.array_equal(found.voxels[0], mirrored)
    assert found.voi is not None
    low, high = 200 - 0.5 - 50, 200 - 0.5 + 50  # in the file's intensities: what was at the high end is at the low one
    total = (-1 if dtype == "int16" else 4095) * 2 + 20
    assert (found.voi.low, found.voi.high) == (total - high, total - low)


def test_a_negative_slope_is_not_monochrome1(tmp_path: Path) -> None:
    pixels = noise((8, 8))
    save(image(pixels, RescaleSlope=-1, RescaleIntercept=5), tmp_path / "x")
    assert np.array_equal(intensities(only(tmp_path))[0], 5 - pixels.astype(float))


@pytest.mark.parametrize(
    ("pixels", "tags", "expected"),
    [
        ([[-2000, -900, 50]], {"PixelPaddingValue": -2000}, [[-900, -900, 50]]),
        ([[-2000, 100, 50]], {"PixelPaddingValue": -2000}, [[0, 100, 50]]),
        ([[-2000, -1990, 50]], {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1980}, [[0, 0, 50]]),
        ([[0, 100, 50]], {"PixelPaddingValue": 0}, [[0, 100, 50]]),
        ([[30, 100, 50]], {"PixelPaddingValue": 100, "PhotometricInterpretation": "MONOCHROME1"}, [[-31, -51, -51]]),
    ],
)
def test_padding_is_background(pixels: Any, tags: dict[str, Any], expected: Any, tmp_path: Path) -> None:
    one = image(np.array(pixels, np.int16), **tags)
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        if keyword in one:
            one[keyword].VR = "SS"
    save(one, tmp_path / "x")
    assert only(tmp_path).voxels[0].tolist() == expected


@pytest.mark.parametrize(
    ("tags", "value", "expected"),
    [
        ({"WindowCenter": 40, "WindowWidth": 400}, -160, 0),  # C.11.2.1.2.1: x <= c - 0.5 - (w - 1) / 2
        ({"WindowCenter": 40, "WindowWidth": 400}, 239, 255),
        ({"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "LINEAR_EXACT"}, 240, 255),
        ({"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "LINEAR_EXACT"}, 40, 128),
        ({"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"}, 40, 128),
        ({"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"}, 140, 186),  # 255 / (1 + exp(-1))
        ({"WindowCenter": [40, 500], "WindowWidth": [400, 10]}, 239, 255),
    ],
)
def test_the_window_of_the_file(tags: dict[str, Any], value: int, expected: int, tmp_path: Path) -> None:
    save(image(np.array([[value, -1000]], np.int16), **tags), tmp_path / "x")
    found = only(tmp_path)
    assert found.voi is not None
    assert apply_voi(found.voi, found.voxels, found.slope, found.intercept)[0, 0, 0] == expected


def test_the_voi_table_of_a_file(oracles: Path) -> None:
    path = oracles / "pydicom_data/data_store/data/vlut_04.dcm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = pydicom.dcmread(path)
        expected = pydicom.pixels.apply_voi(one.pixel_array, one)
    found = read(path)
    assert found.voi is not None
    assert found.voi.table is not None
    ours = apply_voi(found.voi, found.voxels)[0]
    bits = int(one.VOILUTSequence[0].LUTDescriptor[2])
    assert np.abs(ours - expected / (2**bits - 1) * 255).max() <= 0.5


def test_windows_that_differ_from_slice_to_slice_give_one_for_all(tmp_path: Path) -> None:
    for place, (centre, width) in enumerate(((100, 201), (120, 241), (90, 181))):
        save(image(noise((8, 8)), (0, 0, place), WindowCenter=centre, WindowWidth=width), tmp_path / str(place))
    voi = only(tmp_path).voi
    assert voi is not None
    assert (voi.low, voi.high) == (-0.5, 199.5)


def _enhanced(volume: NDArray[Any], **tags: Any) -> Dataset:
    one = image(volume[0], None, NumberOfFrames=len(volume), PixelData=volume.tobytes(), **tags)
    one.SOPClassUID = "1.2.840.10008.5.1.4.1.1.130"
    shared = Dataset()
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.25], 9
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Items([orientation]), Items([measures])
    one.SharedFunctionalGroupsSequence = Items([shared])
    one.PerFrameFunctionalGroupsSequence = Items()
    for number in range(len(volume)):
        groups, position, value = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [-10, -20, 3.0 * (len(volume) - 1 - number)]
        value.RescaleSlope, value.RescaleIntercept = 1 + number, -number
        groups.PlanePositionSequence = Items([position])
        groups.PixelValueTransformationSequence = Items([value])
        one.PerFrameFunctionalGroupsSequence.append(groups)
    return one


def test_an_enhanced_file_has_place_and_slope_per_frame(tmp_path: Path) -> None:
    volume = noise((4, 6, 8), "uint16", 0, 1000)
    save(_enhanced(volume, Modality="PT"), tmp_path / "x")
    found = only(tmp_path)
    expected = [plane * (1.0 + n) - n for n, plane in enumerate(volume)][::-1]  # the frames run from the head down
    assert np.allclose(intensities(found), expected)
    assert found.affine is not None
    assert found.affine.tolist() == [[-0.25, 0, 0, 10], [0, -0.5, 0, 20], [0, 0, 3, 0], [0, 0, 0, 1]]


def test_times_of_an_enhanced_file_are_stacks_of_their_own(tmp_path: Path) -> None:
    volume = noise((6, 6, 8), "uint16", 0, 1000)
    one = _enhanced(volume, Modality="PT")
    for number, groups in enumerate(one.PerFrameFunctionalGroupsSequence):
        content = Dataset()
        content.TemporalPositionIndex = 1 + number % 2
        groups.FrameContentSequence = Items([content])
        groups.PlanePositionSequence[0].ImagePositionPatient = [0, 0, float(number // 2)]
    save(one, tmp_path / "x")
    first, second = (read(source) for source in inputs_in(tmp_path))
    assert np.allclose(intensities(first)[1], volume[2] * 3.0 - 2)
    assert np.allclose(intensities(second)[1], volume[3] * 4.0 - 3)


def test_a_film_is_read_as_frames(tmp_path: Path) -> None:
    frames = noise((5, 8, 8), "uint8", 0, 255)
    save(image(frames[0], None, NumberOfFrames=5, PixelData=frames.tobytes(), Modality="US"), tmp_path / "x.dcm")
    found = read(tmp_path / "x.dcm")
    assert np.array_equal(found.voxels, frames)
    assert found.affine is None
    assert found.uneven is not None
    assert "film" in found.uneven.reason


def test_colours(tmp_path: Path) -> None:
    pixels = noise((6, 8, 3), "uint8", 0, 255)
    save(image(pixels, None, Modality="ES"), tmp_path / "x.dcm")
    found = read(tmp_path / "x.dcm")
    assert found.flat
    assert np.array_equal(found.voxels, pixels[np.newaxis])
    assert read_header(tmp_path / "x.dcm").shape == (8, 6, 1, 3)


def test_float_pixels(oracles: Path) -> None:
    folder = oracles / "pydicom_data/data_store/data"
    assert read(folder / "parametric_map_float.dcm").voxels.dtype == np.float32
    assert read(folder / "parametric_map_double_float.dcm").voxels.dtype == np.float64


def test_the_header_says_how_much_memory_a_series_takes(tmp_path: Path) -> None:
    save_series(tmp_path, noise((3, 6, 8)))
    (source,) = inputs_in(tmp_path)
    assert read_header(source).shape == (8, 6, 3)
    assert read_header(source).nbytes == 3 * 6 * 8 * 2
    with pytest.raises(CaseError, match="the limit is") as caught:
        read(source, limit=100)
    assert caught.value.reason == Reason.MEMORY


def test_a_file_that_vanished_or_changed_its_shape(tmp_path: Path) -> None:
    save_series(tmp_path, noise((3, 6, 8)))
    (source,) = inputs_in(tmp_path)
    save(image(noise((6, 6)), (0, 0, 1)), tmp_path / "001.dcm")
    with pytest.raises(CaseError, match="0, file 2 of 3 cannot be read: its image has 6 x 6 pixels"):
        read(source)
    (tmp_path / "001.dcm").unlink()
    with pytest.raises(CaseError, match="file 2 of 3 cannot be read: No such file"):
        read(source)


def test_a_series_has_no_channels(tmp_path: Path) -> None:
    save_series(tmp_path, noise((3, 6, 8)))
    (source,) = inputs_in(tmp_path)
    with pytest.raises(CaseError, match="it has no channel 1"):
        read(source, 1)


@pytest.mark.parametrize(("name", "hint"), [("dcmqi/data/segmentations/liver.dcm", "dicom_seg"),
                                            ("IBSI_STS/dicom/STS_002/CT/mask/RS.dcm", "rtstruct")])  # fmt: skip
def test_a_label_object_is_no_image(name: str, hint: str, shared_data: Path) -> None:
    with pytest.raises(CaseError, match=hint):
        read(shared_data / name)


def test_notes_of_what_a_user_should_know(tmp_path: Path) -> None:
    save_series(tmp_path, noise((3, 8, 8)), [0, 1, 1], BurnedInAnnotation="YES")
    assert only(tmp_path).notes == (
        "1 images were left out: another one is at the same position",
        "text is burned into the pixels (BurnedInAnnotation), possibly names",
    )
