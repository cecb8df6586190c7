import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from catalog.drop_reasons import Reason
from catalog.names import MODALITY_TOKENS
from curate.errors import CaseError
from curate.imaging.apply_window import apply_window, window_bounds
from curate.imaging.window import (
    DEFAULTS,
    MINMAX,
    MINMAX_SLICE,
    NONE,
    PERCENTILE,
    PRESETS,
    Window,
    level_window,
    parse_window,
)

INTEGERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
SLOPES = [(1.0, 0.0), (1.0, -1024.0), (-1.0, 0.0), (0.37, 12.5), (-2.5, 300.0)]
CT = Window("fixed", -160.0, 240.0)


def by_formula(voxels: NDArray[Any], low: float, high: float, slope: float, intercept: float) -> NDArray[np.uint8]:
    source = voxels.astype(np.float64) * slope + intercept
    return np.floor(np.clip((source - low) / (high - low) * 255.0, 0.0, 255.0) + 0.5).astype(np.uint8)


def some_voxels(dtype: str, shape: tuple[int, ...] = (6, 17, 23)) -> NDArray[Any]:
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(11)
    near = rng.integers(max(limits.min, -2000), min(limits.max, 3000), shape, dtype=dtype, endpoint=True)
    near.flat[:2] = limits.min, limits.max
    return near


# ---- to 8 bits ----


@pytest.mark.parametrize(("slope", "intercept"), SLOPES)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_become_what_the_formula_gives(dtype: str, slope: float, intercept: float) -> None:
    voxels = some_voxels(dtype)
    for low, high in ((-160.0, 240.0), (0.0, 255.0), (-0.1, 0.7), (11.3, 1999.9)):
        pixels = apply_window(voxels, low, high, slope, intercept)
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, by_formula(voxels, low, high, slope, intercept))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_every_value_of_up_to_16_bits(dtype: str) -> None:
    limits = np.iinfo(dtype)
    voxels = np.arange(limits.min, limits.max + 1).astype(dtype)
    for low, high in ((-160.0, 240.0), (-1350.0, 150.0), (0.5, 254.5), (limits.min, limits.max)):
        np.testing.assert_array_equal(apply_window(voxels, low, high), by_formula(voxels, low, high, 1, 0))


@settings(max_examples=150)
@given(
    voxels=hnp.arrays(
        st.sampled_from(["uint8", "int16", "int32", "float32", "float64"]),
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=9),
        elements={"min_value": 0, "max_value": 100},
    ),
    low=st.floats(-1e4, 1e4),
    width=st.floats(1e-3, 1e4),
    slope=st.floats(-50, 50),
    intercept=st.floats(-2000, 2000),
)
def test_any_window_any_slope(voxels: NDArray[Any], low: float, width: float, slope: float, intercept: float) -> None:
    pixels = apply_window(voxels, low, low + width, slope, intercept)
    np.testing.assert_array_equal(pixels, by_formula(voxels, low, low + width, slope, intercept))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_become_what_the_formula_gives(dtype: str) -> None:
    voxels = np.random.default_rng(0).normal(0, 900, (5, 40, 41)).astype(dtype)
    for slope, intercept in SLOPES:
        np.testing.assert_array_equal(
            apply_window(voxels, -160.0, 240.0, slope, intercept),
            by_formula(voxels, -160.0, 240.0, slope, intercept),
        )


def test_halves_are_rounded_up_and_ends_are_black_and_white() -> None:
    """Against exact fractions: in a window of 0 to 510 each odd value is a half."""
    values = list(range(-3, 515))
    expected = [min(max(math.floor(Fraction(value, 2) + Fraction(1, 2)), 0), 255) for value in values]
    for dtype in ("int16", "int32", "float32", "float64"):
        assert apply_window(np.array(values, dtype), 0.0, 510.0).tolist() == expected


@pytest.mark.parametrize("kind", ["fortran", "strided", "mirrored", "readonly", "empty"])
def test_any_memory_layout(kind: str) -> None:
    voxels = some_voxels("int16", (7, 8, 9))
    if kind == "readonly":
        voxels.flags.writeable = False
    else:
        voxels = {
            "fortran": np.asfortranarray(voxels),
            "strided": voxels[::2, :, ::3],
            "mirrored": voxels[::-1, :, ::-1],
            "empty": voxels[:0],
        }[kind]
    for array in (voxels, voxels.astype(np.float32, order="K")):
        before = array.copy()
        pixels = apply_window(array, -160.0, 240.0)
        assert pixels.flags.c_contiguous
        np.testing.assert_array_equal(pixels, by_formula(array, -160.0, 240.0, 1, 0))
        np.testing.assert_array_equal(array, before)


