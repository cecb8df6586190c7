from typing import Any
from unittest import mock

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging import resample
from curate.imaging.resample import TOLERANCE, Aligned, align
from curate.imaging.volume import Volume

RNG = np.random.default_rng(3)
DATA = RNG.integers(1, 200, (6, 9, 12)).astype(np.uint8)  # k, j, i; no background: what lies outside shows as 0


def scan(
    data: NDArray[Any] = DATA,
    spacing: tuple[float, float, float] = (0.7, 1.1, 2.5),
    origin: tuple[float, float, float] = (-31.5, 12.25, 101.0),
    direction: NDArray[np.float64] | None = None,
) -> sitk.Image:
    image = sitk.GetImageFromArray(data)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction is not None:
        image.SetDirection(direction.ravel().tolist())
    return image


def as_volume(image: sitk.Image) -> Volume:
    """Take the affine from where SimpleITK says that voxels lie, LPS turned to RAS."""
    corner, *steps = (
        np.array(image.TransformIndexToPhysicalPoint(index)) * (-1, -1, 1)
        for index in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    )
    affine = np.eye(4)
    affine[:3] = np.column_stack([*(step - corner for step in steps), corner])
    return Volume(sitk.GetArrayFromImage(image), affine)


def by_itk(label: sitk.Image, image: sitk.Image) -> NDArray[Any]:
    return sitk.GetArrayFromImage(sitk.Resample(label, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0))


def away_from_ties(label: sitk.Image, image: sitk.Image, margin: float = 1e-4) -> NDArray[np.bool_]:
    """Tell which voxels of the image lie where the nearest label voxel is beyond doubt."""
    k, j, i = np.indices(image.GetSize()[::-1])
    places = [
        label.TransformPhysicalPointToContinuousIndex(image.TransformIndexToPhysicalPoint(index))
        for index in zip(i.ravel().tolist(), j.ravel().tolist(), k.ravel().tolist(), strict=True)
    ]
    clear = np.abs(np.mod(np.array(places), 1.0) - 0.5).min(axis=1) > margin
    return clear.reshape(k.shape)


def assert_lands(label: sitk.Image, image: sitk.Image) -> Aligned:
    aligned = align(as_volume(label), as_volume(image), "seg")
    clear = away_from_ties(label, image)
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(aligned.voxels[clear], by_itk(label, image)[clear])
    return aligned


IMAGE = scan()


def test_equal_grids_are_taken_as_they_are() -> None:
    label = as_volume(scan(DATA[::-1].copy()))
    aligned = align(label, as_volume(IMAGE), "seg")
    assert aligned.voxels is label.voxels
    assert not aligned.resampled


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(sitk.Flip(IMAGE, [True, False, False], False), id="flipped x"),
        pytest.param(sitk.Flip(IMAGE, [False, True, True], False), id="flipped y z"),
        pytest.param(sitk.PermuteAxes(IMAGE, [1, 2, 0]), id="permuted"),
        pytest.param(sitk.PermuteAxes(sitk.Flip(IMAGE, [True, True, True], False), [2, 1, 0]), id="both"),
        pytest.param(sitk.DICOMOrient(IMAGE, "RSA"), id="reoriented"),
    ],
)
def test_stored_another_way_round_it_is_the_same_voxels(other: sitk.Image) -> None:
    """The label holds the image's own values: after alignment they must be the image's, voxel by voxel."""
    aligned = align(as_volume(other), as_volume(IMAGE), "seg")
    assert aligned.resampled
    np.testing.assert_array_equal(aligned.voxels, DATA)
    np.testing.assert_array_equal(aligned.voxels, by_itk(other, IMAGE))


def test_cropped() -> None:
    crop = sitk.RegionOfInterest(IMAGE, [5, 4, 3], [4, 3, 2])
    aligned = assert_lands(crop, IMAGE)
    expected = np.zeros_like(DATA)
    expected[2:5, 3:7, 4:9] = DATA[2:5, 3:7, 4:9]
    np.testing.assert_array_equal(aligned.voxels, expected)
    assert aligned.resampled


