import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.inputs import FileInput
from curate.readers import Header, read, read_header
from curate.readers.registry import READERS, reader_of

VOXELS = np.random.default_rng(0).integers(0, 99, (4, 5, 6)).astype(np.int16)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("a.nii", "nifti"),
        ("a.b.NII.GZ", "nifti"),
        ("a.nrrd", "nrrd"),
        ("a.seg.nrrd", "nrrd"),
        ("a.nhdr", "nrrd"),
        ("A.MHA", "metaimage"),
        ("a.mhd", "metaimage"),
        ("a.nii.png", "raster"),
        ("a.JPG", "raster"),
        ("a.jpeg", "raster"),
        ("a.bmp", "raster"),
        ("a.gif", "raster"),
        ("a.tif", "raster"),
        ("a.tiff", "raster"),
    ],
)
def test_the_suffix_chooses_the_reader(name: str, module: str) -> None:
    assert reader_of(FileInput(Path("root"), f"some.png/folder/{name}")) is READERS[module]()


@pytest.mark.parametrize("name", ["a.gz", "a.dcm", "nii", "a.txt", "png", "a.png.zip", ""])
def test_a_suffix_that_none_reads(tmp_path: Path, name: str) -> None:
    for call in (read_header, read):
        with pytest.raises(CaseError, match=r"no reader for this suffix; supported: \.nii, \.nii\.gz") as caught:
            call(tmp_path / name)
        assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("a.nii.gz", lambda path: nib.Nifti1Image(VOXELS, np.eye(4)).to_filename(path)),
        ("a.png", lambda path: Image.fromarray(VOXELS[0].astype(np.uint8)).save(path)),
    ],
)
def test_the_limit_is_asked_before_anything_is_decoded(
    tmp_path: Path, name: str, save: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    save(path)
    size = read_header(path).nbytes
    assert size == read(path).voxels.nbytes
    np.testing.assert_array_equal(read(path, limit=size).voxels, read(path).voxels)
    reader = reader_of(FileInput.at(path))
    monkeypatch.setattr(type(reader), "read", lambda *_: pytest.fail("decoded"))
    with pytest.raises(CaseError, match=r"the limit is \d+ B; give more with --memory") as caught:
        read(path, limit=size - 1)
    assert caught.value.reason is Reason.MEMORY


def test_a_headers_size_does_not_wrap() -> None:
    assert Header((10**5, 10**5, 10**5, 10**5), 8).nbytes == 8 * 10**20


def test_no_decoder_is_imported_before_it_is_needed() -> None:
    code = "import sys, curate.readers; print(*({'nibabel', 'SimpleITK', 'PIL', 'cv2', 'isal'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