def test_8_bits_in_their_own_window_are_not_touched() -> None:
    voxels = some_voxels("uint8")
    assert apply_window(voxels, 0.0, 255.0) is voxels


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_not_finite(dtype: str, bad: float) -> None:
    voxels = np.ones((3, 4, 5), dtype)
    voxels[1, 2, 3] = voxels[2, 3, 4] = bad
    with pytest.raises(CaseError, match=r"^2 of 60 voxels are NaN or infinite") as caught:
        apply_window(voxels, 0.0, 1.0)
    assert caught.value.reason is Reason.NOT_FINITE
    for window in (PERCENTILE, MINMAX, MINMAX_SLICE):
        with pytest.raises(CaseError) as caught:
            window_bounds(window, voxels)
        assert caught.value.reason is Reason.NOT_FINITE


# ---- bounds ----


def by_numpy(voxels: NDArray[Any], slope: float, intercept: float) -> NDArray[np.float64]:
    source = voxels.astype(np.float64) * slope + intercept
    return np.percentile(source[source != 0], [0.5, 99.5])


@pytest.mark.parametrize(("slope", "intercept"), SLOPES)
@pytest.mark.parametrize("dtype", [*INTEGERS, "float32", "float64"])
def test_percentiles_of_the_voxels_that_are_not_zero(dtype: str, slope: float, intercept: float) -> None:
    voxels = some_voxels("int16").astype(dtype) if dtype[0] == "f" else some_voxels(dtype)
    voxels[:, :5] = 0
    voxels[:, 5:8] = 40 if slope == -2.5 else 1024 % 128
    bounds = window_bounds(PERCENTILE, voxels, slope, intercept)
    np.testing.assert_allclose(bounds, by_numpy(voxels, slope, intercept), rtol=1e-12, atol=1e-9)


@settings(max_examples=200)
@given(
    voxels=st.one_of(
        hnp.arrays("uint8", st.integers(2, 40)),
        hnp.arrays("int16", st.integers(2, 300), elements=st.integers(-30000, 30000)),
        hnp.arrays("uint16", st.integers(2, 1200), elements=st.sampled_from([0, 0, 1, 2, 500, 65535])),
    ),
    negative=st.booleans(),
    percents=st.tuples(st.floats(0, 50), st.floats(50, 100)),
)
def test_percentiles_from_a_histogram(voxels: NDArray[Any], negative: bool, percents: tuple[float, float]) -> None:
    slope = -0.5 if negative else 0.5
    source = voxels[voxels != 0] * slope
    low, high = np.percentile(source, percents) if source.size else (0.0, 0.0)
    window = Window("percentile", *percents)
    if low < high:
        np.testing.assert_allclose(window_bounds(window, voxels, slope), (low, high), rtol=1e-12, atol=1e-9)
    else:
        with pytest.raises(CaseError) as caught:
            window_bounds(window, voxels, slope)
        assert caught.value.reason is Reason.CONSTANT


@pytest.mark.parametrize("dtype", [*INTEGERS, "float32", "float64"])
def test_minmax(dtype: str) -> None:
    voxels = np.array([[3, 100, 7, 0], [90, 2, 1, 1]], dtype)
    for window in (MINMAX, MINMAX_SLICE):
        assert window_bounds(window, voxels) == (0.0, 100.0)
        assert window_bounds(window, voxels, -2.0, 5.0) == (-195.0, 5.0)


def test_minmax_of_negative_values() -> None:
    assert window_bounds(MINMAX, np.array([-700, -3, -32768], np.int16)) == (-32768.0, -3.0)
    assert window_bounds(MINMAX, np.array([-128, 5], np.int8)) == (-128.0, 5.0)


def test_a_fixed_window_does_not_look_at_the_voxels() -> None:
    assert window_bounds(CT, np.zeros((2, 2), np.int16), 2.0, -7.0) == (-160.0, 240.0)


