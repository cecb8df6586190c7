import json

import numpy as np
import pytest

from predict.errors import PromptError
from predict.prompts.tables import read_boxes, read_points


def write(tmp_path, text, name="boxes.csv"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_csv(tmp_path):
    found = read_boxes(
        write(tmp_path, "\ufeffimage, x0,y0,x1,y1,label\na.png,1,2,3,4,nucleus\nb.png,0,0,9.5,9,\na.png,5,6,7,8\n")
    )
    assert found["a.png"].boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert (found["a.png"].names, found["b.png"].names) == (("nucleus", ""), ("",))
    assert found["b.png"].boxes.tolist() == [[0, 0, 9.5, 9]]


def test_csv_of_pictures_and_volumes(tmp_path):
    found = read_boxes(write(tmp_path, "z0,z1,image,x0,y0,x1,y1\n,,a.png,1,2,3,4\n5,6,b.nii.gz,1,2,3,4\n"))
    assert found["a.png"].boxes.tolist() == [[1, 2, 3, 4]]
    assert found["b.nii.gz"].boxes.tolist() == [[1, 2, 5, 3, 4, 6]]


@pytest.mark.parametrize(
    "content",
    [
        {"a": [[1, 2, 3, 4], [5, 6, 7, 8]], "b": [[1, 2, 5, 3, 4, 6]]},
        [
            {"image": "a", "x0": 1, "y0": 2, "x1": 3, "y1": 4},
            {"image": "b", "x0": 1, "y0": 2, "z0": 5, "x1": 3, "y1": 4, "z1": 6},
            {"image": "a", "x0": 5, "y0": 6, "x1": 7, "y1": 8, "label": ""},
        ],
    ],
)
def test_json(content, tmp_path):
    found = read_boxes(write(tmp_path, json.dumps(content), "boxes.json"))
    assert found["a"].boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert found["b"].boxes.tolist() == [[1, 2, 5, 3, 4, 6]]


def test_points(tmp_path):
    found = read_points(write(tmp_path, "image,object,x,y,inside\na,1,10,20.5,1\na,2,3,4,0\n"))
    np.testing.assert_array_equal(found["a"], [[1, 10, 20.5, 1], [2, 3, 4, 0]])


def test_many_boxes(tmp_path):
    rows = "\n".join(f"{i % 7}.png,1,2,3,{i + 4}" for i in range(100_000))
    found = read_boxes(write(tmp_path, f"image,x0,y0,x1,y1\n{rows}\n"))
    assert sum(len(one.boxes) for one in found.values()) == 100_000
    assert found["6.png"].boxes[1].tolist() == [1, 2, 3, 17]


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", "b.csv", "no column image, x0, y0, x1, y1; its first line names nothing"),
        ("image;x0;y0;x1;y1\n", "b.csv", r"names image;x0;y0;x1;y1\. It must name image, x0, .* commas"),
        ("image,x0,y0,x1\na,1,2,3\n", "b.csv", "no column y1"),
        ("image,x0,y0,x1,y1\n", "b.csv", "holds no boxes"),
        ("image,x0,y0,x1,y1\na,1,2,3,4\n\na,1,2,x,4\na,1,2\n,1,2,3,4\n", "b.csv",
         "line 4: x1 is 'x', no number; line 5: x1 is missing; line 6: image is missing"),
        ("image,x0,y0,x1,y1\n" + "a,1,2,x,4\n" * 9, "b.csv", "line 6: .*; and 4 more$"),
        ("image,x0,y0,x1,y1,z0\na,1,2,3,4,5\n", "b.csv", "z1 is missing"),
        ("image,x0,y0,x1,y1,z0,z1\na,1,2,3,4,5,6\na,1,2,3,4,,\n", "b.csv",
         "line 3: a has a box of 4 numbers after one of 6"),
        (b"image,x0,y0,x1,y1\n\xff\xfe", "b.csv", "cannot be read"),
        ("{", "b.json", "is no JSON file"),
        ("3", "b.json", "holds int; it must be"),
        ("[3]", "b.json", "entry 1: image is missing"),
        ('{"a": [[1, 2, 3]]}', "b.json", "a, box 1: x0 is missing"),
        ('{"a": 3}', "b.json", "a, box 1: x0 is missing"),
        ('{"a": [[1, 2, 3, "x"]]}', "b.json", "y1 is 'x', no number"),
        ('{"a": [[1, 2, 3, true]]}', "b.json", "y1 is True, no number"),
        ("{}", "b.json", "holds no boxes"),
        ("[" * 100_000, "b.json", "is no JSON file"),
    ],
)  # fmt: skip
def test_bad_boxes_are_told(text, name, message, tmp_path):
    with pytest.raises(PromptError, match=message) as caught:
        read_boxes(write(tmp_path, text, name))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,0,1,2,1", "object is 0; objects count 1, 2, 3"),
        ("a,1.5,1,2,1", "object is 1.5"),
        ("a,1,1,2,-1", "inside is -1; it must be 1"),
        ("a,1,,2,1", "x is missing"),
    ],
)
def test_bad_points_are_told(row, message, tmp_path):
    with pytest.raises(PromptError, match=f"line 2: {message}"):
        read_points(write(tmp_path, f"image,object,x,y,inside\n{row}\n"))


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(PromptError, match=r"none\.csv cannot be read: No such file"):
        read_boxes(tmp_path / "none.csv")
