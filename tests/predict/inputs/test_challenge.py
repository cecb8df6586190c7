import io
import zipfile

import numpy as np
import pytest

from predict.errors import CaseError
from predict.inputs.case import modality_of
from predict.inputs.challenge import ChallengeFile
from predict.inputs.request import Request
from predict.prompts.tables import Objects

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
VOLUME = np.random.default_rng(0).integers(0, 256, (5, 40, 60), np.uint8)
BOX = np.array([[3, 4, 20, 30]])
BOX_3D = np.array([[3, 4, 1, 20, 30, 3]])


def read_case(path, **request):
    return ChallengeFile(path, Request(**request)).read()


def save(folder, name="2DBox_CT_1", **arrays):
    path = folder / f"{name}.npz"
    np.savez_compressed(path, **arrays)
    return path


def test_an_image_and_a_volume_are_read(tmp_path):
    flat = read_case(save(tmp_path, imgs=IMAGE, boxes=BOX, gts=np.zeros(3)))
    solid = read_case(save(tmp_path, "3DBox_MR_7", imgs=VOLUME, boxes=BOX_3D, spacing=np.ones(3)))
    assert (flat.name, flat.is_volume, flat.shape) == ("2DBox_CT_1", False, (40, 60))
    assert (solid.name, solid.is_volume, solid.shape) == ("3DBox_MR_7", True, (5, 40, 60))
    np.testing.assert_array_equal(flat.pixels, IMAGE)
    np.testing.assert_array_equal(solid.pixels, VOLUME)
    np.testing.assert_array_equal(solid.boxes, BOX_3D)


@pytest.mark.parametrize("dtype", ["uint16", "int64", "int8"])
def test_wider_integers_of_8_bit_range_are_taken(dtype, tmp_path):
    pixels = (IMAGE // 2).astype(dtype)
    case = read_case(save(tmp_path, imgs=pixels, boxes=BOX))
    assert case.pixels.dtype == np.uint8
    np.testing.assert_array_equal(case.pixels, pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_boxes_keep_their_dtype(dtype, tmp_path):
    assert read_case(save(tmp_path, imgs=IMAGE, boxes=BOX.astype(dtype))).boxes.dtype == dtype


@pytest.mark.parametrize(
    "box", [[0, 0, 0, 60, 40, 5], [59, 39, 4, 60, 40, 4], [3, 4, 2, 20, 30, 2], [0, 0, 0, 1, 1, 0]]
)
def test_boxes_up_to_the_edge_and_of_one_slice_are_right(box, tmp_path):
    assert read_case(save(tmp_path, "3DBox_CT_1", imgs=VOLUME, boxes=np.array([box]))).boxes.tolist() == [box]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": IMAGE, "boxes": BOX}, "no key imgs; the keys are: image, boxes"),
        ({"imgs": IMAGE}, "no key boxes"),
        ({"x": IMAGE}, "no key imgs and no boxes"),
        ({"imgs": IMAGE / 255, "boxes": BOX}, "imgs are float64; they must be 8-bit"),
        ({"imgs": IMAGE.astype(np.int16) * 10, "boxes": BOX}, r"imgs run from 0 to 2550; .* window"),
        ({"imgs": IMAGE.astype(np.int16) - 1, "boxes": BOX}, r"imgs run from -1 to 254"),
        ({"imgs": IMAGE > 3, "boxes": BOX}, "imgs are bool"),
        ({"imgs": IMAGE[:, :0], "boxes": BOX}, r"imgs is \(40, 0, 3\)"),
        ({"imgs": IMAGE[..., :2], "boxes": BOX}, r"imgs is \(40, 60, 2\); with boxes of 4 numbers it must be"),
        ({"imgs": IMAGE[0, 0], "boxes": BOX}, r"imgs is \(3\)"),
        ({"imgs": IMAGE, "boxes": BOX[:0]}, "there are no boxes"),
        ({"imgs": IMAGE, "boxes": np.zeros(0)}, "there are no boxes"),
        ({"imgs": IMAGE, "boxes": BOX[0]}, r"boxes are \(4\); they must be \(N, 4\)"),
        ({"imgs": IMAGE, "boxes": BOX[:, :3]}, r"boxes are \(1, 3\)"),
        ({"imgs": IMAGE, "boxes": BOX.astype(str)}, "boxes are <U"),
        ({"imgs": IMAGE, "boxes": BOX * np.nan}, r"box \[nan.*not finite"),
        ({"imgs": IMAGE, "boxes": BOX_3D}, "the name says 2D, but boxes have 6 numbers each"),
        ({"imgs": IMAGE, "boxes": np.array([[3, 4, 61, 30]])}, r"outside the image of 40 x 60 pixels"),
        ({"imgs": IMAGE, "boxes": np.array([[-1, 4, 9, 30]])}, "outside the image"),
        ({"imgs": IMAGE, "boxes": np.array([[60, 4, 60, 30]])}, "empty"),
        ({"imgs": IMAGE, "boxes": np.array([[9, 30, 9, 31]])}, r"box 1 \[9, 30, 9, 31\] of 1: empty"),
        ({"imgs": IMAGE, "boxes": np.array([[20, 4, 3, 30]])}, "inverted: x0, y0, x1, y1 is the order"),
        ({"imgs": IMAGE, "boxes": np.array([[9, 3, 3, 30], *[[0, 0, 9, 9]] * 3, *[[9, 3, 3, 30]] * 4], np.uint8)},
         r"boxes 1 \[9, 3, 3, 30\], 5 .*, 6 .*, and 2 more of 8: inverted"),
        ({"imgs": IMAGE, "boxes": np.tile(BOX, (100_000, 1))}, "100000 boxes; labels go to 65535"),
        ({"imgs": np.array([{}], object), "boxes": BOX}, "damaged or no .npz: Object arrays"),
    ],
)  # fmt: skip
def test_bad_images_are_told(arrays, message, tmp_path):
    with pytest.raises(CaseError, match=message) as caught:
        read_case(save(tmp_path, **arrays))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("name", "boxes", "message"),
    [
        ("3DBox_CT_1", BOX, "the name says 3D, but boxes have 4 numbers"),
        ("case", BOX, r"imgs is \(5, 40, 60\); with boxes of 4 numbers it must be \(H, W, 3\)"),
        ("3DBox_CT_1", np.array([[3, 4, 3, 20, 30, 1]]), "inverted: x0, y0, z0, x1, y1, z1 is the order"),
        ("3DBox_CT_1", np.array([[3, 4, 5, 20, 30, 5]]), "outside the volume of 5 x 40 x 60"),
        ("3DBox_CT_1", np.array([[3, 4, 1, 20, 30, 6]]), "outside"),
        ("3DBox_CT_1", np.array([[3, 4, 1.5, 20, 30, 3]]), "between two slices"),
    ],
)
def test_bad_volumes_are_told(name, boxes, message, tmp_path):
    with pytest.raises(CaseError, match=message):
        read_case(save(tmp_path, name, imgs=VOLUME, boxes=boxes))


