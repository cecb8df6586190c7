import io
import zipfile

import numpy as np
import pytest

from predict.errors import CaseFault, InputError
from predict.inputs.case import modality_of
from predict.inputs.challenge import ChallengeFile
from predict.inputs.input_options import InputOptions
from predict.inputs.label_files import LabelFolder
from predict.notes import NoteKind
from predict.prompts.tables import NamedBoxes
from tests.predict.conftest import refused

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
VOLUME = np.random.default_rng(0).integers(0, 256, (5, 40, 60), np.uint8)
BOX = np.array([[3, 4, 20, 30]])
BOX_3D = np.array([[3, 4, 1, 20, 30, 3]])


def read_case(path, **request):
    return ChallengeFile.from_path(path, InputOptions(**request)).read()


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
    "box", [[0, 0, 0, 59, 39, 4], [59, 39, 4, 59, 39, 4], [3, 4, 2, 20, 30, 2], [9, 9, 0, 9, 30, 3], [0, 0, 0, 0, 0, 0]]
)
def test_boxes_up_to_the_edge_of_one_pixel_and_of_one_slice_are_right(box, tmp_path):
    case = read_case(save(tmp_path, "3DBox_CT_1", imgs=VOLUME, boxes=np.array([box])))
    assert case.boxes.tolist() == [box]
    assert case.notes == ()


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
def test_boxes_past_the_border_are_clipped_and_counted(dtype, tmp_path):
    boxes = np.array([[3, 4, 60, 40], [3, 4, 20, 30], [0, 0, 200, 39], [59, 0, 60, 9]], dtype)
    path = save(tmp_path, imgs=IMAGE, boxes=boxes)
    case = read_case(path)
    assert case.boxes.tolist() == [[3, 4, 59, 39], [3, 4, 20, 30], [0, 0, 59, 39], [59, 0, 59, 9]]
    assert case.boxes.dtype == dtype
    assert [(note.kind, note.count) for note in case.notes] == [(NoteKind.CLIPPED, 3)]
    with refused(CaseFault.BOX_OUTSIDE):
        read_case(path, strict=True)


def test_negative_corners_are_clipped_too(tmp_path):
    case = read_case(save(tmp_path, "3DBox_CT_1", imgs=VOLUME, boxes=np.array([[-3, 4, -1, 9, 30, 7]])))
    assert case.boxes.tolist() == [[0, 4, 0, 9, 30, 4]]
    assert case.notes[0].count == 1


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("volume", [False, True])
def test_every_shape_of_one_meaning_is_taken(channels, volume, tmp_path):
    plain, boxes = (VOLUME, BOX_3D) if volume else (IMAGE[..., 0], BOX)
    imgs = np.stack([plain, 255 - plain, plain // 2, plain // 3][:channels], -1)
    case = read_case(save(tmp_path, "case", imgs=imgs, boxes=boxes[0]))
    np.testing.assert_array_equal(case.pixels, plain if channels == 1 else imgs[..., :3])
    np.testing.assert_array_equal(case.boxes, boxes)


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"image": IMAGE, "boxes": BOX}, CaseFault.KEYS),
        ({"imgs": IMAGE}, CaseFault.KEYS),
        ({"imgs": IMAGE / 255, "boxes": BOX}, CaseFault.RANGE),
        ({"imgs": IMAGE.astype(np.int16) * 10, "boxes": BOX}, CaseFault.RANGE),
        ({"imgs": IMAGE.astype(np.int16) - 1, "boxes": BOX}, CaseFault.RANGE),
        ({"imgs": IMAGE > 3, "boxes": BOX}, CaseFault.RANGE),
        ({"imgs": IMAGE[:, :0], "boxes": BOX}, CaseFault.FORM),
        ({"imgs": IMAGE[..., :2], "boxes": BOX}, CaseFault.FORM),
        ({"imgs": IMAGE[0, 0], "boxes": BOX}, CaseFault.FORM),
        ({"imgs": IMAGE, "boxes": BOX[:0]}, CaseFault.NO_PROMPT),
        ({"imgs": IMAGE, "boxes": np.zeros(0)}, CaseFault.NO_PROMPT),
        ({"imgs": IMAGE, "boxes": BOX[:, :3]}, CaseFault.BOX_FORM),
        ({"imgs": IMAGE, "boxes": BOX[None]}, CaseFault.BOX_FORM),
        ({"imgs": IMAGE, "boxes": BOX.astype(str)}, CaseFault.BOX_FORM),
        ({"imgs": IMAGE, "boxes": BOX * np.nan}, CaseFault.BOX_FORM),
        ({"imgs": IMAGE, "boxes": BOX_3D}, CaseFault.BOX_FORM),
        ({"imgs": IMAGE, "boxes": np.array([[60, 4, 60, 30]])}, CaseFault.BOX_OUTSIDE),
        ({"imgs": IMAGE, "boxes": np.array([[-9, 4, -1, 30]])}, CaseFault.BOX_OUTSIDE),
        ({"imgs": IMAGE, "boxes": np.array([[20, 4, 3, 30]])}, CaseFault.BOX_ORDER),
        ({"imgs": IMAGE, "boxes": np.tile(BOX, (100_000, 1))}, CaseFault.BOX_COUNT),
        ({"imgs": np.array([{}], object), "boxes": BOX}, CaseFault.UNREADABLE),
    ],
)
def test_bad_images_are_refused(arrays, fault, tmp_path):
    with refused(fault):
        read_case(save(tmp_path, **arrays))


