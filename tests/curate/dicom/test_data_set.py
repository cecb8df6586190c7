"""Headers against pydicom: the real files, pydicom's own test files, and the odd ways of writing one."""

import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.multival import MultiValue

from curate.dicom.data_set import DicomError, read_file
from curate.dicom.tags import KEYWORDS
from tests.curate.dicom.make import image, noise, save

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
PRIVATE = {"CSAImageHeaderInfo", "CSASeriesHeaderInfo", "SiemensBValue", "GEBValue", "PhilipsBValue"}
BADLY_WRITTEN = {"badVR.dcm"}
"""A number of frames of `1A`."""


@pytest.fixture(autouse=True)
def _pydicom_takes_anything(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.IGNORE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("keyword", KEYWORDS.keys() - PRIVATE)
def test_tags_are_those_of_the_dictionary(keyword: str) -> None:
    tag, vr = KEYWORDS[keyword]
    assert tag == tag_for_keyword(keyword)
    assert vr in dictionary_VR(tag)


def _compare(path: Path) -> int:
    """Compare every element that is read here; return their number."""
    ours, theirs = read_file(path), pydicom.dcmread(path, stop_before_pixels=True)
    count = 0
    for keyword, (tag, _) in KEYWORDS.items():
        if tag >= 0x7FE00000:
            continue
        assert (keyword in ours) == (tag in theirs), keyword
        if tag not in theirs or theirs[tag].VR in ("OB", "OW"):
            continue
        value, vr = theirs[tag].value, theirs[tag].VR
        count += 1
        if vr == "SQ":
            assert len(ours.items(keyword)) == len(value or ()), keyword
            continue
        values = [] if value in (None, "") else list(value) if isinstance(value, (MultiValue, list)) else [value]
        if vr in ("US", "SS", "UL", "FD", "DS", "IS", "FL"):
            found = ours.numbers(keyword)
            if keyword == "PixelPaddingValue" and found:  # implicit syntaxes leave its sign to the pixels
                found = tuple(v - 65536 if v > 32767 and values[0] < 0 else v for v in found)
            assert found == tuple(float(v) for v in values), keyword
        else:
            assert ours.texts(keyword) == tuple(str(v).strip() for v in values), keyword
    return count


def test_every_header_of_pydicoms_own_files() -> None:
    compared = elements = 0
    for path in sorted(TEST_FILES.glob("*.dcm")):
        try:
            pydicom.dcmread(path, stop_before_pixels=True)
            read_file(path)
        except (DicomError, pydicom.errors.InvalidDicomError):
            continue
        if path.name not in BADLY_WRITTEN:
            elements += _compare(path)
            compared += 1
    assert compared > 70
    assert elements > 1500


def test_every_header_of_the_real_files(shared_data: Path) -> None:
    compared = elements = 0
    for folder in ("dicom_oracles", "IBSI_STS/dicom", "dcmqi", "highdicom", "Brain-Tumor-Progression"):
        for path in sorted((shared_data / folder).rglob("*")):
            try:
                if path.is_file() and pydicom.dcmread(path, stop_before_pixels=True):
                    elements += _compare(path)
                    compared += 1
            except pydicom.errors.InvalidDicomError:
                continue
    assert compared > 400
    assert elements > 15_000


@pytest.mark.parametrize("name", ["ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "rtstruct.dcm"])
def test_a_file_without_the_usual_beginning(name: str) -> None:
    assert (
        read_file(TEST_FILES / name).text("SOPClassUID") == pydicom.dcmread(TEST_FILES / name, force=True).SOPClassUID
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"text of any kind", b"\x89PNG\r\n\x1a\n" + b"\0" * 200, b"\0" * 128 + b"DIC", b"\0" * 5000],
    ids=["empty", "a byte", "text", "png", "almost", "zeros"],
)
def test_what_is_not_dicom(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DicomError, match="not DICOM"):
        read_file(tmp_path / "x")


@pytest.mark.parametrize("at", [133, 140, 200, 300, 400])
def test_a_header_that_breaks_off(at: int, tmp_path: Path) -> None:
    path = save(image(noise((8, 8))), tmp_path / "x.dcm")
    path.write_bytes(path.read_bytes()[:at])
    with pytest.raises(DicomError, match="breaks off"):
        read_file(path)


def test_sequences_nested_without_end_stop(tmp_path: Path) -> None:
    start = b"\0" * 128 + b"DICM" + b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0"
    deep = b"\x08\0\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * 5000
    (tmp_path / "x").write_bytes(start + b"\x08\0\x16\0UI\x02\x001\0" + deep)
    with pytest.raises(DicomError, match="nested too deep"):
        read_file(tmp_path / "x")


def test_a_deflated_file_that_would_fill_the_memory(tmp_path: Path) -> None:
    meta = b"\0" * 128 + b"DICM" + b"\x02\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99"
    deflater = zlib.compressobj(wbits=-15)
    bomb = deflater.compress(b"\x08\0\x16\0UI\x02\x001\0" + b"\0" * (1 << 24)) + deflater.flush()
    (tmp_path / "x").write_bytes(meta + bomb)
    with pytest.raises(DicomError, match="inflates to more than"):
        read_file(tmp_path / "x", whole=True, limit=1 << 20)


@pytest.mark.parametrize(
    ("charset", "text"),
    [("ISO_IR 100", "Müller"), ("ISO_IR 192", "Ворота 門"), ("ISO 2022 IR 87", "門脈"), ("GB18030", "门静脉")],
)
def test_texts_in_other_character_sets(charset: str, text: str, tmp_path: Path) -> None:
    sets = ["", charset] if charset.startswith("ISO 2022") else charset
    path = save(image(noise((8, 8)), SpecificCharacterSet=sets, SeriesDescription=text), tmp_path / "x.dcm")
    assert read_file(path).text("SeriesDescription") == text


def test_a_value_that_cannot_be_read_counts_as_absent(tmp_path: Path) -> None:
    path = save(image(noise((8, 8)), SeriesNumber=3), tmp_path / "x.dcm")
    path.write_bytes(path.read_bytes().replace(b"\x20\0\x11\0IS\x02\x003 ", b"\x20\0\x11\0IS\x02\x00x!"))
    assert read_file(path).number("SeriesNumber") is None