@pytest.mark.parametrize("keep", [0, 10, 300, -30])
def test_a_cut_off_file_is_told(keep, tmp_path):
    path = save(tmp_path, imgs=IMAGE, boxes=BOX)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CaseError, match=r"the file is damaged or no \.npz"):
        read_case(path)


def test_a_flipped_bit_is_told(tmp_path):
    path = save(tmp_path, imgs=IMAGE, boxes=BOX)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(CaseError, match="damaged"):
        read_case(path)


def test_a_flipped_pixel_is_told(tmp_path):
    path = tmp_path / "2DBox_CT_1.npz"
    np.savez(path, imgs=IMAGE, boxes=BOX)  # not deflated: nothing but the checksum can tell
    content = bytearray(path.read_bytes())
    content[IMAGE.size // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(CaseError, match=r"damaged.*CRC"):
        read_case(path)


def test_an_array_longer_than_its_header_is_told(tmp_path):
    path = save(tmp_path, boxes=BOX)
    content = io.BytesIO()
    np.save(content, IMAGE)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("imgs.npy", content.getvalue() + b"more")
    with pytest.raises(CaseError, match="imgs is damaged: it is longer than its header says"):
        read_case(path)


def test_a_claim_of_a_tebibyte_is_refused_before_it_is_allocated(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 20, 1 << 10, 1 << 10)}
    )
    boxes = io.BytesIO()
    np.save(boxes, BOX_3D)
    path = tmp_path / "3DBox_CT_1.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("imgs.npy", header.getvalue())
        archive.writestr("boxes.npy", boxes.getvalue())
    with pytest.raises(CaseError, match=r"imgs claims .* 1\.02e\+03 GiB; at most 2 GiB"):
        read_case(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(CaseError, match="damaged or no"):
        read_case(tmp_path / "2DBox_CT_0.npz")


# ---- with a reference ----

GTS = np.zeros((40, 60), np.uint8)
GTS[5:9, 7:20] = 2
GTS[30:40, 58:] = 7
GTS_3D = np.zeros((5, 40, 60), np.uint8)
GTS_3D[1:4, 5:9, 7:20] = 1
GTS_3D[2, 5:12, 7:30] = 1


def test_the_reference_comes_along_where_it_is_scored(tmp_path):
    path = save(tmp_path, "3DBox_MR_1", imgs=VOLUME, boxes=BOX_3D, gts=GTS_3D, spacing=np.array([0.5, 0.6, 3]))
    case = read_case(path, score=True)
    np.testing.assert_array_equal(case.truth, GTS_3D)
    assert case.spacing == (3, 0.6, 0.5)  # x, y, z in the file, z, y, x here
    assert read_case(path).truth is None


def test_the_reference_may_lie_in_a_folder_of_its_own(tmp_path):
    (tmp_path / "gts").mkdir()
    path = save(tmp_path, imgs=IMAGE, boxes=BOX)
    save(tmp_path / "gts", gts=GTS)
    np.testing.assert_array_equal(read_case(path, score=True, truth=tmp_path / "gts").truth, GTS)


def test_boxes_come_from_the_reference(tmp_path):
    flat = read_case(save(tmp_path, imgs=IMAGE, gts=GTS), boxes_from_truth=True)
    assert flat.boxes.tolist() == [[7, 5, 19, 8], [58, 30, 59, 39]]
    solid = read_case(save(tmp_path, "3DBox_MR_1", imgs=VOLUME, gts=GTS_3D), boxes_from_truth=True)
    assert solid.boxes.tolist() == [[7, 5, 1, 29, 11, 3]]


def test_where_boxes_come_from_the_reference_its_labels_are_theirs(tmp_path):
    case = read_case(save(tmp_path, imgs=IMAGE, gts=GTS), boxes_from_truth=True, score=True)
    assert [np.unique(case.truth[label == GTS]).tolist() for label in (0, 2, 7)] == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("arrays", "request_", "message"),
    [
        ({"boxes": BOX}, {"score": True}, "no reference labels to score it by"),
        ({}, {"boxes_from_truth": True}, "no reference labels to take boxes from"),
        ({"gts": GTS * 0}, {"boxes_from_truth": True}, "no object in the reference"),
        ({"gts": GTS.T}, {"boxes_from_truth": True}, "have 60 x 40 pixels, the image has 40 x 60"),
        ({"gts": GTS.T, "boxes": BOX}, {"score": True}, "have 60 x 40 pixels, the image has 40 x 60"),
        ({"gts": GTS / 2}, {"boxes_from_truth": True}, "labels are float64; they must be whole numbers"),
        ({"gts": GTS.astype(np.int16) - 1}, {"boxes_from_truth": True}, "whole numbers from 0 on"),
        ({"gts": GTS_3D}, {"boxes_from_truth": True}, "have 5 x 40 x 60 pixels, the image has 40 x 60 x 3"),
        ({"gts": GTS[0]}, {"boxes_from_truth": True}, "have 60 pixels, the image has 40 x 60"),
        ({"boxes": BOX}, {"boxes": {"2DBox_CT_1": Objects(BOX * 1.0, ("",))}}, "it has boxes of its own"),
    ],
)
def test_a_reference_that_does_not_fit_is_told(arrays, request_, message, tmp_path):
    with pytest.raises(CaseError, match=message):
        read_case(save(tmp_path, imgs=IMAGE, **arrays), **request_)


@pytest.mark.parametrize(
    ("spacing", "message"),
    [({}, "no key spacing"), ({"spacing": np.ones(2)}, "three positive"), ({"spacing": np.zeros(3)}, "three positive")],
)
def test_a_volume_is_not_scored_without_its_spacing(spacing, message, tmp_path):
    path = save(tmp_path, "3DBox_MR_1", imgs=VOLUME, boxes=BOX_3D, gts=GTS_3D, **spacing)
    with pytest.raises(CaseError, match=message):
        read_case(path, score=True)
    assert read_case(path).spacing is None


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("3DBox_CT_0566", "CT"),
        ("2DBox_X-Ray_0001", "X-Ray"),
        ("2DBox_US_a_b", "US"),
        ("liver", None),
        ("a_b_c", None),
        ("2DBox", None),
    ],
)
def test_the_modality_is_in_the_name(name, modality):
    assert modality_of(name) == modality
