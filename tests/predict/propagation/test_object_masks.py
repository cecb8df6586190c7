"""Masks of objects against whole arrays of booleans."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predict.engines.enlarge import MaskPatch
from predict.propagation.object_masks import ObjectMasks


def filled(seed: int, volume: bool, unknown: bool) -> tuple[ObjectMasks, np.ndarray]:
    """Random patches, also as whole masks."""
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(1, 12, 3 if volume else 2))
    count = int(random.integers(1, 6))
    blind = random.random(shape) < 0.2 if unknown else None
    masks, dense = ObjectMasks(shape, count, blind), np.zeros((count, *shape), bool)
    planes = dense if volume else dense[:, None]
    for number in range(count):
        for plane in range(planes.shape[1]):
            top, left = random.integers(0, shape[-2]), random.integers(0, shape[-1])
            height, width = random.integers(1, shape[-2] - top + 1), random.integers(1, shape[-1] - left + 1)
            mask = random.random((height, width)) < 0.6
            masks.add(number, MaskPatch(top, left, mask), plane)
            planes[number, plane, top : top + height, left : left + width] = mask
    return masks, dense & ~blind if unknown else dense


@given(st.integers(0, 2**32), st.booleans(), st.booleans())
def test_masks_labels_and_counts(seed, volume, unknown):
    masks, dense = filled(seed, volume, unknown)
    axes = tuple(range(1, dense.ndim))
    np.testing.assert_array_equal(masks.dense(), dense)
    assert masks.areas.tolist() == dense.sum(axes).tolist()
    for order, ranked in (
        ("last", range(len(dense))),
        ("smallest", sorted(range(len(dense)), key=lambda k: (-dense[k].sum(), k))),
    ):
        expected = np.zeros(dense.shape[1:], np.uint8)
        for number in ranked:
            expected[dense[number]] = number + 1
        labels, hidden = masks.paint(order)
        np.testing.assert_array_equal(labels, expected)
        visible = [(expected == number + 1).sum() for number in range(len(dense))]
        assert hidden.tolist() == (masks.areas - visible).tolist()
    for number, mask in enumerate(dense):
        np.testing.assert_array_equal(masks.layer(number), mask * (number + 1))


@pytest.mark.parametrize("first", [0, 1], ids=["organ first", "tumour first"])
def test_a_tumour_is_on_top_of_its_organ_whichever_box_comes_first(first):
    masks = ObjectMasks((20, 20), 2)
    masks.add(first, MaskPatch(2, 2, np.ones((16, 16), bool)))
    masks.add(1 - first, MaskPatch(8, 8, np.ones((4, 4), bool)))
    labels, hidden = masks.paint()
    assert (labels == 2 - first).sum() == 16
    assert hidden[first] == 16
    assert hidden[1 - first] == 0


def test_more_than_255_objects():
    masks = ObjectMasks((4, 400), 300)
    for number in range(300):
        masks.add(number, MaskPatch(1, number, np.ones((2, 1), bool)))
    labels = masks.paint().labels
    assert labels.dtype == masks.layer(299).dtype == np.uint16
    assert labels[1, :301].tolist() == [*range(1, 301), 0]
