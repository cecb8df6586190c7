"""Boxes from labels, against SciPy's find_objects."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import find_objects

from predict.errors import CaseFault
from predict.inputs.truth import boxes_of, numbered, order_fault
from tests.predict.conftest import refused

LABELS = array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=9).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 1, 3, 200]))
)


@settings(max_examples=100)
@given(LABELS)
def test_boxes_are_tight(truth):
    if not truth.any():
        return
    labels = numbered(truth)
    ids = [i for i in np.unique(truth).tolist() if i]
    for label, number in enumerate(ids, start=1):
        np.testing.assert_array_equal(labels == label, truth == number)
    for label, (box, found) in enumerate(zip(boxes_of(labels).tolist(), find_objects(labels), strict=True), start=1):
        if truth.ndim == 2:
            y, x = found
            assert box == [x.start, y.start, x.stop - 1, y.stop - 1]
            continue
        z = found[0]
        assert (box[2], box[5]) == (z.start, z.stop - 1)
        slices = [n for n in range(len(labels)) if (labels[n] == label).any()]
        middle = sorted(slices)[(len(slices) - 1) // 2]
        y, x = find_objects((labels[middle] == label).astype(int))[0]
        assert (box[0], box[1], box[3], box[4]) == (x.start, y.start, x.stop - 1, y.stop - 1)


def test_of_a_whole_object_the_middle_slice_is_the_one_where_the_way_begins():
    for first, last in ((0, 6), (1, 6), (3, 3)):
        labels = np.zeros((8, 20, 20), np.uint8)
        for z in range(first, last + 1):
            labels[z, 2 : 4 + z, 3:9] = 1
        assert boxes_of(labels)[0].tolist() == [3, 2, first, 8, 3 + (first + last) // 2, last]


def test_many_instances_are_numbered_in_16_bits():
    truth = np.arange(400, dtype=np.int32).reshape(20, 20) * 3
    labels = numbered(truth)
    assert (labels.dtype, labels.max()) == (np.uint16, 399)
    with refused(CaseFault.BOX_COUNT):
        numbered(np.arange(70001).reshape(1, -1))


def test_an_object_without_a_box_has_no_order():
    labels = np.zeros((8, 9), np.uint8)
    labels[2:4, 2:4] = 1
    assert order_fault(labels, np.full((1, 4), np.nan)) is None
    assert order_fault(labels, np.array([[5, 5, 7, 7]])) is not None
    assert order_fault(labels * 0, np.array([[5, 5, 7, 7]])) is None
    assert order_fault(labels[None], np.array([[2, 2, 0, 3, 3, 0]])) is None
