"""Tables as spreadsheets and annotation programs write them."""

import json

import numpy as np
import pytest

from predict.errors import PromptError, UsageError
from predict.prompts.tables import parse_boxes, read_boxes, read_points


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


PLAIN = "image,x0,y0,x1,y1,label\na.png,1,2,3.5,4,polyp\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ";").replace("3.5", "3,5"),  # the decimal comma of most of Europe
        "sep=;\r\n" + PLAIN.replace(",", ";"),  # how Excel names its separator
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        PLAIN.replace(",", "\t").encode("utf-16"),  # Excel's "Unicode text"
        PLAIN.encode("utf-8-sig"),
        PLAIN.upper().replace("A.PNG", "a.png").replace("POLYP", "polyp"),
        "Filename,Class,XMin,YMin,XMax,YMax\na.png,polyp,1,2,3.5,4\n",
        "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,60,40,polyp,1,2,3.5,4\n",
        "\n\n" + PLAIN.replace("\na", "\n\n   \na") + ",,,,,\n\n",
        'image,x0,y0,x1,y1,label\n"a.png","1","2","3.5","4","polyp"\n',
        " image , x0 , y0 , x1 , y1 , label \n a.png , 1 , 2 , 3.5 , 4 , polyp \n",
    ],
)
def test_tables_as_people_have_them(content, tmp_path):
    found = read_boxes(write(tmp_path, content))
    assert list(found) == ["a.png"]
    assert found["a.png"].boxes.tolist() == [[1, 2, 3.5, 4]]
    assert found["a.png"].names == ("polyp",)


def test_quoted_paths_may_hold_the_separator(tmp_path):
    path = '"C:\\my data, new\\a;b.png"'
    found = read_boxes(write(tmp_path, f"image,x0,y0,x1,y1\n{path},1,2,3,4\n"))
    assert list(found) == ["C:\\my data, new\\a;b.png"]


def test_accents_are_kept_in_every_encoding(tmp_path):
    text = PLAIN.replace("a.png", "Müller.png")
    for encoding in ("utf-8", "utf-16"):
        assert list(read_boxes(write(tmp_path, text.encode(encoding)))) == ["Müller.png"]


@pytest.mark.parametrize(
    "content",
    [
        {"a": [[1, 2, 3, 4], [5, 6, 7, 8]], "b": [[1, 2, 5, 3, 4, 6]]},
        [
            {"image": "a", "x0": 1, "y0": 2, "x1": 3, "y1": 4},
            {"image": "b", "x0": 1, "y0": 2, "z0": 5, "x1": 3, "y1": 4, "z1": 6},
            {"filename": "a", "XMIN": 5, "ymin": 6, "xmax": 7, "ymax": 8, "label": ""},
        ],
    ],
)
def test_json(content, tmp_path):
    found = read_boxes(write(tmp_path, json.dumps(content), "boxes.json"))
    assert found["a"].boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert found["b"].boxes.tolist() == [[1, 2, 5, 3, 4, 6]]


def test_z_of_0_is_a_number(tmp_path):
    record = {"image": "a", "x0": 1, "y0": 2, "z0": 0, "x1": 3, "y1": 4, "z1": 0}
    assert read_boxes(write(tmp_path, json.dumps([record]), "b.json"))["a"].boxes.tolist() == [[1, 2, 0, 3, 4, 0]]


def test_points(tmp_path):
    found = read_points(write(tmp_path, "image;Object;X;Y;inside\na;1;10;20,5;1\na;2;3;4;0\n"))
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
        ("image|x0|y0|x1|y1\n", "b.csv", r"names image\|x0\|y0\|x1\|y1\. It must name image, x0, "),
        ("image,x0,y0,x1\na,1,2,3\n", "b.csv", "no column y1"),
        ("image,x0,y0,x1,y1,xmin\na,1,2,3,4,5\n", "b.csv", "names the column x0 twice"),
        ("image,x0,y0,x1,y1\n", "b.csv", "holds no boxes"),
        ("image,x0,y0,x1,y1\na,1,2,3,4\n\na,1,2,x,4\na,1,2\n,1,2,3,4\n", "b.csv",
         "line 4: x1 is 'x', not a number; line 5: x1 is missing; line 6: image is missing"),
        ("sep=,\nimage,x0,y0,x1,y1\na,1,2,x,4\n", "b.csv", "line 3: x1 is 'x'"),
        ("image,x0,y0,x1,y1\n" + "a,1,2,x,4\n" * 9, "b.csv", "line 6: .*; and 4 more$"),
        ("image,x0,y0,x1,y1,z0\na,1,2,3,4,5\n", "b.csv", "z1 is missing"),
        ("image,x0,y0,x1,y1,z0,z1\na,1,2,3,4,5,6\na,1,2,3,4,,\n", "b.csv",
         "line 3: a has a box of 4 numbers after one of 6"),
        (b"image,x0,y0,x1,y1\n\xff\xfe", "b.csv", "neither UTF-8 nor UTF-16"),
        ("{", "b.json", "not a JSON file"),
        ("3", "b.json", "holds int; it must be"),
        ("[3]", "b.json", "entry 1: image is missing"),
        ('{"a": [[1, 2, 3]]}', "b.json", "a, box 1: x0 is missing"),
        ('{"a": 3}', "b.json", "a, box 1: x0 is missing"),
        ('{"a": [[1, 2, 3, "x"]]}', "b.json", "y1 is 'x', not a number"),
        ('{"a": [[1, 2, 3, true]]}', "b.json", "y1 is True, not a number"),
        ("{}", "b.json", "holds no boxes"),
        ("[" * 100_000, "b.json", "not a JSON file"),
    ],
)  # fmt: skip
def test_bad_boxes_are_named_with_their_place(text, name, message, tmp_path):
    with pytest.raises(PromptError, match=message) as caught:
        read_boxes(write(tmp_path, text, name))
    assert (caught.value.exit_code, caught.value.code) == (2, "prompts")


@pytest.mark.parametrize("row", ["a,0,1,2,1", "a,1.5,1,2,1", "a,1,1,2,-1", "a,1,,2,1", "a,nan,1,2,1"])
def test_bad_points_are_named_with_their_place(row, tmp_path):
    with pytest.raises(PromptError, match="line 2: "):
        read_points(write(tmp_path, f"image,object,x,y,inside\n{row}\n"))


def test_a_missing_file(tmp_path):
    with pytest.raises(PromptError, match=r"none\.csv cannot be read: No such file"):
        read_boxes(tmp_path / "none.csv")


def test_boxes_as_typed():
    assert parse_boxes(["1,2,3,4.5", " 5, 6,7,8"]).boxes.tolist() == [[1, 2, 3, 4.5], [5, 6, 7, 8]]
    assert parse_boxes(["1,2,3,4,5,6"]).boxes.shape == (1, 6)
    for wrong in (["1,2,3"], ["1;2;3;4"], ["a,b,c,d"], [""], ["1,2,3,4", "1,2,3,4,5,6"]):
        with pytest.raises(UsageError):
            parse_boxes(wrong)