def test_larger_than_the_image() -> None:
    image = sitk.RegionOfInterest(IMAGE, [5, 4, 3], [4, 3, 2])
    np.testing.assert_array_equal(align(as_volume(IMAGE), as_volume(image), "seg").voxels, DATA[2:5, 3:7, 4:9])


def test_shifted_by_whole_voxels() -> None:
    moved = scan(origin=(-31.5 + 2 * 0.7, 12.25 - 1.1, 101.0))
    aligned = assert_lands(moved, IMAGE)
    expected = np.zeros_like(DATA)
    expected[:, :-1, 2:] = DATA[:, 1:, :-2]
    np.testing.assert_array_equal(aligned.voxels, expected)


@pytest.mark.parametrize("spacing", [(0.35, 0.55, 1.25), (1.4, 2.2, 5.0), (0.5, 1.7, 0.9)])
def test_other_spacing(spacing: tuple[float, float, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resample, "KEPT_LEAST", 0)
    assert assert_lands(scan(spacing=spacing, origin=(-31.3, 12.3, 101.2)), IMAGE).resampled


@settings(max_examples=25)
@given(
    degrees=st.tuples(*[st.floats(-40, 40)] * 3),
    spacing=st.tuples(*[st.floats(0.4, 3.0)] * 3),
    shift=st.tuples(*[st.floats(-4, 4)] * 3),
    axes=st.permutations([0, 1, 2]),
    flips=st.tuples(*[st.booleans()] * 3),
    tilt=st.floats(-0.6, 0.6),
)
def test_lands_where_itk_puts_it(
    degrees: tuple[float, float, float],
    spacing: tuple[float, float, float],
    shift: tuple[float, float, float],
    axes: list[int],
    flips: tuple[bool, bool, bool],
    tilt: float,
) -> None:
    turn = sitk.Euler3DTransform((0, 0, 0), *np.radians(degrees).tolist())
    label = scan(spacing=spacing, direction=np.array(turn.GetMatrix()).reshape(3, 3))
    label = sitk.Flip(sitk.PermuteAxes(label, axes), flips, False)
    image = scan(direction=np.array(sitk.Euler3DTransform((0, 0, 0), tilt, 0, tilt / 2).GetMatrix()).reshape(3, 3))
    middle = [(n - 1) / 2 for n in label.GetSize()], [(n - 1) / 2 for n in image.GetSize()]
    moved = np.array(image.TransformContinuousIndexToPhysicalPoint(middle[1])) + shift
    label.SetOrigin(
        (np.array(label.GetOrigin()) + moved - label.TransformContinuousIndexToPhysicalPoint(middle[0])).tolist()
    )
    clear = away_from_ties(label, image)
    expected = by_itk(label, image)
    assume(expected[clear].any())
    with mock.patch.object(resample, "KEPT_LEAST", 0):  # how much is kept is another test's matter
        aligned = align(as_volume(label), as_volume(image), "seg")
    np.testing.assert_array_equal(aligned.voxels[clear], expected[clear])
    assert aligned.resampled


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_stored_dtype_is_kept(dtype: str) -> None:
    label = sitk.Flip(scan(DATA.astype(dtype)), [True, False, False], False)
    aligned = align(as_volume(label), as_volume(IMAGE), "seg")
    assert aligned.voxels.dtype == dtype
    np.testing.assert_array_equal(aligned.voxels, DATA)


@pytest.mark.parametrize(("share", "resampled"), [(0.9, False), (1.1, True)])
def test_tolerance_is_a_thousandth_of_a_voxel(share: float, resampled: bool) -> None:
    moved = scan(origin=(-31.5 + share * TOLERANCE * 0.7, 12.25, 101.0))
    aligned = align(as_volume(moved), as_volume(IMAGE), "seg")
    assert aligned.resampled is resampled
    np.testing.assert_array_equal(aligned.voxels, DATA)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_stretch_counts_at_the_far_end(axis: int) -> None:
    """A grid stretched from its first voxel leaves it in place: the last one tells."""
    spacing = [0.7, 1.1, 2.5]
    for share, resampled in ((0.9, False), (1.1, True)):
        stretched = spacing.copy()
        stretched[axis] *= 1 + share * TOLERANCE / (IMAGE.GetSize()[axis] - 1)
        assert align(as_volume(scan(spacing=tuple(stretched))), as_volume(IMAGE), "seg").resampled is resampled


def test_cropped_at_the_far_end() -> None:
    crop = sitk.RegionOfInterest(IMAGE, [12, 9, 4], [0, 0, 0])
    aligned = align(as_volume(crop), as_volume(IMAGE), "seg")
    np.testing.assert_array_equal(aligned.voxels[:4], DATA[:4])
    assert not aligned.voxels[4:].any()
    assert aligned.resampled


def refused(label: Volume, image: Volume, by_index: bool = False) -> str:
    with pytest.raises(CaseError) as caught:
        align(label, image, "seg", by_index)
    assert caught.value.reason is Reason.GEOMETRY
    return caught.value.detail


def test_no_overlap() -> None:
    far = scan(origin=(-31.5, 12.25, 101.0 + 6 * 2.5))
    assert refused(as_volume(far), as_volume(IMAGE)) == (
        "image and label seg do not overlap in space: the image spans 24..32, -21..-12, 101..114 mm, "
        "the label 24..32, -21..-12, 116..128 mm (R, A, S); "
        "if the label's header is wrong, set `geometry: index` in the recipe"
    )


def test_a_label_that_is_mostly_outside_is_refused() -> None:
    edge = scan(origin=(-31.5, 12.25, 101.0 + 5 * 2.5))
    assert refused(as_volume(edge), as_volume(IMAGE)) == (
        "only 208 of 1247 mm3 of the label seg are inside the image (17%); its header is probably wrong: correct it, "
        "or set `geometry: index` if voxels correspond by index"
    )


def test_what_resampling_loses_is_counted() -> None:
    """Of six slices one is outside: 83 % are kept, which is a warning."""
    aligned = align(as_volume(scan(origin=(-31.5, 12.25, 101.0 + 2.5))), as_volume(IMAGE), "seg")
    slice_mm3 = 0.7 * 1.1 * 2.5 * np.count_nonzero(DATA, axis=(1, 2))
    assert aligned.kept == pytest.approx(slice_mm3[:5].sum())
    assert aligned.lost == pytest.approx(slice_mm3[5])
    assert "are inside the image (83%); check its header" in aligned.notes[0]


def test_the_last_slice_still_overlaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resample, "KEPT_LEAST", 0)
    edge = scan(origin=(-31.5, 12.25, 101.0 + 5 * 2.5))
    aligned = align(as_volume(edge), as_volume(IMAGE), "seg")
    np.testing.assert_array_equal(aligned.voxels[5], DATA[0])
    assert not aligned.voxels[:5].any()


