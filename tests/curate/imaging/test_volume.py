from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from curate.errors import CaseError
from curate.imaging.volume import Frame, Volume, checked_affine, frame_of, to_frame, voxel_spacing

SIZE_XYZ = (7, 5, 3)  # of the patient along R, A, S
SPACING_XYZ = (0.5, 1.25, 4.0)
ORIENTATIONS = [
    "".join(letters) for pairs in permutations([("R", "L"), ("A", "P"), ("S", "I")]) for letters in product(*pairs)
]


def stored_as(codes: str, dtype: str = "int16", tilt: NDArray[np.float64] | None = None) -> nib.Nifti1Image:
    """Return a scan whose voxels run along `codes`, of unequal size and spacing, every voxel another value."""
    worlds = [next(n for n, pair in enumerate(("RL", "AP", "SI")) if code in pair) for code in codes]
    shape = tuple(SIZE_XYZ[world] for world in worlds)
    affine = np.zeros((4, 4))
    for voxel, (world, code) in enumerate(zip(worlds, codes, strict=True)):
        affine[world, voxel] = SPACING_XYZ[world] * (1 if code in "RAS" else -1)
    affine[:, 3] = (11.0, -7.0, 30.0, 1.0)
    if tilt is not None:
        affine[:3, :3] = tilt @ affine[:3, :3]
    data = np.random.default_rng(7).permutation(np.prod(shape)).reshape(shape).astype(dtype)
    return nib.Nifti1Image(data, affine, dtype=data.dtype)


def as_volume(image: nib.Nifti1Image) -> Volume:
    return Volume(np.ascontiguousarray(np.asarray(image.dataobj).T), image.affine)


def radiological(image: nib.Nifti1Image) -> NDArray[np.generic]:
    """Return nibabel's canonical array in (z, y, x), flipped along all three axes."""
    return np.asarray(nib.as_closest_canonical(image).dataobj).T[::-1, ::-1, ::-1]


def rotation(degrees: tuple[float, float, float]) -> NDArray[np.float64]:
    a, b, c = np.radians(degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def test_there_are_48_orientations() -> None:
    assert len(set(ORIENTATIONS)) == 48
    assert all("".join(aff2axcodes(stored_as(codes).affine)) == codes for codes in ORIENTATIONS)


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_radiological_frame_is_the_canonical_volume_flipped(codes: str) -> None:
    image = stored_as(codes)
    volume = as_volume(image)
    frame = frame_of(volume.affine)
    turned = to_frame(volume.voxels, frame)
    np.testing.assert_array_equal(turned, radiological(image))
    assert all(plane.flags.c_contiguous for plane in turned)
    assert turned.dtype == volume.voxels.dtype
    np.testing.assert_allclose(frame.spacing, SPACING_XYZ[::-1])
    canonical = np.asarray(nib.as_closest_canonical(image).dataobj)
    for position in range(SIZE_XYZ[2]):
        number = frame.slice_number(position, SIZE_XYZ[2])
        np.testing.assert_array_equal(np.flip(turned[position].T), canonical[:, :, number])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "uint32", "int32", "float32", "int64", "float64"])
@pytest.mark.parametrize("codes", ["RAS", "LPS", "RSA", "LIP", "ARS", "PIL", "SRA", "IPL", "ILA", "SAR", "LAS", "RPI"])
def test_every_dtype_turns(codes: str, dtype: str) -> None:
    image = stored_as(codes, "int16" if dtype == "int64" else dtype)
    voxels = as_volume(image).voxels.astype(dtype)
    turned = to_frame(voxels, frame_of(image.affine))
    assert turned.dtype == dtype
    np.testing.assert_array_equal(turned, radiological(image))


@pytest.mark.parametrize("codes", ORIENTATIONS[::5])
@pytest.mark.parametrize("thin", [0, 1, 2, (0, 1), (1, 2), (0, 2)])
def test_volumes_one_voxel_thick_turn(codes: str, thin: int | tuple[int, ...]) -> None:
    whole = stored_as(codes)
    cut = tuple(slice(0, 1) if axis in np.atleast_1d(thin) else slice(None) for axis in range(3))
    image = nib.Nifti1Image(np.asarray(whole.dataobj)[cut], whole.affine)
    voxels = np.ascontiguousarray(np.asarray(image.dataobj).T)
    np.testing.assert_array_equal(to_frame(voxels, frame_of(image.affine)), radiological(image))