def test_the_first_bad_boxes_are_named(tmp_path):
    boxes = np.array([[9, 3, 3, 30], *[[0, 0, 9, 9]] * 3, *[[9, 3, 3, 30]] * 4], np.uint8)
    with pytest.raises(InputError, match=r"^boxes 1 \[9, 3, 3, 30\], 5 .*, 6 .* and 2 more of 8: inverted"):
        read_case(save(tmp_path, imgs=IMAGE, boxes=boxes))


@pytest.mark.parametrize(
    ("name", "boxes", "fault"),
    [
        ("3DBox_CT_1", BOX, CaseFault.BOX_FORM),
        ("case", BOX, CaseFault.FORM),  # (5, 40, 60) is not an image
        ("3DBox_CT_1", np.array([[3, 4, 3, 20, 30, 1]]), CaseFault.BOX_ORDER),
        ("3DBox_CT_1", np.array([[3, 4, 5, 20, 30, 5]]), CaseFault.BOX_OUTSIDE),
        ("3DBox_CT_1", np.array([[3, 4, 1.5, 20, 30, 3]]), CaseFault.BOX_FORM),
    ],
)
def test_bad_volumes_are_refused(name, boxes, fault, tmp_path):
    with refused(fault):
        read_case(save(tmp_path, name, imgs=VOLUME, boxes=boxes))


@pytest.mark.parametrize("keep", [0, 10, 300, -30])
def test_a_cut_off_file_is_refused(keep, tmp_path):
    path = save(tmp_path, imgs=IMAGE, boxes=BOX)
    path.write_bytes(path.read_bytes()[:keep])
    with refused(CaseFault.UNREADABLE):
        read_case(path)


def test_a_flipped_bit_is_found(tmp_path):
    path = save(tmp_path, imgs=IMAGE, boxes=BOX)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with refused(CaseFault.UNREADABLE):
        read_case(path)


