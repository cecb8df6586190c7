from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from catalog.drop_reasons import Reason
from curate.masks.select import Mask
from curate.masks.unions import find_unions, union_labels
from curate.recipe.resolved import Label

LABELS = tuple(Label(name, n, (n,), "other") for n, name in enumerate(("a", "b", "c", "d"), start=1))
CORNERS = np.ones((3, 3))


def drawn(mask: Mask, shape: tuple[int, int]) -> NDArray[np.bool_]:
    out = np.zeros(shape, bool)
    for y, start, end in mask.runs.tolist():
        out[y, start:end] = True
    return out


def by_scipy(present: dict[int, NDArray[np.bool_]]) -> dict[tuple[int, int], list[NDArray[np.bool_]]]:
    found: dict[tuple[int, int], list[NDArray[np.bool_]]] = {}
    for one, two in combinations(sorted(present), 2):
        parts, count = ndimage.label(present[one] | present[two], CORNERS)
        masks = [parts == n for n in range(1, count + 1)]
        found[one, two] = [m for m in masks if (m & present[one]).any() and (m & present[two]).any()]
    return found


planes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=14).flatmap(
    lambda shape: hnp.arrays("uint8", shape, elements=st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4]))
)


@settings(max_examples=150)
@given(plane=planes, min_area=st.sampled_from([0.0, 1500.0, 8000.0]))
def test_unions_are_those_of_brute_force(plane: NDArray[np.uint8], min_area: float) -> None:
    pairs = union_labels(LABELS)
    kept, dropped = find_unions([(plane, np.arange(5, dtype=np.int32))], pairs, min_area)
    expected = by_scipy({n: plane == n for n in range(1, 5) if (plane == n).any()})
    threshold = min_area / 65536 * plane.size
    place = {pairs[pair].id: pair for pair in pairs}
    for union, pair in place.items():
        whole = expected.get(pair, [])
        wanted = [m for m in whole if m.sum() >= threshold and not m.all()]
        mine = [mask for mask in kept if mask.label == union]
        assert {drawn(m, plane.shape).tobytes() for m in mine} == {m.tobytes() for m in wanted}
        assert len(mine) == len(wanted)
        assert [mask.instance for mask in mine] == list(range(len(mine)))
        boxes = [(mask.y0, mask.x0, mask.y1, mask.x1) for mask in mine]
        assert boxes == sorted(boxes)
        reasons = sorted(one.reason for one in dropped if one.label == union)
        assert reasons == sorted(
            Reason.SMALL if m.sum() < threshold else Reason.WHOLE_SLICE for m in whole if m.sum() < threshold or m.all()
        )
    assert {mask.label for mask in kept} <= set(place)
    for mask in kept:
        image = drawn(mask, plane.shape)
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert mask.area == image.sum()
        assert (mask.x0, mask.y0, mask.x1, mask.y1) == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


@settings(max_examples=60)
@given(
    layers=st.tuples(st.integers(3, 10), st.integers(3, 10)).flatmap(
        lambda shape: st.lists(
            hnp.arrays("uint8", shape, elements=st.sampled_from([0, 0, 0, 1, 2])), min_size=1, max_size=3
        )
    ),
    shared=st.booleans(),
)
def test_labels_in_several_layers(layers: list[NDArray[np.uint8]], shared: bool) -> None:
    """Layers may overlap, and the same label may lie in several of them: two files of one label."""
    classes = [np.array([0, 1, 2 if shared else n], np.int32) for n in range(2, 2 + len(layers))]
    present: dict[int, Any] = {}
    for plane, table in zip(layers, classes, strict=True):
        for label in (1, *table[2:].tolist()):
            present[label] = present.get(label, False) | (table[plane] == label)
    expected = by_scipy({label: mask for label, mask in present.items() if mask.any()})
    pairs = union_labels(LABELS)
    kept, _ = find_unions(list(zip(layers, classes, strict=True)), pairs, 0.0)
    wanted = {(pairs[pair].id, m.tobytes()) for pair, masks in expected.items() for m in masks if not m.all()}
    assert {(mask.label, drawn(mask, layers[0].shape).tobytes()) for mask in kept} == wanted


def test_corners_touch_and_gaps_do_not() -> None:
    pairs = union_labels(LABELS[:2])
    table = np.arange(3, dtype=np.int32)
    touching = np.array([[1, 0, 0], [0, 2, 0], [0, 0, 0]], np.uint8)
    apart = np.array([[1, 0, 2], [1, 0, 2], [0, 0, 0]], np.uint8)
    assert [mask.area for mask in find_unions([(touching, table)], pairs, 0.0)[0]] == [2]
    assert find_unions([(apart, table)], pairs, 0.0) == ([], [])


def test_only_the_touching_part_of_a_label_is_taken() -> None:
    plane = np.array([[1, 2, 0, 1], [0, 0, 0, 0]], np.uint8)
    (mask,), dropped = find_unions([(plane, np.arange(3, dtype=np.int32))], union_labels(LABELS[:2]), 0.0)
    assert (mask.area, mask.x0, mask.x1) == (2, 0, 2)
    assert not dropped


def test_unions_are_named_and_numbered_after_the_labels() -> None:
    found = union_labels(LABELS[:3])
    assert {pair: (label.name, label.id) for pair, label in found.items()} == {
        (1, 2): ("union_a_b", 4),
        (1, 3): ("union_a_c", 5),
        (2, 3): ("union_b_c", 6),
    }


def test_a_region_has_no_union_with_its_part() -> None:
    kidney, tumour, cyst = (
        Label("kidney", 1, (1, 2), "abdomen"),
        Label("tumour", 2, (2,), "lesion"),
        Label("cyst", 3, (3,), "lesion"),
    )
    assert {label.name for label in union_labels((kidney, tumour, cyst)).values()} == {
        "union_kidney_cyst",
        "union_tumour_cyst",
    }


@pytest.mark.parametrize("labels", [(), LABELS[:1]])
def test_one_label_has_no_union(labels: tuple[Label, ...]) -> None:
    assert union_labels(labels) == {}
