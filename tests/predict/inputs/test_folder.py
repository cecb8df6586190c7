import numpy as np
import pytest

from predict.errors import FolderError
from predict.inputs.challenge import ChallengeFile
from predict.inputs.folder import find_sources
from predict.inputs.pictures import Picture
from predict.inputs.request import Request
from predict.inputs.scans import ScanFile
from predict.prompts.tables import Objects

BOX = Objects(np.array([[3.0, 4, 20, 30]]), ("",))


def touch(folder, *names):
    for name in names:
        (folder / name).touch()
    return folder


def test_cases_of_every_kind_are_found_by_name(tmp_path):
    touch(tmp_path, "f.MHA", "e.nii.gz", "b.npz", "a.JPG", "c.png", "d.x.nii", ".g.npz", "notes.txt", "h.raw")
    sources, strays = find_sources(tmp_path, Request())
    assert [(one.name, type(one)) for one in sources] == [
        ("a", Picture),
        ("b", ChallengeFile),
        ("c", Picture),
        ("d.x", ScanFile),
        ("e", ScanFile),
        ("f", ScanFile),
    ]
    assert [one.target.name for one in sources] == ["a.png", "b.npz", "c.png", "d.x.nii.gz", "e.nii.gz", "f.nii.gz"]
    assert strays == {}


def test_boxes_go_to_the_image_by_file_name_or_stem(tmp_path):
    touch(tmp_path, "a.png", "b.nii.gz")
    given = {"a": BOX, "b.nii.gz": BOX, "c.png": BOX}
    sources, strays = find_sources(tmp_path, Request(boxes=given, points={"d": np.ones((1, 4))}))
    assert set(sources[0].request.boxes) == {"a", "b"}
    assert strays == {
        "c.png": f"boxes are given for it, but {tmp_path} has no such case",
        "d": f"points are given for it, but {tmp_path} has no such case",
    }


def test_two_names_of_one_image_are_told(tmp_path):
    touch(tmp_path, "a.png")
    with pytest.raises(FolderError, match=r"a and a\.png are one image: call it by one"):
        find_sources(tmp_path, Request(boxes={"a": BOX, "a.png": BOX}))


def test_two_files_of_one_name_are_told(tmp_path):
    with pytest.raises(FolderError, match=r"a\.nii\.gz and a\.png would both be a: rename one"):
        find_sources(touch(tmp_path, "a.png", "a.nii.gz"), Request())


def test_a_folder_without_cases_tells_what_it_holds(tmp_path):
    with pytest.raises(FolderError, match=r"has no case \(\.npz, .*it is empty"):
        find_sources(tmp_path, Request())
    touch(tmp_path, *"dacb")
    with pytest.raises(FolderError, match=r"it holds a, b, c, \.\.\."):
        find_sources(tmp_path, Request())
    with pytest.raises(FolderError, match="is no folder"):
        find_sources(tmp_path / "none", Request())
    with pytest.raises(FolderError, match="is no folder; give the one that holds the label files"):
        Request(truth=tmp_path / "none")
