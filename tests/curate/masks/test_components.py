"""Components against scikit-image, SciPy, cc3d and OpenCV on random and on nasty label images."""

from collections.abc import Callable
from typing import Any

import cc3d
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label as skimage_label

from curate.masks.components import (
    AREA,
    CLASS,
    END_RUN,
    FIRST_RUN,
    X0,
    X1,
    Y0,
    Y1,
    Components,
    connected_components,
    draw_bits,
)

Labeller = Callable[[NDArray[Any]], NDArray[Any]]
Found = list[tuple[int, int, int, int, int, int, bytes]]
ORDER = [CLASS, Y0, X0, Y1, X1]


def by_scipy(keys: NDArray[Any]) -> NDArray[Any]:
    return binary(keys, lambda mask: ndimage.label(mask, np.ones((3, 3)))[0])


def by_opencv(keys: NDArray[Any]) -> NDArray[Any]:
    return binary(keys, lambda mask: cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1])


def by_cc3d(keys: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(cc3d.connected_components(np.ascontiguousarray(keys), connectivity=8))


def by_skimage(keys: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(skimage_label(keys, background=0, connectivity=2))


def binary(keys: NDArray[Any], one: Labeller) -> NDArray[Any]:
    """Label an image value by value with a labeller of binary images."""
    out = np.zeros(keys.shape, np.int64)
    for value in np.unique(keys[keys != 0]):
        parts = one(keys == value)
        out[parts > 0] = parts[parts > 0] + out.max()
    return out


LABELLERS = [by_skimage, by_scipy, by_cc3d, by_opencv]


def expected(plane: NDArray[Any], classes: NDArray[np.int32], by_value: bool, labeller: Labeller) -> Found:
    """The components as (class, y0, x0, y1, x1, area, pixels), in order."""
    by_class = classes[plane]
    keys = np.where(by_class > 0, plane, 0).astype(np.int32) if by_value else by_class
    parts = labeller(keys)
    found = []
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        if box is None:
            continue
        mask = parts == number
        rows, columns = box
        found.append(
            (
                int(by_class[mask][0]), rows.start, columns.start, rows.stop, columns.stop,
                int(mask.sum()), np.packbits(mask).tobytes(),
            )
        )  # fmt: skip
    return sorted(found)


def drawn(runs: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, bool)
    for y, start, end in runs.tolist():
        assert start < end
        assert not mask[y, start:end].any()
        mask[y, start:end] = True
    return mask


def actual(components: Components, shape: tuple[int, ...]) -> Found:
    found = []
    place = 0
    for one in components.table.tolist():
        assert one[FIRST_RUN] == place
        place = one[END_RUN]
        runs = components.runs[one[FIRST_RUN] : one[END_RUN]]
        assert runs.tolist() == sorted(runs.tolist())
        mask = drawn(runs, shape)
        assert mask.sum() == one[AREA]
        found.append((one[CLASS], one[Y0], one[X0], one[Y1], one[X1], one[AREA], np.packbits(mask).tobytes()))
    assert place == len(components.runs)
    keys = components.table[:, ORDER].tolist()
    assert keys == sorted(keys), "not top to bottom, left to right"
    return sorted(found)


def check(plane: NDArray[Any], classes: NDArray[np.int32], by_value: bool, labeller: Labeller = by_cc3d) -> None:
    mine = actual(connected_components(plane, classes, by_value), plane.shape)
    assert mine == expected(plane, classes, by_value, labeller)


def identity(count: int) -> NDArray[np.int32]:
    return np.arange(count + 1, dtype=np.int32)


# ---- random label images ----

planes = st.tuples(st.integers(1, 24), st.integers(1, 24)).flatmap(
    lambda shape: st.sampled_from([np.uint8, np.uint16]).flatmap(
        lambda dtype: arrays(dtype, shape, elements=st.integers(0, 5), fill=st.integers(0, 5))
    )
)
class_maps = st.lists(st.integers(0, 3), min_size=5, max_size=5).map(lambda ids: np.array([0, *ids], np.int32))


@pytest.mark.parametrize("by_value", [False, True])
@given(plane=planes, classes=class_maps, labeller=st.sampled_from(LABELLERS))
@settings(max_examples=150)
def test_any_plane_and_class_map(
    by_value: bool, plane: NDArray[Any], classes: NDArray[np.int32], labeller: Labeller
) -> None:
    check(plane, classes, by_value, labeller)


@pytest.mark.parametrize("labeller", LABELLERS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("by_value", [False, True])
@pytest.mark.parametrize("density", [0.2, 0.5, 0.8])
def test_noise(labeller: Labeller, dtype: type, by_value: bool, density: float) -> None:
    rng = np.random.default_rng(int(density * 10))
    top = 4 if dtype is np.uint8 else 600
    plane = (rng.integers(1, top + 1, (61, 77)) * (rng.random((61, 77)) < density)).astype(dtype)
    classes = np.array([0, *rng.integers(0, 4, top)], np.int32)
    check(plane, classes, by_value, labeller)


@pytest.mark.parametrize("labeller", LABELLERS)
def test_smooth_blobs_of_many_labels(labeller: Labeller) -> None:
    rng = np.random.default_rng(3)
    smooth = ndimage.gaussian_filter(rng.random((160, 200)), 3)
    plane = np.digitize(smooth, np.quantile(smooth, np.linspace(0.3, 1, 8)[:-1])).astype(np.uint8)
    check(plane, identity(7), False, labeller)


# ---- nasty shapes ----


def spiral(side: int) -> NDArray[np.uint8]:
    """One arm, a pixel wide, whose turns are a pixel apart."""
    plane = np.zeros((side, side), np.uint8)
    y, x, dy, dx, reach = 0, 0, 0, 1, side - 1
    plane[0, 0] = 1
    for leg in range(2 * (side // 2) - 1):
        for _ in range(reach):
            y, x = y + dy, x + dx
            plane[y, x] = 1
        dy, dx = dx, -dy
        reach -= 2 if leg >= 2 and leg % 2 == 0 else 0
    return plane


def comb(side: int, spine_first: bool) -> NDArray[np.uint8]:
    """Teeth that meet only in the last (or first) row: a union a tooth."""
    plane = np.zeros((side, side), np.uint8)
    plane[:, ::2] = 1
    plane[0 if spine_first else -1] = 1
    return plane


def nested(side: int) -> NDArray[np.uint8]:
    """Rings in rings: boxes that hold each other, joined nowhere."""
    distance = np.minimum.outer(*[np.minimum(np.arange(side), np.arange(side)[::-1])] * 2)
    return (1 - distance % 2).astype(np.uint8)


def zigzag(side: int) -> NDArray[np.uint8]:
    """V-shapes side by side: runs that join late, and joined roots that join again."""
    y, x = np.mgrid[:side, :side]
    return (np.abs(x % 16 - 8) == y % 9).astype(np.uint8)


SHAPES = {
    "diagonal": np.eye(40, dtype=np.uint8),
    "antidiagonal": np.ascontiguousarray(np.eye(40, dtype=np.uint8)[::-1]),
    "cross": np.eye(41, dtype=np.uint8) | np.eye(41, dtype=np.uint8)[::-1],
    "checkerboard": (np.indices((150, 150)).sum(0) % 2).astype(np.uint8),
    "lone pixels": np.outer(np.arange(60) % 2, np.arange(60) % 2).astype(np.uint8),
    "spiral": spiral(60),
    "comb": comb(120, False),
    "comb, spine first": comb(120, True),
    "nested rings": nested(64),
    "zigzag": zigzag(90),
    "all": np.ones((30, 50), np.uint8),
    "none": np.zeros((30, 50), np.uint8),
    "one pixel": np.ones((1, 1), np.uint8),
    "one row": (np.arange(300) % 7 > 2).astype(np.uint8)[None],
    "one column": (np.arange(300) % 7 > 2).astype(np.uint8)[:, None],
    "two columns of diagonals": np.tile(np.eye(2, dtype=np.uint8), (100, 1)),
    "two classes, interlocked": ((np.indices((50, 50)).sum(0) % 2) + 1).astype(np.uint8),
}


@pytest.mark.parametrize("labeller", LABELLERS)
@pytest.mark.parametrize("name", SHAPES)
def test_nasty_shapes(name: str, labeller: Labeller) -> None:
    for plane in (SHAPES[name], np.ascontiguousarray(SHAPES[name].T), np.ascontiguousarray(SHAPES[name][::-1])):
        check(plane, identity(2), False, labeller)


def test_spiral_and_comb_are_one_piece() -> None:
    for name in ("spiral", "comb", "comb, spine first", "checkerboard", "cross"):
        assert len(connected_components(SHAPES[name], identity(1)).table) == 1, name
    assert len(connected_components(SHAPES["lone pixels"], identity(1)).table) == 900


def test_more_runs_than_the_first_room() -> None:
    plane = np.zeros((700, 800), np.uint16)
    plane[::2, ::2] = 7
    found = connected_components(plane, identity(7))
    assert len(found.table) == 350 * 400
    assert (found.table[:, AREA] == 1).all()
    assert (found.table[:, Y0] == np.repeat(np.arange(0, 700, 2), 400)).all()
    assert (found.table[:, X0] == np.tile(np.arange(0, 800, 2), 350)).all()


# ---- regions, instances, order ----


def test_a_region_is_one_piece_over_its_values() -> None:
    plane = np.array([[1, 2, 3, 0, 1], [0, 0, 0, 0, 0], [4, 4, 0, 3, 3]], np.uint8)
    classes = np.array([0, 1, 1, 1, 0], np.int32)
    table = connected_components(plane, classes).table
    assert table[:, [CLASS, AREA, Y0, X0, Y1, X1]].tolist() == [
        [1, 3, 0, 0, 1, 3], [1, 1, 0, 4, 1, 5], [1, 2, 2, 3, 3, 5],
    ]  # fmt: skip


def test_instances_that_touch_stay_apart() -> None:
    plane = np.array([[300, 300, 301, 301], [300, 0, 0, 301]], np.uint16)
    classes = np.ones(302, np.int32)
    assert len(connected_components(plane, classes).table) == 1
    apart = connected_components(plane, classes, by_value=True).table
    assert apart[:, [CLASS, AREA, X0]].tolist() == [[1, 3, 0], [1, 3, 2]]


def test_an_instance_in_two_pieces_is_two() -> None:
    plane = np.array([[9, 0, 9]], np.uint8)
    assert len(connected_components(plane, np.ones(10, np.int32), by_value=True).table) == 2


def test_instances_with_equal_boxes_keep_the_order_of_their_first_pixel() -> None:
    """Crossing diagonals: nothing but the first pixel tells them apart."""
    plane = np.array([[5, 3], [3, 5]], np.uint8)
    found = connected_components(plane, np.ones(6, np.int32), by_value=True)
    assert found.table[:, [Y0, X0, Y1, X1]].tolist() == [[0, 0, 2, 2]] * 2
    assert found.runs[found.table[:, FIRST_RUN]].tolist() == [[0, 0, 1], [0, 1, 2]]


def test_order_goes_by_the_box_not_by_the_first_pixel() -> None:
    """Both start in row 0; the one met second reaches further to the left."""
    plane = np.array([[0, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1]], np.uint8)
    found = connected_components(plane, identity(1))
    assert found.table[:, [Y0, X0, AREA]].tolist() == [[0, 0, 6], [0, 1, 1]]


# ---- memory layout ----


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T,
        lambda a: a[::-1, ::-1],
        lambda a: a[1::2, ::3],
        lambda a: np.asfortranarray(a),
        lambda a: np.broadcast_to(a[:1], a.shape),
    ],
    ids=["transposed", "reversed", "strided", "fortran", "broadcast, read-only"],
)
def test_planes_that_are_not_contiguous(dtype: type, view: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    rng = np.random.default_rng(5)
    plane = view(rng.integers(0, 3, (50, 64)).astype(dtype))
    got = connected_components(plane, identity(2))
    straight = connected_components(np.ascontiguousarray(plane), identity(2))
    assert (got.table == straight.table).all()
    assert (got.runs == straight.runs).all()
    check(plane, identity(2), False)


# ---- drawing ----


@given(mask=arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 40))))
@settings(max_examples=150)
def test_bits_are_those_of_packbits(mask: NDArray[np.bool_]) -> None:
    found = connected_components(mask.astype(np.uint8), identity(1))
    together = np.zeros((mask.shape[0], -(-mask.shape[1] // 8)), np.uint8)
    draw_bits(found.runs, together)
    assert (together == np.packbits(mask, axis=-1)).all()
    parts = by_skimage(mask)
    for one in found.table:
        canvas = np.zeros_like(together)
        runs = found.runs[one[FIRST_RUN] : one[END_RUN]]
        draw_bits(runs, canvas)
        here = parts[runs[0, 0], runs[0, 1]]
        assert (canvas == np.packbits(parts == here, axis=-1)).all()


@pytest.mark.parametrize("width", range(1, 27))
def test_bits_of_every_run(width: int) -> None:
    for start in range(width):
        for end in range(start + 1, width + 1):
            row = np.zeros((1, width), bool)
            row[0, start:end] = True
            canvas = np.zeros((1, -(-width // 8)), np.uint8)
            draw_bits(np.array([[0, start, end]], np.int32), canvas)
            assert (canvas == np.packbits(row, axis=-1)).all(), (start, end)
