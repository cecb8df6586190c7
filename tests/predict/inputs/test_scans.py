"""Scans in every order of their voxels, with nibabel and SimpleITK as the oracles."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, ornt_transform

from curate.imaging.volume import frame_of
from curate.imaging.window import MINMAX, MINMAX_SLICE, NONE, parse_window
from predict.errors import CaseFault
from predict.inputs.input_options import InputOptions
from predict.inputs.label_files import LabelFolder
from predict.inputs.scan_geometry import ScanGeometry
from predict.inputs.scans import ScanFile, read_scan
from predict.notes import NoteKind
from predict.outputs.labels import write_labels
from predict.prompts.tables import NamedBoxes
from tests.predict.conftest import refused

ORDERS = [a + b + c for a in "RL" for b in "AP" for c in "SI"]
ORDERS = [x + y + z for w in ORDERS for x in w for y in w for z in w if len({x, y, z}) == 3]
"""All 48 ways to store a volume."""
RANDOM = np.random.default_rng(0)
VOXELS = RANDOM.integers(-1000, 1000, (12, 14, 9)).astype(np.int16)  # R, A, S
AFFINE = np.array([[0.7, 0, 0, -30], [0, 0.8, 0, 20], [0, 0, 3, 5], [0, 0, 0, 1.0]])
CT = "TotalSegmentator/tests/reference_files/example_ct.nii.gz"


def stored(order, voxels=VOXELS):
    """The volume in another order, by nibabel."""
    return nib.Nifti1Image(voxels, AFFINE).as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(order)))


def save(folder, image, name="a.nii.gz"):
    nib.save(image, folder / name)
    return folder / name


def box_of(image, box):
    """A box in R, A, S voxel indices as one of the image's own: nibabel says where its corners are."""
    corners = np.array([[*box[:3], 1], [*box[3:], 1]], float).T
    places = (np.linalg.inv(image.affine) @ AFFINE @ corners)[:3].round().astype(int)
    return [*places.min(1), *places.max(1)]


@pytest.mark.parametrize("order", ORDERS)
def test_slices_are_axial_whatever_the_order_and_labels_come_back(order, tmp_path):
    image = stored(order)
    path = save(tmp_path, image)
    box = box_of(image, [2, 3, 1, 8, 9, 4])
    case = ScanFile.from_path(
        path, InputOptions(boxes={"a": NamedBoxes(np.array([box], float), ("",))}, window=MINMAX)
    ).read()
    # from head to feet, from front to back, from the patient's right to the left
    seen = VOXELS[::-1, ::-1, ::-1].transpose(2, 1, 0).astype(float)
    expected = np.floor((seen - seen.min()) / np.ptp(seen) * 255 + 0.5)
    np.testing.assert_array_equal(case.pixels, expected)
    assert case.boxes.tolist() == [[12 - 1 - 8, 14 - 1 - 9, 9 - 1 - 4, 12 - 1 - 2, 14 - 1 - 3, 9 - 1 - 1]]
    assert case.spacing == pytest.approx((3, 0.8, 0.7))

    labels = (expected > 100).astype(np.uint8) * 3
    write_labels(tmp_path / "out.nii.gz", labels, case.geometry)
    result = nib.load(tmp_path / "out.nii.gz")
    assert result.shape == image.shape
    np.testing.assert_array_equal(result.affine, nib.load(path).affine)
    wanted = (np.floor((VOXELS.astype(float) - VOXELS.min()) / np.ptp(VOXELS) * 255 + 0.5) > 100) * 3
    np.testing.assert_array_equal(np.asarray(nib.as_closest_canonical(result).dataobj), wanted)
    axial = next(axis for axis, code in enumerate(order) if code in "SI")
    place = np.zeros(4)
    place[[axial, 3]] = case.geometry.slice_number(0), 1
    top = result.affine @ place
    assert (case.geometry.axial, top[2]) == (
        axial,
        pytest.approx(5 + 8 * 3),
    )  # the head's slice, by its number in the file