def test_colour_turns_with_its_channels() -> None:
    image = stored_as("PIR")
    grey = as_volume(image).voxels
    turned = to_frame(np.stack([grey, grey + 1, grey + 2], axis=-1), frame_of(image.affine))
    np.testing.assert_array_equal(turned, np.stack([radiological(image) + n for n in range(3)], axis=-1))


@pytest.mark.parametrize("codes", ORIENTATIONS[::3])
@pytest.mark.parametrize("degrees", [(20, -15, 10), (-30, 5, 25)])
def test_oblique_volumes_take_the_closest_axes(codes: str, degrees: tuple[float, float, float]) -> None:
    image = stored_as(codes, tilt=rotation(degrees))
    frame = frame_of(image.affine)
    np.testing.assert_array_equal(to_frame(as_volume(image).voxels, frame), radiological(image))
    np.testing.assert_allclose(frame.spacing, nib.as_closest_canonical(image).header.get_zooms()[::-1], rtol=1e-6)


def test_display_is_the_radiologists() -> None:
    """Head, front and the patient's right are marked in the world, and looked for on the screen."""
    image = stored_as("PSR")
    marks = np.zeros(image.shape, np.uint8)
    i, j, k = np.indices(image.shape)
    x, y, z = np.moveaxis(nib.affines.apply_affine(image.affine, np.stack([i, j, k], axis=-1)), -1, 0)
    marks[x == x.max()] |= 1  # RAS+: x grows to the patient's right
    marks[y == y.max()] |= 2  # to the front
    marks[z == z.max()] |= 4  # to the head
    turned = to_frame(np.ascontiguousarray(marks.T), frame_of(image.affine))
    assert (turned[:, :, 0] & 1).all()
    assert not (turned[:, :, 1:] & 1).any()
    assert (turned[:, 0] & 2).all()
    assert not (turned[:, 1:] & 2).any()
    assert (turned[0] & 4).all()
    assert not (turned[1:] & 4).any()


def test_native_frame_is_the_stored_order() -> None:
    image = stored_as("PSL")
    voxels = as_volume(image).voxels
    frame = frame_of(image.affine, "native")
    assert to_frame(voxels, frame) is voxels or to_frame(voxels, frame).base is voxels
    np.testing.assert_allclose(frame.spacing, [SPACING_XYZ[0], SPACING_XYZ[2], SPACING_XYZ[1]])
    assert [frame.slice_number(n, 4) for n in range(4)] == [0, 1, 2, 3]


def test_without_geometry_nothing_is_turned() -> None:
    assert frame_of(None) == Frame()
    assert frame_of(None).spacing is None


def test_volume_tells_its_shape() -> None:
    assert Volume(np.zeros((2, 3, 4))).shape == (2, 3, 4)
    assert not Volume(np.zeros((2, 3, 4))).is_colour
    assert Volume(np.zeros((2, 3, 4, 3))).shape == (2, 3, 4)
    assert Volume(np.zeros((2, 3, 4, 3))).is_colour


@pytest.mark.parametrize("voxel", [1e-6, 1.0, 1e3])
def test_affines_of_any_scale_are_taken(voxel: float) -> None:
    affine = np.diag([voxel, voxel, voxel, 1.0])
    np.testing.assert_array_equal(checked_affine(affine), affine)
    np.testing.assert_allclose(voxel_spacing(affine), voxel)


@pytest.mark.parametrize(
    "matrix",
    [
        np.diag([1.0, 0.0, 1.0, 1.0]),
        np.array([[1.0, 2, 0, 0], [1, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        np.diag([1.0, np.nan, 1.0, 1.0]),
        np.diag([1.0, np.inf, 1.0, 1.0]),
    ],
)
def test_affines_that_map_onto_no_space_are_refused(matrix: NDArray[np.float64]) -> None:
    with pytest.raises(CaseError, match="singular or not finite") as caught:
        checked_affine(matrix)
    assert caught.value.reason is Reason.GEOMETRY
