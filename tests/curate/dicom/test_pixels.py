"""Pixels of every syntax: against pydicom, SimpleITK, and the same pixels in another syntax."""

import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses
from numpy.typing import NDArray
from pydicom import config
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut
from pydicom.uid import UID

from curate.dicom.compressed import can_decode
from curate.dicom.data_set import DicomError, read_file
from curate.dicom.pixels import form_of, read_frames
from tests.curate.dicom.make import image, noise, save

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
FOLDERS = ("dicom_oracles", "IBSI_STS/dicom", "dcmqi", "highdicom", "Brain-Tumor-Progression")
DAMAGED = {
    "MR_truncated.dcm": "pixels break off: 8130 bytes of 8192",
    "JPEG2000-embedded-sequence-delimiter.dcm": "1024 x 3722445056 x 1, its header says 1024 x 256 x 1",
}


@pytest.fixture(autouse=True)
def _pydicom_takes_anything(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.IGNORE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def frames_in(path: Path) -> NDArray[Any]:
    """All frames of a file."""
    file = read_file(path, whole=True)
    return np.stack(list(read_frames(file, range(form_of(file).frames))))


def _by_pydicom(path: Path) -> NDArray[Any] | None:
    """The frames as pydicom has them, None where it cannot read them."""
    try:
        one = pydicom.dcmread(path)
        pixels = one.pixel_array
    except Exception:
        return None
    if one.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, one)
        pixels = pixels >> 8 if pixels.max() > 255 else pixels
    return pixels if int(one.get("NumberOfFrames") or 1) > 1 else pixels[np.newaxis]


def _compare(paths: Iterator[Path]) -> tuple[int, int]:
    """Compare all images with pydicom; return how many there are, and how many of these pydicom cannot decode."""
    compared = alone = 0
    for path in paths:
        try:
            file = read_file(path)
        except DicomError:
            continue
        if file.pixels is None or not file.integer("Rows"):
            continue
        if path.name in DAMAGED:
            with pytest.raises(DicomError, match=DAMAGED[path.name]):
                frames_in(path)
            continue
        ours, theirs = frames_in(path), _by_pydicom(path)
        if theirs is None:
            alone += 1
            continue
        assert np.array_equal(ours, theirs), path.name
        compared += 1
    return compared, alone


def test_pydicoms_own_files() -> None:
    assert _compare(iter(sorted(TEST_FILES.glob("*.dcm")))) == (56, 4)


def test_every_real_image(shared_data: Path) -> None:
    paths = (path for folder in FOLDERS for path in sorted((shared_data / folder).rglob("*")) if path.is_file())
    compared, alone = _compare(paths)
    assert compared > 410
    assert alone < 20  # lossless JPEG, deflated frames, RLE of bits, and a file without the usual beginning


@pytest.mark.parametrize(
    ("plain", "others"),
    [
        ("emri_small.dcm", ["emri_small_big_endian.dcm", "emri_small_RLE.dcm", "emri_small_jpeg_2k_lossless.dcm",
                            "emri_small_jpeg_ls_lossless.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm"]),
        ("MR2_UNCR.dcm", ["MR2_J2KR.dcm"]),
        ("693_UNCR.dcm", ["693_J2KR.dcm"]),
        ("US1_UNCR.dcm", ["US1_J2KR.dcm"]),
        ("OBXXXX1A.dcm", ["OBXXXX1A_expb.dcm", "OBXXXX1A_rle.dcm"]),
        ("OBXXXX1A_2frame.dcm", ["OBXXXX1A_expb_2frame.dcm", "OBXXXX1A_rle_2frame.dcm"]),
        ("SC_rgb.dcm", ["SC_rgb_expb.dcm"]),
        ("SC_rgb_16bit_2frame.dcm", ["SC_rgb_expb_16bit_2frame.dcm"]),
        ("SC_rgb_32bit_2frame.dcm", ["SC_rgb_expb_32bit_2frame.dcm"]),
        ("color-px.dcm", ["color-pl.dcm"]),
        ("gdcm-US-ALOKA-16.dcm", ["gdcm-US-ALOKA-16_big.dcm"]),
        ("liver.dcm", ["liver_deflate.dcm", "liver_expb.dcm", "liver_j2k.dcm", "liver_rle.dcm"]),
        ("liver_nonbyte_aligned.dcm", ["liver_nonbyte_aligned_deflate.dcm", "liver_nonbyte_aligned_j2k.dcm",
                                       "liver_nonbyte_aligned_rle.dcm"]),
    ],
)  # fmt: skip
def test_the_same_pixels_in_several_syntaxes(plain: str, others: list[str], oracles: Path) -> None:
    folder = oracles / "pydicom_data/data_store/data"
    expected = frames_in(folder / plain)
    for other in others:
        assert np.array_equal(frames_in(folder / other), expected), other