DIRECTION = tuple(np.round(np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0].ravel(), 12).tolist())
GEOMETRY = ("GetSize", "GetSpacing", "GetOrigin", "GetDirection")


@pytest.mark.parametrize("direction", [(0.0, 1, 0, 1, 0, 0, 0, 0, -1), DIRECTION], ids=["swapped", "oblique"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", ["nrrd", "mha", "nhdr", "mhd"])
def test_labels_of_mha_and_nrrd_have_the_geometry_of_their_scan_bit_by_bit(suffix, dtype, direction, tmp_path):
    image = sitk.GetImageFromArray(VOXELS.transpose(2, 1, 0))
    image.SetSpacing((0.7123456789012345, 0.8, 3.3333333333333335))
    image.SetOrigin((-123.45678901234567, 1 / 3, 1e-7))
    image.SetDirection(direction)
    path = tmp_path / f"a.{suffix}"
    sitk.WriteImage(image, str(path), useCompression=True)
    case = ScanFile.from_path(
        path, InputOptions(boxes={"a": NamedBoxes(np.array([[2, 3, 1, 8, 9, 4.0]]), ("",))})
    ).read()
    target = tmp_path / "out" / ScanFile.from_path(path).target
    assert target.suffix == {"n": ".nrrd", "m": ".mha"}[suffix[0]]
    labels = ((case.pixels > 100) * (3 if dtype == np.uint8 else 300)).astype(dtype)
    write_labels(target, labels, case.geometry)
    scan, result = sitk.ReadImage(str(path)), sitk.ReadImage(str(target))
    for function in GEOMETRY:
        assert getattr(result, function)() == getattr(scan, function)(), function
    statistics = sitk.LabelStatisticsImageFilter()
    statistics.Execute(scan, result)  # refuses images of two spaces
    assert statistics.GetCount(int(labels.max())) == (labels > 0).sum()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(result), case.geometry.to_file(labels))


def test_the_labels_of_itk_and_the_scan_agree_by_position(tmp_path):
    """Voxels of a threshold, found by SimpleITK itself on the scan."""
    image = sitk.GetImageFromArray(VOXELS.transpose(2, 1, 0))
    image.SetDirection((0, 0, 1, -1, 0, 0, 0, -1, 0))
    path = tmp_path / "a.mha"
    sitk.WriteImage(image, str(path))
    low, high = VOXELS.min(), VOXELS.max()
    pixels, geometry, _ = read_scan(path, MINMAX)
    write_labels(tmp_path / "out.mha", (pixels > 100).astype(np.uint8), geometry)
    seen = np.floor((sitk.GetArrayFromImage(image) - float(low)) / float(high - low) * 255 + 0.5) > 100
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out.mha"))), seen)


@pytest.mark.parametrize("codes", [(1, 0), (0, 2), (1, 1), (2, 4), (0, 0)])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("big", [False, True], ids=["little", "big endian"])
def test_labels_of_nifti_have_both_forms_with_codes_and_units(big, kind, codes, tmp_path):
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])
    other = AFFINE.copy()
    other[:3, :3] = turn @ other[:3, :3]
    image = kind(VOXELS, AFFINE)
    image.set_qform(other, code=codes[0])
    image.set_sform(AFFINE, code=codes[1])
    image.header.set_xyzt_units("micron", "sec")
    image.header["descrip"], image.header["cal_max"] = b"scanner", 77
    image.header.set_slope_inter(2, 0)
    image.header.set_intent("t test", (3,))
    if big:
        image = kind(image.dataobj, None, image.header.as_byteswapped(">"))
    path = save(tmp_path, image)
    pixels, geometry, _ = read_scan(path, MINMAX)
    write_labels(tmp_path / "out.nii.gz", (pixels > 100).astype(np.uint8), geometry)
    scan, result = nib.load(path), nib.load(tmp_path / "out.nii.gz")
    assert type(result) is type(scan)
    for coded in ("get_qform", "get_sform"):
        for theirs, ours in zip(
            getattr(scan.header, coded)(coded=True), getattr(result.header, coded)(coded=True), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    for key in ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "pixdim", "dim",
                "srow_x", "srow_y", "srow_z", "xyzt_units"):  # fmt: skip
        np.testing.assert_array_equal(result.header[key], scan.header[key])
    assert result.header.get_xyzt_units() == ("micron", "sec")
    assert (result.get_data_dtype(), result.dataobj.slope, result.header["cal_max"]) == (np.uint8, 1, 0)
    assert result.header.get_intent()[0] == "none"
    np.testing.assert_array_equal(np.asarray(result.dataobj), geometry.to_file(pixels > 100).transpose())
    if codes == (2, 4) and kind is nib.Nifti1Image:
        theirs, ours = (sitk.ReadImage(str(one)) for one in (path, tmp_path / "out.nii.gz"))
        assert [getattr(ours, f)() for f in GEOMETRY] == [getattr(theirs, f)() for f in GEOMETRY]


