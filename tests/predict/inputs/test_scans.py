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
from predict.errors import CaseError
from predict.inputs.request import Request
from predict.inputs.scan_geometry import Scan
from predict.inputs.scans import ScanFile, read_scan
from predict.outputs.labels import write_labels
from predict.prompts.tables import Objects

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
    case = ScanFile(path, Request(boxes={"a": Objects(np.array([box], float), ("",))}, window=MINMAX)).read()
    # from head to feet, from front to back, from the patient's right to the left
    seen = VOXELS[::-1, ::-1, ::-1].transpose(2, 1, 0).astype(float)
    expected = np.floor((seen - seen.min()) / np.ptp(seen) * 255 + 0.5)
    np.testing.assert_array_equal(case.pixels, expected)
    assert case.boxes.tolist() == [[12 - 1 - 8, 14 - 1 - 9, 9 - 1 - 4, 12 - 1 - 2, 14 - 1 - 3, 9 - 1 - 1]]
    assert case.spacing == pytest.approx((3, 0.8, 0.7))

    labels = (expected > 100).astype(np.uint8) * 3
    write_labels(tmp_path / "out.nii.gz", labels, case.scan)
    result = nib.load(tmp_path / "out.nii.gz")
    assert result.shape == image.shape
    np.testing.assert_array_equal(result.affine, nib.load(path).affine)
    wanted = (np.floor((VOXELS.astype(float) - VOXELS.min()) / np.ptp(VOXELS) * 255 + 0.5) > 100) * 3
    np.testing.assert_array_equal(np.asarray(nib.as_closest_canonical(result).dataobj), wanted)
    axial = next(axis for axis, code in enumerate(order) if code in "SI")
    place = np.zeros(4)
    place[[axial, 3]] = case.scan.slice_number(0), 1
    top = result.affine @ place
    assert (case.scan.axial, top[2]) == (axial, pytest.approx(5 + 8 * 3))  # the head's slice, by its number in the file


@pytest.mark.parametrize("suffix", ["nrrd", "mha", "nhdr", "mhd"])
def test_results_of_other_formats_lie_where_the_scan_lies(suffix, tmp_path):
    image = sitk.GetImageFromArray(VOXELS.transpose(2, 1, 0))
    image.SetSpacing((0.7, 0.8, 3))
    image.SetOrigin((10, -20, 30))
    image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, -1))
    path = tmp_path / f"a.{suffix}"
    sitk.WriteImage(image, str(path))
    pixels, scan = read_scan(path, MINMAX)
    write_labels(tmp_path / "out.nii.gz", (pixels > 100).astype(np.uint16) * 300, scan)
    result = sitk.ReadImage(str(tmp_path / "out.nii.gz"))
    for told in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(result, told)() == pytest.approx(getattr(image, told)(), abs=1e-6)
    seen = np.floor((VOXELS.astype(float) - VOXELS.min()) / np.ptp(VOXELS) * 255 + 0.5)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(result), (seen.transpose(2, 1, 0) > 100) * 300)


def test_an_oblique_scan_keeps_its_place(tmp_path):
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])
    affine = AFFINE.copy()
    affine[:3, :3] = turn @ affine[:3, :3]
    path = save(tmp_path, nib.Nifti1Image(VOXELS, affine))
    pixels, scan = read_scan(path, MINMAX)
    write_labels(tmp_path / "out.nii.gz", (pixels > 100).astype(np.uint8), scan)
    np.testing.assert_array_equal(nib.load(tmp_path / "out.nii.gz").affine, nib.load(path).affine)
    theirs, ours = (sitk.ReadImage(str(one)) for one in (path, tmp_path / "out.nii.gz"))
    assert ours.GetDirection() == pytest.approx(theirs.GetDirection(), abs=1e-6)
    assert ours.GetOrigin() == pytest.approx(theirs.GetOrigin(), abs=1e-5)


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
    scan = Scan(image.shape[::-1], image.affine, frame_of(image.affine))
    marked = np.zeros(image.shape, np.uint8)
    marked[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))] = 1
    x0, y0, z0, x1, y1, z1 = scan.boxes_to_frame(np.array([[*low, *high]], float))[0].astype(int)
    inside = np.zeros(scan.to_frame(marked.transpose()).shape, np.uint8)
    inside[z0 : z1 + 1, y0 : y1 + 1, x0 : x1 + 1] = 1
    np.testing.assert_array_equal(scan.to_frame(marked.transpose()), inside)
    np.testing.assert_array_equal(scan.to_file(inside).transpose(), marked)


def scan_with(tmp_path, box, order="RAS"):
    return ScanFile(save(tmp_path, stored(order)), Request(boxes={"a": Objects(np.array([box], float), ("",))}))


