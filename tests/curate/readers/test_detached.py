"""Headers that keep their voxels in other files: which files may be read, and that they belong to the input."""

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from curate.inputs import FileInput
from curate.readers import companions, read
from tests.curate.readers.files import refused

VOXELS = np.arange(24, dtype="<i2").reshape(4, 3, 2)

HEADERS = {
    "a.mhd": "NDims = 3\nDimSize = 2 3 4\nElementType = MET_SHORT\nElementDataFile = {}\n",
    "a.nhdr": "NRRD0004\ntype: short\ndimension: 3\nsizes: 2 3 4\nencoding: raw\nendian: little\ndata file: {}\n",
}


def header(folder: Path, name: str, data: str) -> Path:
    path = folder / name
    path.write_text(HEADERS[name].format(data))
    return path


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("how", ["absolute", "above", "above from within", "backslashes", "drive", "list"])
def test_no_file_outside_the_folder_is_read(tmp_path: Path, name: str, how: str) -> None:
    """ITK reads them: any file of the machine would become an image of a corpus."""
    folder = tmp_path / "source"
    folder.mkdir()
    (tmp_path / "secret.raw").write_bytes(VOXELS.tobytes())
    data = {
        "absolute": str(tmp_path / "secret.raw"),
        "above": "../secret.raw",
        "above from within": "sub/../../secret.raw",
        "backslashes": "..\\secret.raw",
        "drive": "C:/secret.raw",
        "list": "LIST\n../secret.raw",
    }[how]
    path = header(folder, name, data)
    detail = refused(path)
    assert "outside its own folder; such files are not read" in detail
    assert companions(FileInput(folder, name)) == ()


@pytest.mark.parametrize("name", HEADERS)
def test_files_in_the_folder_and_below_belong_to_the_input(tmp_path: Path, name: str) -> None:
    (tmp_path / "case" / "raw data").mkdir(parents=True)
    data = tmp_path / "case" / "raw data" / "a b.raw"
    data.write_bytes(VOXELS.tobytes())
    header(tmp_path / "case", name, "./raw data/a b.raw")
    source = FileInput(tmp_path, f"case/{name}")
    np.testing.assert_array_equal(read(source).voxels, VOXELS)
    assert companions(source) == ("case/raw data/a b.raw",)
    before = source.stamps(companions(source))
    assert [stamp[0] for stamp in before] == [f"case/{name}", "case/raw data/a b.raw"]
    os.utime(data, ns=(0, before[1][2] + 1))
    assert source.stamps(companions(source)) != before
    data.unlink()
    assert source.stamps(companions(source))[1] == ("case/raw data/a b.raw", -1, -1)
    assert refused(tmp_path / "case" / name) == (
        f"{name} cannot be read: a b.raw, which holds the voxels of {name}, is missing"
    )


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
@pytest.mark.parametrize("compressed", [True, False])
def test_what_itk_writes_belongs_together(tmp_path: Path, suffix: str, compressed: bool) -> None:
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), path, compressed)
    (other,) = (found.name for found in tmp_path.iterdir() if found != path)
    assert companions(FileInput.at(path)) == (other,)


@pytest.mark.parametrize("name", HEADERS)
def test_a_damaged_header_has_no_companions(tmp_path: Path, name: str) -> None:
    path = header(tmp_path, name, "a.raw")
    path.write_bytes(path.read_bytes()[:30])
    assert companions(FileInput.at(path)) == ()
    assert FileInput.at(path).stamps(companions(FileInput.at(path)))[0][0] == name
    assert len(FileInput.at(path).stamps(companions(FileInput.at(path)))) == 1


@pytest.mark.parametrize("name", HEADERS)
def test_data_that_is_too_short(tmp_path: Path, name: str) -> None:
    path = header(tmp_path, name, "a.raw")
    (tmp_path / "a.raw").write_bytes(VOXELS.tobytes()[:-1])
    assert "more than its file of 47 bytes can hold" in refused(path)