def test_an_oblique_scan_keeps_its_place(tmp_path):
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])
    affine = AFFINE.copy()
    affine[:3, :3] = turn @ affine[:3, :3]
    path = save(tmp_path, nib.Nifti1Image(VOXELS, affine))
    pixels, scan, _ = read_scan(path, MINMAX)
    write_labels(tmp_path / "out.nii.gz", (pixels > 100).astype(np.uint8), scan)
    np.testing.assert_array_equal(nib.load(tmp_path / "out.nii.gz").affine, nib.load(path).affine)
    theirs, ours = (sitk.ReadImage(str(one)) for one in (path, tmp_path / "out.nii.gz"))
    assert ours.GetDirection() == theirs.GetDirection()
    assert ours.GetOrigin() == theirs.GetOrigin()


@pytest.mark.parametrize("shape", [(14, 12), (14, 12, 1)])
def test_one_slice_is_a_plane_that_takes_boxes_of_four_numbers(shape, tmp_path):
    voxels = RANDOM.integers(0, 99, shape).astype(np.int16)
    path = save(tmp_path, nib.Nifti1Image(voxels, AFFINE))
    boxes = NamedBoxes(np.array([[2.0, 3, 8, 9]]), ("",))
    case = ScanFile.from_path(path, InputOptions(boxes={"a": boxes}, window=MINMAX)).read()
    assert case.shape == (1, 12, 14)
    assert case.boxes.tolist() == [[14 - 1 - 8, 12 - 1 - 9, 0, 14 - 1 - 2, 12 - 1 - 3, 0]]
    write_labels(tmp_path / "out.nii.gz", (case.pixels > 100).astype(np.uint8), case.geometry)
    result = nib.load(tmp_path / "out.nii.gz")
    assert result.shape == shape
    np.testing.assert_array_equal(
        np.asarray(result.dataobj) > 0, np.floor((voxels - voxels.min()) / np.ptp(voxels) * 255 + 0.5) > 100
    )


def test_a_2d_mha_gets_2d_labels(tmp_path):
    image = sitk.GetImageFromArray(RANDOM.integers(0, 99, (40, 60)).astype(np.int16))
    image.SetSpacing((0.1, 0.2))
    path = tmp_path / "a.mha"
    sitk.WriteImage(image, str(path))
    boxes = NamedBoxes(np.array([[2.0, 3, 8, 9]]), ("",))
    case = ScanFile.from_path(path, InputOptions(boxes={"a": boxes})).read()
    write_labels(tmp_path / "out.mha", (case.pixels > 100).astype(np.uint8), case.geometry)
    result = sitk.ReadImage(str(tmp_path / "out.mha"))
    assert (result.GetDimension(), result.GetSize(), result.GetSpacing()) == (2, (60, 40), (0.1, 0.2))