@pytest.mark.parametrize("bare", ["image", "label"])
def test_one_without_geometry(bare: str) -> None:
    placed, unplaced = as_volume(IMAGE), Volume(DATA)
    pair = (placed, unplaced) if bare == "image" else (unplaced, placed)
    assert f"the {bare} has no geometry" in refused(*pair)
    aligned = align(*pair, "seg", by_index=True)
    assert aligned.voxels is pair[0].voxels
    assert not aligned.resampled


def test_both_without_geometry_correspond_by_index() -> None:
    label = Volume(DATA)
    assert align(label, Volume(DATA), "seg").voxels is label.voxels
    assert refused(Volume(DATA[:, 1:]), Volume(DATA)) == (
        "the image has 12 x 9 x 6 voxels and the label seg 12 x 8 x 6, and their relative position is unknown"
    )


def test_by_index_trusts_no_header() -> None:
    far = as_volume(scan(origin=(900.0, 0.0, 0.0)))
    assert align(far, as_volume(IMAGE), "seg", by_index=True).voxels is far.voxels
    assert "the label seg 12 x 9 x 5" in refused(Volume(DATA[1:], far.affine), as_volume(IMAGE), by_index=True)


def test_colour_labels_are_not_resampled() -> None:
    flipped = as_volume(sitk.Flip(IMAGE, [True, False, False], False))
    colour = Volume(np.stack([flipped.voxels] * 3, axis=-1), flipped.affine)
    assert "the colour label seg is on another grid" in refused(colour, as_volume(IMAGE))
