"""NRRD headers as people and attackers write them; right is what SimpleITK reads, where it does not crash."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.drop_reasons import Reason
from curate.inputs import FileInput
from curate.readers import Header, companions, read, read_header
from tests.curate.readers.files import assert_placed_as, refused

VOXELS = np.arange(24, dtype="<i2").reshape(4, 3, 2)
SPACE = "space: left-posterior-superior\nspace directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (5,6,7)\n"


def nrrd(path: Path, more: str = "", body: bytes = VOXELS.tobytes(), **fields: Any) -> Path:
    """Write a header with these fields changed (None: left out) and more lines, and a body."""
    usual = {"type": "short", "dimension": 3, "sizes": "2 3 4", "encoding": "raw", "endian": "little"}
    lines = [f"{key}: {value}" for key, value in (usual | fields).items() if value is not None]
    path.write_bytes("\n".join(["NRRD0004", *lines, more]).encode() + b"\n" * bool(body or "LIST" not in more) + body)
    return path


@pytest.mark.parametrize(
    "more",
    [
        "",
        "spacings: 2 3 4\n",
        "spacings: 2 nan 4\n",
        "spacings: 2 3 4\naxis mins: 1 2 3\n",
        "spacings: 2 3 4\naxis mins: 1 2 3\ncenters: node node node\n",
        "spacings: 2 3 4\naxis mins: 1 2 3\ncenterings: cell node ???\n",
        "axis mins: 1 2 3\n",
        "space: RAS\n",
        "space: left-posterior-superior\nspace origin: (1,2,3)\n",
        "space dimension: 3\nspace directions: (1,0,0) (0,1,0) (0,0,2)\nspace origin: (1,2,3)\n",
        "space: scanner-xyz\nspace directions: (1,0,0) (0,1,0) (0,0,2)\nspace origin: (1,2,3)\n",
        "space: lps\nspace directions: (1,0,0) (0,1,0) none\nspace origin: (1,2,3)\n",
        "space: right-anterior-superior\nspace directions: (0,2,0) (1,0,0) (0.1,0,3)\nspace origin: (1,2,3)\n",
        "space: Left-Anterior-Superior\nspace directions: (1, 0, 0) (0, 1, 0) (0, 0, 2)\nspace origin: (1, 2, 3)\n",
        "# a comment: x\nkey:=value: of its own\nspacings: 2 3 4\n",
        "kinds: domain domain domain\nspacings: 2 3 4\n",
    ],
)
def test_headers_by_hand(tmp_path: Path, more: str) -> None:
    path = nrrd(tmp_path / "a.nrrd", more)
    theirs = sitk.ReadImage(path)
    volume = read(path)
    np.testing.assert_array_equal(volume.voxels, sitk.GetArrayFromImage(theirs))
    assert_placed_as(volume, theirs)
    placed = "directions" in more or "origin" in more or ("mins" in more and "spacings" in more)
    assert volume.unplaced is not placed


@pytest.mark.parametrize("kind", ["vector", "list", "RGB-color", "covariant-vector", "3-vector"])
@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_the_axis_of_channels_may_be_any(tmp_path: Path, at: int, kind: str) -> None:
    voxels = np.random.default_rng(0).integers(0, 99, (3, 4, 5, 6)).astype("<i2")  # channel, k, j, i
    kinds, sizes, directions = ["domain"] * 3, ["6", "5", "4"], ["(2,0,0)", "(0,3,0)", "(0,0,4)"]
    for words, word in ((kinds, kind), (sizes, "3"), (directions, "none")):
        words.insert(at, word)
    stored = np.moveaxis(voxels, 0, 3 - at)
    path = nrrd(
        tmp_path / "a.nrrd",
        f"kinds: {' '.join(kinds)}\nspace: LPS\nspace directions: {' '.join(directions)}\nspace origin: (5,6,7)\n",
        np.ascontiguousarray(stored).tobytes(),
        dimension=4,
        sizes=" ".join(sizes),
    )
    theirs = sitk.ReadImage(path)
    assert read_header(path) == Header((6, 5, 4, 3), 2)
    for channel in range(3):
        volume = read(path, channel)
        np.testing.assert_array_equal(volume.voxels, voxels[channel])
        np.testing.assert_array_equal(volume.voxels, sitk.GetArrayFromImage(theirs)[..., channel])
        assert volume.voxels.flags.c_contiguous
        assert_placed_as(volume, theirs)


@pytest.mark.parametrize("space", ["LPST", "left-posterior-superior-time"])
def test_time_in_a_space_of_four_dimensions(tmp_path: Path, space: str) -> None:
    voxels = np.arange(48, dtype="<i2").reshape(2, 4, 3, 2)
    path = nrrd(
        tmp_path / "a.nrrd",
        f"space: {space}\nspace directions: (2,0,0,0) (0,3,0,0) (0,0,4,0) (0,0,0,9)\nspace origin: (5,6,7,0)\n",
        voxels.tobytes(),
        dimension=4,
        sizes="2 3 4 2",
    )
    np.testing.assert_array_equal(read(path, 1).voxels, voxels[1])
    np.testing.assert_allclose(read(path, 1).affine, [[-2, 0, 0, -5], [0, -3, 0, -6], [0, 0, 4, 7], [0, 0, 0, 1]])


def test_a_time_axis_without_a_direction(tmp_path: Path) -> None:
    """As 3D Slicer writes sequences without kinds; ITK refuses them."""
    voxels = np.arange(48, dtype="<i2").reshape(2, 4, 3, 2)
    path = nrrd(
        tmp_path / "a.nrrd",
        "space: LPS\nspace directions: (2,0,0) (0,3,0) (0,0,4) none\nspace origin: (5,6,7)\n",
        voxels.tobytes(),
        dimension=4,
        sizes="2 3 4 2",
    )
    np.testing.assert_array_equal(read(path, 1).voxels, voxels[1])


def test_a_plane_in_space(tmp_path: Path) -> None:
    path = nrrd(
        tmp_path / "a.nrrd",
        "space: RAS\nspace directions: (0,2,0) (0,0,3)\nspace origin: (5,6,7)\n",
        VOXELS[:2].tobytes(),
        dimension=2,
        sizes="2 6",
    )
    np.testing.assert_allclose(read(path).affine, [[0, 0, 1, 5], [2, 0, 0, 6], [0, 3, 0, 7], [0, 0, 0, 1]])


UNITS = [("mm", 1), ("um", 0.001), ("\xb5m", 0.001), ("microns", 0.001), ("cm", 10), ("m", 1000), ("", 1)]


@pytest.mark.parametrize(("unit", "factor"), UNITS)
def test_units_become_mm(tmp_path: Path, unit: str, factor: float) -> None:
    straight = np.array([[-2.0, 0, 0, -5], [0, -3, 0, -6], [0, 0, 4, 7]])
    expected = [*(straight * factor), [0, 0, 0, 1]]
    quoted = " ".join([f'"{unit}"'] * 3)
    path = nrrd(tmp_path / "a.nrrd")
    text = path.read_bytes().decode("latin-1")
    for more in (
        f"{SPACE}space units: {quoted}\n",
        f"spacings: 2 3 4\naxis mins: 5 6 7\ncenters: node node node\nunits: {quoted}\n",
    ):
        path.write_bytes(text.replace("endian: little\n", f"endian: little\n{more}").encode("latin-1"))
        np.testing.assert_allclose(read(path).affine, expected)
    assert "space units" in refused(nrrd(tmp_path / "a.nrrd", f'{SPACE}space units: "mm" "mm" "furlong"\n'))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    matrix=st.lists(st.floats(-9, 9), min_size=9, max_size=9).filter(
        lambda m: (
            abs(np.linalg.det(np.reshape(m, (3, 3)) / np.linalg.norm(np.reshape(m, (3, 3)), axis=1)[:, None])) > 0.1
            if all(np.linalg.norm(np.reshape(m, (3, 3)), axis=1) > 0.1)
            else False
        )
    ),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
    space=st.sampled_from(["RAS", "LPS", "right-anterior-superior"]),
)
def test_every_place_is_that_of_itk(tmp_path: Path, matrix: Any, origin: Any, space: str) -> None:
    vectors = " ".join(f"({a!r},{b!r},{c!r})" for a, b, c in np.reshape(matrix, (3, 3)).tolist())
    path = nrrd(tmp_path / "a.nrrd", f"space: {space}\nspace directions: {vectors}\nspace origin: {origin}\n")
    try:
        theirs = sitk.ReadImage(path)
    except RuntimeError:  # a sheared matrix; ITK keeps rotations only
        return
    assert_placed_as(read(path), theirs, atol=1e-6)


# ---- where the voxels are, and how they are stored ----


@pytest.mark.parametrize("encoding", ["ascii", "text", "txt"])
def test_voxels_as_text(tmp_path: Path, encoding: str) -> None:
    words = [str(value) for value in VOXELS.ravel()]
    path = nrrd(tmp_path / "a.nrrd", body="\n".join(words).encode(), encoding=encoding, endian=None)
    np.testing.assert_array_equal(read(path).voxels, VOXELS)
    np.testing.assert_array_equal(read(path).voxels, sitk.GetArrayFromImage(sitk.ReadImage(path)))
    path = nrrd(tmp_path / "a.nrrd", body=b"0.5 " * 24, encoding=encoding, type="float")
    np.testing.assert_array_equal(read(path).voxels, np.full((4, 3, 2), 0.5, np.float32))


@pytest.mark.parametrize("token", [b"9" * 1100, b"x" * 1100, b"70000", b"99999999999999999999", b"1.5", b"x", b""])
def test_words_that_are_no_voxels(tmp_path: Path, token: bytes) -> None:
    """1,100 characters run over a buffer of ITK."""
    refused(nrrd(tmp_path / "a.nrrd", body=b"1 " * 23 + token, encoding="ascii"))


@pytest.mark.parametrize("encoding", ["hex", "bzip2", "bz2", "zrl", "base64", ""])
def test_other_encodings_are_named(tmp_path: Path, encoding: str) -> None:
    detail = refused(nrrd(tmp_path / "a.nrrd", encoding=encoding))
    assert f"the encoding {encoding!r}, which is not supported; save it with raw or gzip" in detail


@pytest.mark.parametrize("encoding", ["raw", "gzip", "gz"])
@pytest.mark.parametrize("skips", [{}, {"line skip": 2}, {"byte skip": 5}, {"line skip": 1, "byte skip": 3}])
def test_what_stands_before_the_voxels_is_skipped(tmp_path: Path, encoding: str, skips: dict[str, int]) -> None:
    body = b"x" * skips.get("byte skip", 0) + VOXELS.tobytes()
    body = b"a line\n" * skips.get("line skip", 0) + (body if encoding == "raw" else gzip.compress(body))
    path = nrrd(
        tmp_path / "a.nrrd", "".join(f"{key}: {value}\n" for key, value in skips.items()), body, encoding=encoding
    )
    np.testing.assert_array_equal(read(path).voxels, VOXELS)
    np.testing.assert_array_equal(read(path).voxels, sitk.GetArrayFromImage(sitk.ReadImage(path)))


def test_voxels_at_the_end_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_bytes(b"some header" + VOXELS.tobytes())
    path = nrrd(tmp_path / "a.nhdr", "data file: a.dat\nbyte skip: -1\n", b"")
    np.testing.assert_array_equal(read(path).voxels, VOXELS)
    np.testing.assert_array_equal(read(path).voxels, sitk.GetArrayFromImage(sitk.ReadImage(path)))


def test_gzip_of_several_members(tmp_path: Path) -> None:
    plain = VOXELS.tobytes()
    body = b"".join(gzip.compress(plain[n : n + 7]) for n in range(0, len(plain), 7))
    np.testing.assert_array_equal(read(nrrd(tmp_path / "a.nrrd", body=body, encoding="gzip")).voxels, VOXELS)
    refused(nrrd(tmp_path / "a.nrrd", body=body[:-30], encoding="gzip"))


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ("LIST\nsub/x.raw\ny.raw\nz.raw\nw.raw", ["sub/x.raw", "y.raw", "z.raw", "w.raw"]),
        ("slice%03d.raw 2 8 2", ["slice002.raw", "slice004.raw", "slice006.raw", "slice008.raw"]),
        ("slice%d.raw 4 1 -1", ["slice4.raw", "slice3.raw", "slice2.raw", "slice1.raw"]),
    ],
)
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_one_file_a_slice(tmp_path: Path, data: str, names: list[str], encoding: str) -> None:
    (tmp_path / "sub").mkdir()
    for name, plane in zip(names, VOXELS, strict=True):
        (tmp_path / name).write_bytes(plane.tobytes() if encoding == "raw" else gzip.compress(plane.tobytes()))
    path = nrrd(tmp_path / "a.nhdr", f"data file: {data}\n", b"", encoding=encoding)
    np.testing.assert_array_equal(read(path).voxels, VOXELS)
    np.testing.assert_array_equal(read(path).voxels, sitk.GetArrayFromImage(sitk.ReadImage(path)))
    assert companions(FileInput.at(path)) == tuple(names)
    (tmp_path / names[2]).unlink()
    missing = Path(names[2]).name
    assert refused(path) == f"a.nhdr cannot be read: {missing}, which holds the voxels of a.nhdr, is missing"


@pytest.mark.parametrize(
    ("fields", "more", "named"),
    [
        ({"dimension": "1e30"}, "", "dimension"),
        ({"dimension": "-1"}, "", "dimension"),
        ({"dimension": "16"}, "", "dimension"),
        ({"sizes": "2 3"}, "", "sizes"),
        ({"sizes": "2 3 0"}, "", "sizes"),
        ({"sizes": "2 3 " + "9" * 1100}, "", "sizes"),
        ({"type": "block"}, "", "type"),
        ({"type": None}, "", "type"),
        ({"endian": None}, "", "byte order"),
        ({}, "kinds: domain domain\n", "kinds"),
        ({}, "space: martian\n", "space"),
        ({}, "space: RAS\nspace directions: (1,0,0) (0,1,0)\n", "space directions"),
        ({}, "space: RAS\nspace directions: (1,0) (0,1) (0,1)\n", "space directions"),
        ({}, "space: RAS\nspace directions: (inf,0,0) (0,1,0) (0,0,1)\n", "space directions"),
        ({}, "space: RAS\nspace origin: (1,2)\n", "space origin"),
        ({}, "spacings: 1 1\n", "spacings"),
        ({}, "spacings: 1 1 x\n", "spacings"),
        ({}, "byte skip: -7\n", "byte skip"),
        ({}, "line skip: 1e40\n", "line skip"),
        ({}, "data file: x%d.raw 1 4 0\n", "data file"),
        ({"encoding": "gzip"}, "byte skip: -1\n", "end of the file"),
    ],
)
def test_damaged_fields_are_named(tmp_path: Path, fields: dict[str, Any], more: str, named: str) -> None:
    assert named in refused(nrrd(tmp_path / "a.nrrd", more, **fields))


def test_one_axis_is_no_image(tmp_path: Path) -> None:
    refused(nrrd(tmp_path / "a.nrrd", dimension=1, sizes="24"), Reason.GEOMETRY)
    refused(nrrd(tmp_path / "a.nrrd", "kinds: vector list domain\n"), Reason.GEOMETRY)
