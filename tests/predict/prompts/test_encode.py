import numpy as np
import pytest

from predict.engines.engine import MaskLogits, Prompts
from predict.inputs.case import PromptedCase
from predict.prepare import fit_to
from predict.prompts.encode import SURE, object_prompts
from predict.propagation.segment import segment_image

PIXELS = np.random.default_rng(0).integers(0, 256, (100, 200), np.uint8)
FIT = fit_to(100, 200, 256)
NONE = [np.nan] * 4


def groups(**known):
    return {
        tuple(labels.tolist()): prompts for labels, prompts in object_prompts(PromptedCase("a", PIXELS, **known), FIT)
    }


def test_boxes_alone_go_together():
    boxes = np.array([[3, 4, 20, 30], [50, 60, 199, 99]], np.uint8)
    found = groups(boxes=boxes)
    assert list(found) == [(1, 2)]
    prompts = found[1, 2]
    assert prompts.boxes.tolist() == [[3, 5, 25, 38], [64, 76, 254, 126]]  # times 1.28, cut off
    assert prompts.points is prompts.signs is prompts.masks is None


def test_objects_known_in_other_ways_go_apart():
    boxes = np.array([[3, 4, 20, 30], NONE, [5, 5, 9, 9], NONE, [0, 0, 9, 9]], float)
    points = np.array([[4, 10, 20, 1], [2, 100, 50, 1], [1, 5, 5, 0], [4, 11, 21, 0], [1, 6, 7, 1]], float)
    hint = np.zeros((100, 200), np.uint8)
    hint[:50, :100] = 5
    found = groups(boxes=boxes, points=points, hint=hint)
    assert set(found) == {(1,), (2,), (3,), (4,), (5,)}
    assert found[1,].signs.tolist() == [[0, 1]]
    np.testing.assert_allclose(found[1,].points, np.multiply([[[5, 5], [6, 7]]], 1.28), rtol=1e-6)
    assert found[2,].boxes is None
    np.testing.assert_allclose(found[4,].points, np.multiply([[[10, 20], [11, 21]]], 1.28), rtol=1e-6)
    assert found[4,].signs.tolist() == [[1, 0]]
    assert found[3,].points is None
    masks = found[5,].masks
    assert (masks.shape, masks.dtype) == ((1, 256, 256), np.float32)
    assert (masks[0, :64, :128] == SURE).all()
    assert (masks > 0).sum() == 64 * 128
    assert (masks[0, 128:] == -SURE).all()


def test_points_are_filled_up_to_powers_of_two():
    """So that engines compile a graph for few numbers of points, and objects of 3 and 4 points go together."""
    points = [
        [label, 10 + n, 20, n % 2] for label, count in ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5)) for n in range(count)
    ]
    found = groups(boxes=np.full((5, 4), np.nan), points=np.array(points, float))
    assert {labels: prompts.points.shape[1] for labels, prompts in found.items()} == {
        (1,): 1,
        (2,): 2,
        (3, 4): 4,
        (5,): 8,
    }
    assert found[3, 4].signs.tolist() == [[0, 1, 0, -1], [0, 1, 0, 1]]
    assert found[5,].signs.tolist() == [[0, 1, 0, 1, 0, -1, -1, -1]]
    np.testing.assert_allclose(
        found[3, 4].points[0], np.multiply([[10, 20], [11, 20], [12, 20], [0, 0]], 1.28), rtol=1e-6
    )


def test_many_masks_are_made_a_few_at_a_time():
    hint = np.arange(100).repeat(2)[None].repeat(100, 0).astype(np.uint8)
    parts = list(object_prompts(PromptedCase("a", PIXELS, np.full((99, 4), np.nan), hint=hint), FIT))
    assert [len(labels) for labels, _ in parts] == [32, 32, 32, 3]
    assert np.concatenate([labels for labels, _ in parts]).tolist() == list(range(1, 100))


class Around:
    """Draws a square of 20 pixels around a point or a box's first corner, and tells an IoU by the place."""

    size = 256

    def embed(self, image):
        return image

    def decode(self, embedding, prompts: Prompts):
        for start in range(0, len(prompts), 2):
            part = prompts.part(start, start + 2)
            places = part.boxes[:, :2] if part.boxes is not None else part.points[:, 0]
            logits = np.full((len(part), 256, 256), -5, np.float32)
            for row, (x, y) in zip(logits, places.astype(int), strict=True):
                row[y : y + 20, x : x + 20] = 5
            yield MaskLogits(logits, (places[:, 0] / 256).astype(np.float32))


def test_every_object_is_drawn_under_its_own_label():
    boxes = np.array([[0, 0, 9, 9], NONE, [100, 0, 120, 9], [180, 0, 199, 9]], float)
    case = PromptedCase("a", PIXELS, boxes, points=np.array([[2, 50, 50, 1.0]]))
    segs = segment_image(case, Around()).paint().labels
    assert [int(segs[y, x]) for y, x in ((5, 5), (55, 55), (5, 105), (5, 185), (30, 105))] == [1, 2, 3, 4, 0]
    assert np.unique(segs).tolist() == [0, 1, 2, 3, 4]


def test_objects_that_are_not_kept_get_no_pixels():
    boxes = np.array([[10, 0, 30, 9], [100, 0, 120, 9], [180, 0, 199, 9]])
    told = {}

    def keeps(label, iou):
        told[label] = iou
        return label != 2

    segs = segment_image(PromptedCase("a", PIXELS, boxes), Around(), keeps).paint().labels
    assert np.unique(segs).tolist() == [0, 1, 3]
    assert told == pytest.approx({1: 12 / 256, 2: 128 / 256, 3: 230 / 256})