SIMPLEITK_FILES = [
    "JPEG-LL.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "bad_sequence.dcm", "693_J2KR.dcm", "JLSL_16_15_1_1F.dcm",
    "MR2_J2KR.dcm", "emri_small_RLE.dcm", "MR-SIEMENS-DICOM-WithOverlays.dcm", "SC_rgb_16bit.dcm", "US1_J2KR.dcm",
    "color-pl.dcm",
]  # fmt: skip


@pytest.mark.parametrize("name", SIMPLEITK_FILES)
def test_pixels_against_simpleitk(name: str, oracles: Path) -> None:
    path = oracles / "pydicom_data/data_store/data" / name
    file = read_file(path)
    slope, intercept = file.number("RescaleSlope") or 1.0, file.number("RescaleIntercept") or 0.0
    theirs = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    ours = frames_in(path)
    theirs = theirs.reshape(ours.shape)
    assert np.allclose(ours * slope + intercept, theirs, rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
def test_native_pixels_of_every_type(dtype: str, tmp_path: Path) -> None:
    limits = np.iinfo(dtype)
    pixels = np.random.default_rng(0).integers(limits.min, limits.max, (7, 9), dtype, endpoint=True)
    assert np.array_equal(frames_in(save(image(pixels), tmp_path / "x"))[0], pixels)


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_outside_those_stored_are_cleared(signed: int, tmp_path: Path) -> None:
    """Overlays of old files are in the high bits; values of 12 bits have their sign in bit 11."""
    values = np.array([[0, 5, -3, 2047]]) if signed else np.array([[0, 5, 4093, 2047]])
    stored = (values & 0x0FFF | 0x3000).astype(np.uint16)
    one = image(stored, BitsStored=12, HighBit=11, PixelRepresentation=signed)
    assert frames_in(save(one, tmp_path / "x"))[0].tolist() == values.tolist()


def test_pixels_that_are_not_in_the_lowest_bits(tmp_path: Path) -> None:
    values = np.array([[0, 5, 4093, 2047]], np.uint16)
    one = image(values << 4, BitsStored=12, HighBit=15)
    assert frames_in(save(one, tmp_path / "x"))[0].tolist() == values.tolist()


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        ("1.2.840.10008.1.2.4.100", "MPEG2 Main Profile / Main Level"),
        ("1.2.840.10008.1.2.4.94", "JPIP Referenced"),
        ("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile / Level 4.1"),
    ],
)
def test_a_syntax_without_a_decoder_is_named(syntax: str, name: str, tmp_path: Path) -> None:
    one = image(noise((8, 8), "uint8", 0, 255), syntax=UID(syntax), PixelData=encapsulate([b"\0\0\0\0"]))
    assert not can_decode(syntax)
    with pytest.raises(DicomError, match=f"no decoder for the transfer syntax {name}"):
        frames_in(save(one, tmp_path / "x"))


def test_a_compressed_frame_that_claims_more_than_the_header_is_not_decoded(tmp_path: Path) -> None:
    huge = (
        b"\xff\x4f\xff\x51\0\x29\0\0"
        + struct.pack(">8I", 1 << 30, 1 << 30, 0, 0, 1 << 30, 1 << 30, 0, 0)
        + b"\0\1\7\1\1"
    )
    one = image(noise((8, 8), "uint8", 0, 255), syntax=UID("1.2.840.10008.1.2.4.90"), PixelData=encapsulate([huge]))
    with pytest.raises(DicomError, match="its compressed pixels are 1073741824 x 1073741824 x 1"):
        frames_in(save(one, tmp_path / "x"))


def test_a_compressed_frame_that_breaks_off(oracles: Path, tmp_path: Path) -> None:
    data = (oracles / "pydicom_data/data_store/data/MR2_J2KR.dcm").read_bytes()
    (tmp_path / "x").write_bytes(data[: len(data) // 2])
    with pytest.raises(DicomError, match="compressed pixels break off"):
        frames_in(tmp_path / "x")


@pytest.mark.parametrize(
    "tags",
    [{"Rows": 0}, {"Columns": 60_000}, {"NumberOfFrames": 100_000}, {"BitsAllocated": 12}, {"SamplesPerPixel": 7}],
    ids=str,
)
def test_headers_that_claim_what_is_not_there(tags: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(DicomError):
        frames_in(save(image(noise((8, 8)), **tags), tmp_path / "x"))
