"""Label files as other programs read them."""

import cv2
import numpy as np
import pytest
from PIL import Image

from catalog.errors import OutputError
from predict.errors import FolderError
from predict.outputs.labels import check_apart, make_folder, write_labels

LABELS = np.random.default_rng(0).integers(0, 250, (40, 60), np.uint8)


@pytest.mark.parametrize(
    "labels", [LABELS, LABELS.astype(np.uint16) * 200, LABELS.T], ids=["uint8", "uint16", "turned"]
)
def test_pictures_of_8_and_16_bits(labels, tmp_path):
    path = tmp_path / "deep" / "a.png"
    write_labels(path, labels)
    read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert read.dtype == labels.dtype
    np.testing.assert_array_equal(read, labels)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), labels)


@pytest.mark.parametrize("shape", [(40, 60), (3, 40, 60)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_npz(shape, dtype, tmp_path):
    labels = np.random.default_rng(1).integers(0, 250, shape, dtype)
    write_labels(tmp_path / "a.npz", labels)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert archive.files == ["segs"]
        assert archive["segs"].dtype == dtype
        np.testing.assert_array_equal(archive["segs"], labels)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_the_same_labels_give_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        write_labels(tmp_path / name, LABELS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="cannot be made: File exists"):
        make_folder(tmp_path / "file")
    with pytest.raises(FolderError, match="cannot be made"):
        write_labels(tmp_path / "file" / "x" / "a.png", LABELS)


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"earlier")

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("catalog.atomic.os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_labels(tmp_path / "a.png", LABELS)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"earlier")]


def test_results_must_not_lie_among_what_they_are_made_from(tmp_path):
    taken = {"the cases": tmp_path / "in"}
    check_apart(tmp_path / "out", tmp_path / "look", taken)
    with pytest.raises(FolderError, match=r"--out .* is the folder of the cases, which would be overwritten"):
        check_apart(tmp_path / "x" / ".." / "in", None, taken)
    with pytest.raises(FolderError, match=r"--overlay .* is the folder of the cases"):
        check_apart(tmp_path / "out", tmp_path / "in", taken)
    with pytest.raises(FolderError, match="whose labels it would overwrite"):
        check_apart(tmp_path / "out", tmp_path / "out", taken)