@pytest.mark.parametrize(("thin", "order"), [(0, "RAS"), (1, "RAS"), (0, "SPL"), (2, "PIR")])
def test_one_slice_of_another_plane_is_a_plane_too(thin, order, tmp_path):
    image = stored(order)
    part = [slice(None)] * 3
    part[thin] = slice(3, 4)
    _, geometry, _ = read_scan(save(tmp_path, image.slicer[tuple(part)]), MINMAX)
    assert geometry.axial == thin
    assert geometry.to_frame(np.zeros(geometry.shape)).shape[0] == 1
    marked = RANDOM.integers(0, 9, geometry.shape)
    np.testing.assert_array_equal(geometry.to_file(geometry.to_frame(marked)), marked)
    codes = [code for axis, code in enumerate(nib.aff2axcodes(image.affine)) if axis != thin]
    rows = next((c for c in codes if c in "SI"), None) or next(c for c in codes if c in "AP")
    stored_rows = geometry.shape[geometry.frame.order[1]]
    assert stored_rows == image.shape[nib.aff2axcodes(image.affine).index(rows)]


def test_windows_are_those_of_curate(tmp_path):
    path = save(tmp_path, nib.Nifti1Image(VOXELS, AFFINE))
    turned = VOXELS.transpose(2, 1, 0)[::-1, ::-1, ::-1].astype(float)
    expected = np.floor(np.clip((turned + 160) / 400 * 255, 0, 255) + 0.5)
    for text in ("abdomen", "40/400"):
        np.testing.assert_array_equal(read_scan(path, parse_window(text))[0], expected)
    low, high = np.percentile(turned[turned != 0], [0.5, 99.5])
    expected = np.floor(np.clip((turned - low) / (high - low) * 255, 0, 255) + 0.5)
    np.testing.assert_array_equal(read_scan(path, NONE)[0], expected)


def test_a_window_a_slice(tmp_path):
    voxels = VOXELS.copy()
    voxels[..., 2] = 7  # a slice that shows nothing
    for order in ("RAS", "SPL"):
        pixels = read_scan(save(tmp_path, stored(order, voxels)), MINMAX_SLICE)[0]
        assert [(one.min(), one.max()) for one in pixels] == [(0, 255)] * 6 + [(0, 0)] + [(0, 255)] * 2


def test_a_slope_is_applied(tmp_path):
    image = nib.Nifti1Image(VOXELS, AFFINE)
    image.header.set_slope_inter(0.5, -100)
    path = save(tmp_path, image)
    seen = np.asarray(nib.load(path).dataobj).transpose(2, 1, 0)[::-1, ::-1, ::-1]
    expected = np.floor(np.clip((seen + 160) / 400 * 255, 0, 255) + 0.5)
    np.testing.assert_array_equal(read_scan(path, parse_window("abdomen"))[0], expected)


@settings(max_examples=40)
@given(st.sampled_from(ORDERS), st.data())
def test_a_box_holds_the_same_voxels_in_file_and_frame(order, data):
    image = stored(order)
    low = [data.draw(st.integers(0, length - 2)) for length in image.shape]
    high = [data.draw(st.integers(first + 1, length - 1)) for first, length in zip(low, image.shape, strict=True)]
    scan = ScanGeometry(image.shape[::-1], image.affine, frame_of(image.affine))
    marked = np.zeros(image.shape, np.uint8)
    marked[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))] = 1
    x0, y0, z0, x1, y1, z1 = scan.boxes_to_frame(np.array([[*low, *high]], float))[0].astype(int)
    inside = np.zeros(scan.to_frame(marked.transpose()).shape, np.uint8)
    inside[z0 : z1 + 1, y0 : y1 + 1, x0 : x1 + 1] = 1
    np.testing.assert_array_equal(scan.to_frame(marked.transpose()), inside)
    np.testing.assert_array_equal(scan.to_file(inside).transpose(), marked)


def scan_with(tmp_path, box, order="RAS"):
    return ScanFile.from_path(
        save(tmp_path, stored(order)), InputOptions(boxes={"a": NamedBoxes(np.array([box], float), ("",))})
    )