def test_none_leaves_8_bits_alone() -> None:
    voxels = some_voxels("uint8")
    low, high = window_bounds(NONE, voxels)
    assert (low, high) == (0.0, 255.0)
    np.testing.assert_array_equal(apply_window(voxels, low, high), voxels)


@pytest.mark.parametrize(("slope", "intercept"), [(1 / 255, 0.0), (2.0, -100.0)])
def test_none_leaves_scaled_8_bits_alone(slope: float, intercept: float) -> None:
    voxels = np.arange(256, dtype=np.uint8)
    low, high = window_bounds(NONE, voxels, slope, intercept)
    assert (low, high) == (intercept, 255 * slope + intercept)
    np.testing.assert_array_equal(apply_window(voxels, low, high, slope, intercept), voxels)


def test_none_brings_deeper_images_to_8_bits_by_percentile() -> None:
    voxels = some_voxels("uint16")
    assert window_bounds(NONE, voxels) == window_bounds(PERCENTILE, voxels)


@pytest.mark.parametrize("window", [PERCENTILE, MINMAX, MINMAX_SLICE])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
@pytest.mark.parametrize("value", [0, 17])
def test_one_intensity_only(window: Window, dtype: str, value: int) -> None:
    with pytest.raises(CaseError, match="image has no contrast") as caught:
        window_bounds(window, np.full((2, 3, 4), value, dtype))
    assert caught.value.reason is Reason.CONSTANT


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_zero_is_meant_after_the_slope(dtype: str) -> None:
    """Stored 1024 is 0 HU here: that is the background left out, not the stored 0."""
    voxels = np.array([1024] * 50 + [0, 100, 2000], dtype)
    low, high = window_bounds(Window("percentile", 0, 100), voxels, 1.0, -1024.0)
    assert (low, high) == (-1024.0, 976.0)
    with pytest.raises(CaseError, match="all voxels are 0"):
        window_bounds(PERCENTILE, np.full(9, 1024, dtype), 1.0, -1024.0)


def test_the_histogram_leaves_the_voxels_as_they_were() -> None:
    voxels = some_voxels("int16")
    voxels.flags.writeable = False
    assert window_bounds(PERCENTILE, voxels) == window_bounds(PERCENTILE, np.asfortranarray(voxels))


# ---- names ----


def test_presets_are_the_designs() -> None:
    assert PRESETS == {
        "abdomen": (40, 400),
        "lung": (-600, 1500),
        "brain": (40, 80),
        "mediastinum": (50, 350),
        "bone": (400, 1800),
    }
    assert parse_window("abdomen") == CT == level_window(40, 400) == parse_window("40/400")
    assert parse_window("-600/1500") == parse_window("lung") == Window("fixed", -1350, 150)
    assert parse_window("percentile") == Window("percentile", 0.5, 99.5)
    assert parse_window("none") is NONE


def test_the_default_window_of_each_modality() -> None:
    """8-bit pictures stay as stored; MR and PET have arbitrary units, CT needs a window that its recipe gives."""
    as_stored = {"X-ray", "Ultrasound", "OCT", "Mammography", "Microscopy", "Dermoscopy", "Endoscopy", "Fundus",
                 "Histopathology"}  # fmt: skip
    assert {modality for modality, window in DEFAULTS.items() if window is NONE} == as_stored
    assert {modality for modality, window in DEFAULTS.items() if window is PERCENTILE} == {"MR", "PET"}
    assert set(MODALITY_TOKENS) - set(DEFAULTS) == {"CT"}


@pytest.mark.parametrize("modality", ["X-ray", "Ultrasound", "OCT", "Mammography"])
def test_an_8_bit_picture_stays_as_stored_and_a_deeper_one_goes_by_percentile(modality: str) -> None:
    picture = some_voxels("uint8")
    low, high = window_bounds(DEFAULTS[modality], picture)
    assert apply_window(picture, low, high) is picture
    deeper = some_voxels("uint16")
    assert window_bounds(DEFAULTS[modality], deeper) == window_bounds(PERCENTILE, deeper) != (0.0, 65535.0)


@pytest.mark.parametrize(
    "text", ["", "liver", "40", "40/0", "40/-5", "a/b", "/", "nan/nan", "1/2/3", "inf/400", "40/inf"]
)
def test_no_window(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a window; allowed: abdomen, .* or LEVEL/WIDTH"):
        parse_window(text)