@pytest.mark.parametrize(
    ("box", "order", "message"),
    [
        ([2, 3, 1, 8, 9, 9.0], "RAS", None),  # the far side may lie on the edge
        ([2, 3, 4, 8, 9, 4], "RAS", None),  # one slice
        ([4, 2, 3, 4, 8, 9], "SRA", None),  # one slice, in the file's own first axis
        ([4, 2, 3, 4, 8, 9], "RAS", r"box 1 \[4\.0, 2\.0, .* empty"),
        ([2, 3, 4, 8, 9, 4], "SRA", "empty"),
        ([2, 3, 1, 8, 9, 10], "RAS", "outside the volume of 9 x 14 x 12 pixels"),
        ([2, 3, 5, 8, 9, 4], "RAS", "inverted: x0, y0, z0, x1, y1, z1"),
        ([2, 3, 1.5, 8, 9, 4], "RAS", "between two slices"),
        ([2, 3, 8, 9], "RAS", "its boxes lack z0 and z1"),
    ],
)
def test_bad_boxes_are_told(box, order, message, tmp_path):
    source = scan_with(tmp_path, box, order)
    if message is None:
        assert source.read().boxes.shape == (1, 6)
        return
    with pytest.raises(CaseError, match=message):
        source.read()


def test_a_scan_of_which_nothing_is_known_is_told(tmp_path):
    with pytest.raises(CaseError, match="nothing says where its objects are"):
        ScanFile(save(tmp_path, stored("RAS"))).read()


def test_points_prompt_images_alone(tmp_path):
    boxes = {"a": Objects(np.array([[2, 3, 1, 8, 9, 4.0]]), ("",))}
    source = ScanFile(save(tmp_path, stored("RAS")), Request(boxes=boxes, points={"a": np.array([[1, 2, 3, 1.0]])}))
    with pytest.raises(CaseError, match="points and masks prompt images alone"):
        source.read()


@pytest.mark.parametrize("keep", [0, 100, 1000])
def test_cut_off_files_are_told(keep, tmp_path):
    path = save(tmp_path, stored("RAS"))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CaseError, match=r"a\.nii\.gz cannot be read"):
        ScanFile(path).read()


def test_what_is_no_single_volume_is_told(tmp_path):
    path = save(tmp_path, nib.Nifti1Image(np.stack([VOXELS] * 2, -1), AFFINE))
    with pytest.raises(CaseError, match="it holds 2 volumes or channels: save one of them"):
        ScanFile(path).read()
    voxels = VOXELS.astype(np.float32)
    voxels[3, 3, 3] = np.nan
    with pytest.raises(CaseError, match=r"1 of .* voxels are NaN"):
        ScanFile(save(tmp_path, nib.Nifti1Image(voxels, AFFINE))).read()


TRUTH = np.zeros(VOXELS.shape, np.uint8)
TRUTH[2:6, 3:9, 1:6] = 1
TRUTH[8:11, 3:9, 4:8] = 5


@pytest.mark.parametrize("order", ["RAS", "LPS", "SLP", "PIR"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_boxes_come_from_a_reference_on_the_same_grid(order, dtype, tmp_path):
    (tmp_path / "truth").mkdir()
    path = save(tmp_path, stored(order))
    save(tmp_path / "truth", stored(order, TRUTH.astype(dtype)))
    case = ScanFile(path, Request(truth=tmp_path / "truth", boxes_from_truth=True, score=True)).read()
    # R, A, S run against the frame
    assert case.boxes.tolist() == [[6, 5, 3, 9, 10, 7], [1, 5, 1, 3, 10, 4]]
    np.testing.assert_array_equal(
        case.truth, np.searchsorted([0, 1, 5], TRUTH.transpose(2, 1, 0)[::-1, ::-1, ::-1]).astype(np.uint8)
    )


def test_a_reference_on_another_grid_is_told(tmp_path):
    (tmp_path / "truth").mkdir()
    path = save(tmp_path, stored("RAS"))
    request = Request(truth=tmp_path / "truth", boxes_from_truth=True)
    save(tmp_path / "truth", stored("LAS", TRUTH))
    with pytest.raises(CaseError, match="another grid than its scan, up to 11 voxels away"):
        ScanFile(path, request).read()
    save(tmp_path / "truth", nib.Nifti1Image(TRUTH[1:], AFFINE))
    with pytest.raises(CaseError, match="has 9 x 14 x 11 voxels, the scan 9 x 14 x 12"):
        ScanFile(path, request).read()
    save(tmp_path / "truth", nib.Nifti1Image(TRUTH * np.float32(0.5), AFFINE))
    with pytest.raises(CaseError, match="labels are whole numbers"):
        ScanFile(path, request).read()


def test_a_real_ct_is_the_same_whatever_its_order(shared_data, tmp_path):
    if not (shared_data / CT).is_file():
        pytest.skip(f"the real data has no {CT}")
    image = nib.load(shared_data / CT)
    part = image.slicer[:, :, 85:95]
    expected = read_scan(save(tmp_path, part), parse_window("abdomen"))[0]
    turned = part.as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt("PSL")))
    pixels, scan = read_scan(save(tmp_path, turned), parse_window("abdomen"))
    np.testing.assert_array_equal(pixels, expected)
    assert scan.axial == 1