@pytest.mark.parametrize(
    ("box", "order", "fault"),
    [
        ([2, 3, 1, 8, 9, 8.0], "RAS", None),
        ([2, 3, 4, 8, 9, 4], "RAS", None),  # one slice
        ([4, 2, 3, 4, 8, 9], "SRA", None),  # one slice, in the file's own first axis
        ([4, 2, 3, 4, 8, 8], "RAS", None),  # one voxel wide
        ([2, 3, 5, 8, 9, 4], "RAS", CaseFault.BOX_ORDER),
        ([2, 3, 9, 8, 9, 9], "RAS", CaseFault.BOX_OUTSIDE),
        ([2, 3, 1.5, 8, 9, 4], "RAS", CaseFault.BOX_FORM),
        ([2, 3, 8, 9], "RAS", CaseFault.BOX_FORM),
    ],
)
def test_boxes_of_scans_are_checked_in_the_axes_of_the_file(box, order, fault, tmp_path):
    source = scan_with(tmp_path, box, order)
    if fault is None:
        assert source.read().boxes.shape == (1, 6)
        return
    with refused(fault):
        source.read()


@pytest.mark.parametrize("order", ["RAS", "LPI"])
def test_boxes_past_the_border_are_clipped_in_the_file(order, tmp_path):
    case = scan_with(tmp_path, [-4, 3, 1, 12, 9, 40], order).read()
    assert [(note.kind, note.count) for note in case.notes] == [(NoteKind.CLIPPED, 1)]
    expected = {"RAS": [0, 4, 0, 11, 10, 7], "LPI": [0, 3, 1, 11, 9, 8]}[order]
    assert case.boxes.tolist() == [expected]


def test_a_scan_without_prompts_is_refused(tmp_path):
    with refused(CaseFault.NO_PROMPT):
        ScanFile.from_path(save(tmp_path, stored("RAS"))).read()
    with refused(CaseFault.BOX_FORM):
        ScanFile.from_path(save(tmp_path, stored("RAS")), InputOptions(whole=True)).read()


def test_points_prompt_images_alone(tmp_path):
    boxes = {"a": NamedBoxes(np.array([[2, 3, 1, 8, 9, 4.0]]), ("",))}
    options = InputOptions(boxes=boxes, points={"a": np.array([[1, 2, 3, 1.0]])})
    with refused(CaseFault.BOX_FORM):
        ScanFile.from_path(save(tmp_path, stored("RAS")), options).read()


@pytest.mark.parametrize("keep", [0, 100, 1000])
def test_cut_off_files_are_refused(keep, tmp_path):
    path = save(tmp_path, stored("RAS"))
    path.write_bytes(path.read_bytes()[:keep])
    with refused(CaseFault.UNREADABLE):
        ScanFile.from_path(path).read()


def test_several_volumes_or_channels_are_refused(tmp_path):
    path = save(tmp_path, nib.Nifti1Image(np.stack([VOXELS] * 2, -1), AFFINE))
    with refused(CaseFault.CHANNELS):
        ScanFile.from_path(path).read()
    vector = sitk.GetImageFromArray(np.zeros((4, 5, 3), np.uint8), isVector=True)
    sitk.WriteImage(vector, str(tmp_path / "b.mha"))
    with refused(CaseFault.CHANNELS):
        ScanFile.from_path(tmp_path / "b.mha").read()


BOX = NamedBoxes(np.array([[2, 3, 1, 8, 9, 7.0]]), ("",))


