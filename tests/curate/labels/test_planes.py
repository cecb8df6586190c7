"""Masks packed into few layers."""

import numpy as np
import pytest
from numpy.typing import NDArray

from curate.labels.planes import PlanePacker
from curate.masks.select import Layer
from curate.recipe.resolved import Label

SHAPE = (3, 4, 5)


def _label(number: int) -> Label:
    return Label(f"l{number}", number, (), "other")


def _mask(*rows: int) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE[1:], np.bool_)
    mask[list(rows)] = True
    return mask


def _of(layers: list[Layer], number: int) -> list[NDArray[np.bool_]]:
    """Where each layer has a label."""
    found = [(layer.classes == number)[layer.voxels] for layer in layers]
    return [one for one in found if one.any()]


def test_masks_apart_share_an_array() -> None:
    packer = PlanePacker(SHAPE)
    packer.add({0: _mask(0), 2: _mask(1)}, [_label(1)])
    packer.add({0: _mask(1)}, [_label(2)])
    assert len(packer.arrays) == 1
    (layer,) = packer.layers()
    assert (layer.classes[layer.voxels[0]] == [[1] * 5, [2] * 5, [0] * 5, [0] * 5]).all()


def test_a_mask_that_overlaps_on_one_slice_is_whole_in_another_array() -> None:
    packer = PlanePacker(SHAPE)
    packer.add({0: _mask(0, 1)}, [_label(1)])
    packer.add({0: _mask(1), 1: _mask(0), 2: _mask(3)}, [_label(2)])
    assert len(packer.arrays) == 2
    (second,) = _of(packer.layers(), 2)
    assert second.sum(axis=(1, 2)).tolist() == [5, 5, 5]


def test_a_label_of_overlapping_masks_is_their_union_in_one_layer() -> None:
    packer = PlanePacker(SHAPE)
    whole, part = _label(1), _label(2)
    packer.add({0: _mask(0, 1, 2)}, [whole])
    packer.add({0: _mask(2, 3)}, [whole, part])
    layers = packer.layers()
    (union,) = _of(layers, 1)
    assert union[0].sum(axis=1).tolist() == [5, 5, 5, 5]
    (alone,) = _of(layers, 2)
    assert alone[0].sum(axis=1).tolist() == [0, 0, 5, 5]


def test_nested_labels_of_masks_apart() -> None:
    packer = PlanePacker(SHAPE)
    organ, tumour = _label(1), _label(2)
    packer.add({0: _mask(0)}, [organ])
    packer.add({0: _mask(1)}, [organ, tumour])
    layers = packer.layers()
    assert _of(layers, 1)[0][0].sum(axis=1).tolist() == [5, 5, 0, 0]
    assert _of(layers, 2)[0][0].sum(axis=1).tolist() == [0, 5, 0, 0]


def test_values_of_a_label_map() -> None:
    packer = PlanePacker(SHAPE)
    values = np.zeros(SHAPE, np.uint16)
    values[1, 0], values[1, 1], values[1, 2] = 7, 300, 9
    packer.add_values(values, {7: [_label(1)], 300: [_label(2)], 5000: [_label(3)]})
    layers = packer.layers()
    assert _of(layers, 1)[0][1].sum(axis=1).tolist() == [5, 0, 0, 0]
    assert _of(layers, 2)[0][1].sum(axis=1).tolist() == [0, 5, 0, 0]
    assert not _of(layers, 3)


@pytest.mark.parametrize("planes", [{}, {0: _mask()}])
def test_a_mask_without_foreground_adds_nothing(planes: dict[int, NDArray[np.bool_]]) -> None:
    packer = PlanePacker(SHAPE)
    packer.add(planes, [_label(1)])
    assert packer.layers() == []