def test_a_flipped_pixel_is_found(tmp_path):
    path = tmp_path / "2DBox_CT_1.npz"
    np.savez(path, imgs=IMAGE, boxes=BOX)  # not deflated: nothing but the checksum can tell
    content = bytearray(path.read_bytes())
    content[IMAGE.size // 2] ^= 4
    path.write_bytes(content)
    with refused(CaseFault.UNREADABLE):
        read_case(path)


def test_an_array_longer_than_its_header_is_refused(tmp_path):
    path = save(tmp_path, boxes=BOX)
    content = io.BytesIO()
    np.save(content, IMAGE)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("imgs.npy", content.getvalue() + b"more")
    with refused(CaseFault.UNREADABLE):
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
    with refused(CaseFault.TOO_LARGE):
        read_case(path)


def test_a_missing_file_is_refused(tmp_path):
    with refused(CaseFault.UNREADABLE):
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
    np.testing.assert_array_equal(read_case(path, score=True, truth=LabelFolder(tmp_path / "gts")).truth, GTS)


def test_boxes_come_from_the_reference(tmp_path):
    flat = read_case(save(tmp_path, imgs=IMAGE, gts=GTS), boxes_from_truth=True)
    assert flat.boxes.tolist() == [[7, 5, 19, 8], [58, 30, 59, 39]]
    solid = read_case(save(tmp_path, "3DBox_MR_1", imgs=VOLUME, gts=GTS_3D), boxes_from_truth=True)
    assert solid.boxes.tolist() == [[7, 5, 1, 29, 11, 3]]


def test_where_boxes_come_from_the_reference_its_labels_are_theirs(tmp_path):
    case = read_case(save(tmp_path, imgs=IMAGE, gts=GTS), boxes_from_truth=True, score=True)
    assert [np.unique(case.truth[label == GTS]).tolist() for label in (0, 2, 7)] == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("arrays", "options", "fault"),
    [
        ({"boxes": BOX}, {"score": True}, CaseFault.NO_REFERENCE),
        ({}, {"boxes_from_truth": True}, CaseFault.NO_REFERENCE),
        ({"gts": GTS * 0}, {"boxes_from_truth": True}, CaseFault.NO_REFERENCE),
        ({"gts": GTS.T}, {"boxes_from_truth": True}, CaseFault.LABEL_GRID),
        ({"gts": GTS.T, "boxes": BOX}, {"score": True}, CaseFault.LABEL_GRID),
        ({"gts": GTS / 2}, {"boxes_from_truth": True}, CaseFault.LABEL_FILE),
        ({"gts": GTS.astype(np.int16) - 1}, {"boxes_from_truth": True}, CaseFault.LABEL_FILE),
        ({"gts": GTS[0]}, {"boxes_from_truth": True}, CaseFault.LABEL_GRID),
        ({"boxes": BOX}, {"boxes": {"2DBox_CT_1": NamedBoxes(BOX * 1.0, ("",))}}, CaseFault.PROMPT_TWICE),
    ],
)
def test_a_reference_that_does_not_fit_is_refused(arrays, options, fault, tmp_path):
    with refused(fault):
        read_case(save(tmp_path, imgs=IMAGE, **arrays), **options)


def test_a_volume_without_spacing_is_scored_in_voxels(tmp_path):
    case = read_case(save(tmp_path, "3DBox_MR_1", imgs=VOLUME, boxes=BOX_3D, gts=GTS_3D), score=True)
    assert case.spacing is None
    assert [note.kind for note in case.notes] == [NoteKind.NO_SPACING]


@pytest.mark.parametrize("spacing", [np.ones(2), np.zeros(3), np.array([1, 1, np.nan])])
def test_a_spacing_that_is_none_is_refused(spacing, tmp_path):
    path = save(tmp_path, "3DBox_MR_1", imgs=VOLUME, boxes=BOX_3D, gts=GTS_3D, spacing=spacing)
    with refused(CaseFault.GEOMETRY):
        read_case(path, score=True)
    assert read_case(path).spacing is None


@pytest.mark.parametrize(
    ("ids", "odd"),
    [
        ([1, 2], False),
        ([2, 1], True),  # in the order of the labels, not of the boxes
        ([3, 7], True),
        ([1, 0], False),  # an object that the reference lacks
    ],
)
def test_labels_in_another_order_than_the_boxes_are_noted(ids, odd, tmp_path):
    gts = np.zeros((40, 60), np.uint8)
    gts[5:9, 7:20], gts[30:40, 50:] = ids
    boxes = np.array([[6, 4, 21, 10], [48, 28, 59, 39]])
    case = read_case(save(tmp_path, imgs=IMAGE, boxes=boxes, gts=gts), score=True)
    assert [note.kind for note in case.notes] == [NoteKind.LABEL_ORDER] * odd


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