@pytest.mark.parametrize("order", ["RAS", "SPL"])
@pytest.mark.parametrize("window", [NONE, MINMAX_SLICE, parse_window("0/1000")])
def test_voxels_that_are_not_finite_are_named_and_belong_to_no_object(window, order, tmp_path):
    voxels = VOXELS.astype(np.float32)
    voxels[3, 3, 3], voxels[5, 6, 3], voxels[..., 6] = np.nan, np.inf, np.nan
    path = save(tmp_path, stored(order, voxels))
    case = ScanFile.from_path(
        path,
        InputOptions(
            boxes={"a": NamedBoxes(np.array([box_of(stored(order), [2, 3, 1, 8, 9, 7])], float), ("",))}, window=window
        ),
    ).read()
    turned = voxels.transpose(2, 1, 0)[::-1, ::-1, ::-1]
    np.testing.assert_array_equal(case.unknown, ~np.isfinite(turned))
    assert (case.pixels[case.unknown] == 0).all()
    (note,) = case.notes
    assert (note.kind, note.count) == (NoteKind.NOT_FINITE, 2 + 12 * 14)
    assert "slices 3, 6 (1 without any finite voxel, skipped)" in note.text
    if window is NONE:
        finite = turned[np.isfinite(turned)].astype(float)
        low, high = np.percentile(finite[finite != 0], [0.5, 99.5])
        expected = np.floor(np.clip((turned.astype(float) - low) / (high - low) * 255, 0, 255) + 0.5)
        np.testing.assert_array_equal(case.pixels[~case.unknown], expected[~case.unknown])
    with refused(CaseFault.NOT_FINITE):
        ScanFile.from_path(path, InputOptions(boxes={"a": BOX}, strict=True)).read()


def test_a_scan_without_any_finite_voxel_is_refused(tmp_path):
    path = save(tmp_path, nib.Nifti1Image(np.full((4, 5, 6), np.nan, np.float32), AFFINE))
    with refused(CaseFault.NOT_FINITE):
        ScanFile.from_path(path, InputOptions(boxes={"a": BOX})).read()


TRUTH = np.zeros(VOXELS.shape, np.uint8)
TRUTH[2:6, 3:9, 1:6] = 1
TRUTH[8:11, 3:9, 4:8] = 5


@pytest.mark.parametrize("order", ["RAS", "LPS", "SLP", "PIR"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_boxes_come_from_a_reference_on_the_same_grid(order, dtype, tmp_path):
    (tmp_path / "truth").mkdir()
    path = save(tmp_path, stored(order))
    save(tmp_path / "truth", stored(order, TRUTH.astype(dtype)))
    case = ScanFile.from_path(
        path, InputOptions(truth=LabelFolder(tmp_path / "truth"), boxes_from_truth=True, score=True)
    ).read()
    # R, A, S run against the frame
    assert case.boxes.tolist() == [[6, 5, 3, 9, 10, 7], [1, 5, 1, 3, 10, 4]]
    np.testing.assert_array_equal(
        case.truth, np.searchsorted([0, 1, 5], TRUTH.transpose(2, 1, 0)[::-1, ::-1, ::-1]).astype(np.uint8)
    )


def test_a_reference_on_another_grid_is_refused(tmp_path):
    (tmp_path / "truth").mkdir()
    path = save(tmp_path, stored("RAS"))
    for image, fault in (
        (stored("LAS", TRUTH), CaseFault.LABEL_GRID),
        (nib.Nifti1Image(TRUTH[1:], AFFINE), CaseFault.LABEL_GRID),
        (nib.Nifti1Image(TRUTH * np.float32(0.5), AFFINE), CaseFault.LABEL_FILE),
    ):
        save(tmp_path / "truth", image)
        with refused(fault):
            ScanFile.from_path(path, InputOptions(truth=LabelFolder(tmp_path / "truth"), boxes_from_truth=True)).read()


def test_a_real_ct_is_the_same_whatever_its_order(shared_data, tmp_path):
    if not (shared_data / CT).is_file():
        pytest.skip(f"the real data has no {CT}")
    image = nib.load(shared_data / CT)
    part = image.slicer[:, :, 85:95]
    expected = read_scan(save(tmp_path, part), parse_window("abdomen"))[0]
    turned = part.as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt("PSL")))
    pixels, scan, _ = read_scan(save(tmp_path, turned), parse_window("abdomen"))
    np.testing.assert_array_equal(pixels, expected)
    assert scan.axial == 1
