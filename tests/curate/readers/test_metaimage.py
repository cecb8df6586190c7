"""MetaImage headers as people and attackers write them; right is what SimpleITK reads, where it does not crash."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.drop_reasons import Reason
from curate.inputs import FileInput
from curate.readers import companions, read
from tests.curate.readers.files import assert_placed_as, refused

VOXELS = np.arange(24, dtype="<i2").reshape(4, 3, 2)


def meta(path: Path, body: bytes = VOXELS.tobytes(), data: str = "LOCAL", **fields: Any) -> Path:
    """Write a header with these fields changed (None: left out), and a body."""
    usual = {"NDims": 3, "DimSize": "2 3 4", "ElementType": "MET_SHORT"}
    lines = [f"{key} = {value}" for key, value in (usual | fields).items() if value is not None]
    path.write_bytes("\n".join([*lines, f"ElementDataFile = {data}", ""]).encode() + body)
    return path


@pytest.mark.parametrize("dimensions", ["1e30", "-1", "1e3", "100", "0", "1", "5", "nan", "inf", "x", "", "3 3", "2.5"])
def test_impossible_dimensions(tmp_path: Path, dimensions: str) -> None:
    """At 1e30, -1 and 1e3 ITK dies of SIGSEGV, at 100 of SIGABRT."""
    assert "NDims" in refused(meta(tmp_path / "a.mha", NDims=dimensions))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"NDims": None}, "NDims"),
        ({"DimSize": None}, "DimSize"),
        ({"DimSize": "2 3"}, "DimSize"),
        ({"DimSize": "2 3 -4"}, "DimSize"),
        ({"DimSize": "2 3 0"}, "DimSize"),
        ({"DimSize": "2 3 1e30"}, "DimSize"),
        ({"DimSize": "9" * 1100}, "DimSize"),
        ({"ElementType": None}, "ElementType"),
        ({"ElementType": "MET_STRING"}, "ElementType"),
        ({"ElementSpacing": "1 1"}, "ElementSpacing"),
        ({"ElementSpacing": "1 1 nan"}, "ElementSpacing"),
        ({"Offset": "1 2 x"}, "Offset"),
        ({"TransformMatrix": "1 0 0 1"}, "TransformMatrix"),
        ({"ElementNumberOfChannels": "-3"}, "ElementNumberOfChannels"),
        ({"DistanceUnits": "furlong"}, "DistanceUnits"),
        ({"HeaderSize": "-2"}, "HeaderSize"),
        ({"CompressedData": "True", "CompressedDataSize": "1e40"}, "CompressedDataSize"),
    ],
)
def test_damaged_fields_are_named(tmp_path: Path, fields: dict[str, Any], named: str) -> None:
    assert named in refused(meta(tmp_path / "a.mha", **fields))


@pytest.mark.parametrize("fields", [{"ElementSpacing": "1 0 1"}, {"TransformMatrix": "1 0 0 1 0 0 0 0 1"}])
def test_no_place_in_space(tmp_path: Path, fields: dict[str, Any]) -> None:
    assert "singular" in refused(meta(tmp_path / "a.mha", **fields), Reason.GEOMETRY)


def test_a_header_without_end(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    path.write_bytes(b"NDims = 3\nComment = " + b"x" * (2 << 20))
    assert "longer than" in refused(path)
    path.write_bytes(b"Comment = x\n" * (1 << 20))
    assert "longer than" in refused(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    spacing=st.tuples(*[st.floats(0.01, 50)] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
    names=st.sampled_from([("TransformMatrix", "Offset"), ("Rotation", "Origin"), ("Orientation", "Position")]),
)
def test_every_place_is_that_of_itk(tmp_path: Path, angles: Any, spacing: Any, origin: Any, names: Any) -> None:
    matrix = sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix()
    words = [" ".join(map(repr, numbers)) for numbers in (matrix, origin, spacing)]
    path = meta(tmp_path / "a.mha", **{names[0]: words[0], names[1]: words[1], "ElementSpacing": words[2]})
    volume = read(path)
    assert_placed_as(volume, sitk.ReadImage(path), atol=1e-6 * max(spacing) + 1e-6)
    assert not volume.unplaced


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"ElementSize": "2 3 4"},
        {"ElementSize": "2 3 4", "ElementSpacing": "5 6 7"},
        {"ElementSpacing": "-5 6 7", "Offset": "1 2 3"},
        {"TransformMatrix": "0 1 0 0 0 1 1 0 0", "CenterOfRotation": "1 2 3", "Offset": "4 5 6"},
        {"ElementByteOrderMSB": "True"},
        {"BinaryDataByteOrderMSB": "True", "ElementByteOrderMSB": "False"},
        {"ElementType": "MET_USHORT"},
        {"ElementType": "MET_UCHAR"},
        {"NDims": 2, "DimSize": "4 6", "TransformMatrix": "0 1 -1 0", "Offset": "3 4", "ElementSpacing": "2 3"},
        {"HeaderSize": "-1"},
        {"ElementToIntensityFunctionSlope": "2"},
    ],
    ids=str,
)
def test_headers_by_hand(tmp_path: Path, fields: dict[str, Any]) -> None:
    path = meta(tmp_path / "a.mha", **fields)
    theirs = sitk.ReadImage(path)
    volume = read(path)
    expected = sitk.GetArrayFromImage(theirs)
    np.testing.assert_array_equal(volume.voxels, expected if expected.ndim == 3 else expected[np.newaxis])
    assert volume.voxels.dtype == expected.dtype
    assert_placed_as(volume, theirs)
    placed = {"TransformMatrix", "Offset"} & fields.keys()
    assert volume.unplaced is not bool(placed)


@pytest.mark.parametrize(
    ("element", "dtype"), [("MET_LONG", "i4"), ("MET_ULONG", "u4"), ("MET_LONG_LONG", "i8"), ("MET_DOUBLE", "f8")]
)
def test_long_has_four_bytes_as_in_itk(tmp_path: Path, element: str, dtype: str) -> None:
    path = meta(tmp_path / "a.mha", VOXELS.astype(dtype).tobytes(), ElementType=element)
    assert read(path).voxels.dtype == dtype
    np.testing.assert_array_equal(read(path).voxels, sitk.GetArrayFromImage(sitk.ReadImage(path)))


@pytest.mark.parametrize(("unit", "factor"), [("um", 0.001), ("mm", 1), ("cm", 10), ("?", 1), ("m", 1000)])
def test_units_become_mm(tmp_path: Path, unit: str, factor: float) -> None:
    path = meta(tmp_path / "a.mha", DistanceUnits=unit, ElementSpacing="2 3 4", Offset="5 6 7")
    np.testing.assert_allclose(
        read(path).affine, [*(np.array([[-2, 0, 0, -5], [0, -3, 0, -6], [0, 0, 4, 7]]) * factor), [0, 0, 0, 1]]
    )


def test_voxels_as_text(tmp_path: Path) -> None:
    body = " ".join(str(value) for value in VOXELS.ravel()).encode()
    path = meta(tmp_path / "a.mha", body, BinaryData="False")
    np.testing.assert_array_equal(read(path).voxels, VOXELS)
    assert "it holds 12 numbers, not 24" in refused(meta(tmp_path / "a.mha", b"1 " * 12, BinaryData="False"))
    assert "more than 64 characters" in refused(meta(tmp_path / "a.mha", b"1 " * 23 + b"9" * 1100, BinaryData="False"))
    assert "do not fit" in refused(meta(tmp_path / "a.mha", b"1 " * 23 + b"70000", BinaryData="False"))


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ("LIST\nsub/x.raw\ny.raw\nz.raw\nw.raw", ["sub/x.raw", "y.raw", "z.raw", "w.raw"]),
        ("LIST 2\nsub/x.raw\ny.raw\nz.raw\nw.raw", ["sub/x.raw", "y.raw", "z.raw", "w.raw"]),
        ("slice%03d.raw 2 8 2", ["slice002.raw", "slice004.raw", "slice006.raw", "slice008.raw"]),
        ("slice%d.raw", ["slice1.raw", "slice2.raw", "slice3.raw", "slice4.raw"]),
    ],
)
@pytest.mark.parametrize("before", [0, 5])
def test_one_file_a_slice(tmp_path: Path, data: str, names: list[str], before: int) -> None:
    (tmp_path / "sub").mkdir()
    for name, plane in zip(names, VOXELS, strict=True):
        (tmp_path / name).write_bytes(b"x" * before + plane.tobytes())
    path = meta(tmp_path / "a.mhd", b"", data, HeaderSize=before)
    np.testing.assert_array_equal(read(path).voxels, VOXELS)
    np.testing.assert_array_equal(read(path).voxels, sitk.GetArrayFromImage(sitk.ReadImage(path)))
    assert companions(FileInput.at(path)) == tuple(names)
    (tmp_path / names[2]).unlink()
    missing = Path(names[2]).name
    assert refused(path) == f"a.mhd cannot be read: {missing}, which holds the voxels of a.mhd, is missing"


def test_voxels_at_the_end_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_bytes(b"some header" + VOXELS.tobytes())
    path = meta(tmp_path / "a.mhd", b"", "a.dat", HeaderSize=-1)
    np.testing.assert_array_equal(read(path).voxels, VOXELS)
    np.testing.assert_array_equal(read(path).voxels, sitk.GetArrayFromImage(sitk.ReadImage(path)))


def test_a_pattern_of_too_many_files(tmp_path: Path) -> None:
    assert "data files; at most" in refused(meta(tmp_path / "a.mhd", b"", "x%d.raw 0 999999999999 1"))


def test_more_components_than_a_volume(tmp_path: Path) -> None:
    path = meta(tmp_path / "a.mha", NDims=4, DimSize="2 3 2 1", ElementNumberOfChannels=2)
    assert refused(path, Reason.GEOMETRY) == "a.mha is a 4D file of 2 components: too many"
