import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import DataError
from train.data.augment import (
    PIXELS,
    Symmetry,
    apply_symmetry,
    change_box,
    change_pixels,
    check_table,
    draw_symmetry,
    move_box,
)
from train.data.augmentations import TABLES, Augmentation

symmetries = st.builds(Symmetry, st.integers(0, 1), st.integers(0, 1), st.integers(0, 3))


def box_of(mask):
    y, x = np.nonzero(mask)
    return np.array([x.min(), y.min(), x.max(), y.max()])


@given(symmetries, st.integers(0, 15), st.integers(0, 15), st.integers(0, 15), st.integers(0, 15))
def test_a_box_moves_with_its_mask(symmetry, x0, y0, x1, y1):
    mask = np.zeros((16, 16), np.uint8)
    mask[min(y0, y1) : max(y0, y1) + 1, min(x0, x1) : max(x0, x1) + 1] = 1
    moved = box_of(apply_symmetry(mask, symmetry))
    np.testing.assert_array_equal(move_box(box_of(mask), symmetry, 16), moved)


@given(symmetries)
def test_a_tensor_moves_as_an_array_does(symmetry):
    grid = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    moved = apply_symmetry(torch.from_numpy(grid), symmetry)
    np.testing.assert_array_equal(moved.numpy(), apply_symmetry(grid, symmetry))


def test_flips_and_turns_reach_all_eight_symmetries():
    grid = np.arange(9, dtype=np.uint8).reshape(3, 3)
    full = {apply_symmetry(grid, Symmetry(x, y, t)).tobytes() for x in (0, 1) for y in (0, 1) for t in range(4)}
    assert len(full) == 8
    np.testing.assert_array_equal(apply_symmetry(grid, Symmetry(1, 0, 0)), np.fliplr(grid))
    np.testing.assert_array_equal(apply_symmetry(grid, Symmetry(0, 1, 0)), np.flipud(grid))
    np.testing.assert_array_equal(apply_symmetry(grid, Symmetry(0, 0, 1)), np.rot90(grid))


@pytest.mark.parametrize("name", PIXELS)
def test_zero_changes_no_pixel_and_more_does(name):
    image = np.random.default_rng(0).uniform(0.1, 0.9, (3, 9, 9)).astype(np.float32)
    rng = np.random.default_rng(1)
    np.testing.assert_allclose(change_pixels(image, [Augmentation(name)], rng), image, atol=1e-6)
    amount = 1 if name == "blur" else 0.2
    changed = change_pixels(image, [Augmentation(name, 1, amount, amount)], rng)
    assert np.abs(changed - image).max() > 0.01


@settings(max_examples=50)
@given(st.sampled_from(list(TABLES)), st.integers(0, 2**31), st.booleans())
def test_images_stay_images(name, seed, grey):
    rng = np.random.default_rng(seed)
    image = rng.random((3, 6, 7), np.float32)
    if grey:
        image[:] = image[0]
    changed = change_pixels(image, TABLES[name], rng)
    assert changed.dtype == np.float32
    assert changed.min() >= 0
    assert changed.max() <= 1
    if grey:
        assert (changed == changed[0]).all()


@given(st.integers(0, 2**31))
def test_a_box_grows_by_so_many_pixels_within_the_square(seed):
    rng = np.random.default_rng(seed)
    box = np.array([3, 100, 50, 254])
    grown, same = change_box(box, TABLES["lite-medsam"], rng, np.array([0, 0, 255, 255]))
    grown = grown - box
    assert same
    assert -3 <= grown[0] <= 0
    assert -5 <= grown[1] <= 0
    assert 0 <= grown[2] <= 5
    assert 0 <= grown[3] <= 1


def test_probabilities_are_kept():
    rng = np.random.default_rng(0)
    drawn = np.array([draw_symmetry(TABLES["full"], rng) for _ in range(4000)])
    np.testing.assert_allclose(drawn[:, :2].mean(0), 0.5, atol=0.03)
    np.testing.assert_allclose(np.bincount(drawn[:, 2]) / 4000, 0.25, atol=0.03)
    assert not any(any(draw_symmetry(TABLES["none"], rng)) for _ in range(9))


def test_every_table_is_sound():
    for table in TABLES.values():
        check_table(table)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (Augmentation("swirl"), "known: brightness, contrast"),
        (Augmentation("gamma", 1.5), "from 0 to 1"),
        (Augmentation("gamma", 1, 0.5, 0.1), "`low` at most `high`"),
        (Augmentation("box_jitter", 1, -4, 5), "outwards only"),
        (Augmentation("box_widen", 1, -0.5, 0.1), "above -0.5"),
        (Augmentation("crop", 1, 0, 0.5), "from above 0 to 1"),
    ],
)
def test_a_wrong_entry_is_told(entry, told):
    with pytest.raises(DataError, match=told):
        check_table([entry])
