"""The walk of all boxes together against the script's, which takes every box and slice by itself."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from predict.inputs.case import PromptedCase
from predict.prepare import fit_to
from predict.propagation.embeddings import EMBEDDING_BYTES
from predict.propagation.next_box import clean_box, official_box
from predict.propagation.volume import segment_volume
from tests.predict.conftest import FakeEngine, Script, fake_logits, read_ct


def made(seed: int) -> PromptedCase:
    """Lines and blobs in noise, with boxes anywhere, some of one slice, some to the volume's end and past it."""
    random = np.random.default_rng(seed)
    depth, height, width = (int(random.integers(*ends)) for ends in ((1, 8), (12, 300), (12, 300)))
    pixels = random.integers(0, random.choice([20, 255]), (depth, height, width), np.uint8)
    for _ in range(4):
        y, x, z = random.integers(0, height), random.integers(0, width), random.integers(0, depth)
        pixels[z : z + 3, y : y + random.choice([1, 2, 30]), x : x + 40] = 250
    boxes = []
    for _ in range(random.integers(1, 6)):
        z0 = random.integers(0, depth)
        x0, y0 = random.integers(0, width - 1), random.integers(0, height - 1)
        ends = random.integers([x0 + 1, y0 + 1, z0], [width, height, depth + 1])
        boxes.append([x0, y0, z0, *ends])
    return PromptedCase("3DBox_CT_made", pixels, np.array(boxes, random.choice([np.int64, np.uint16])))


SEEDS = st.integers(0, 2**32)
SCRIPT = Script(lambda image: image, fake_logits)


@settings(max_examples=25)
@given(SEEDS)
def test_official_equals_the_script(seed):
    case = made(seed)
    engine = FakeEngine()
    segs = segment_volume(case, engine, "official").paint("last").labels
    np.testing.assert_array_equal(segs, SCRIPT.volume(case.pixels, case.boxes))
    assert segs.dtype == np.uint8


@settings(max_examples=20)
@given(SEEDS)
def test_each_slice_of_the_boxes_is_encoded_once(seed):
    case = made(seed)
    engine = FakeEngine()
    ticks = []
    segs = segment_volume(case, engine, "clean", lambda done, total: ticks.append((done, total))).paint().labels
    ranges = [set(range(int(z0), min(int(z1) + 1, len(case.pixels)))) for z0, z1 in case.boxes[:, [2, 5]]]
    inside = set().union(*ranges)
    assert len(engine.encoded) == len(inside)
    assert sum(len(batch) for batch in engine.decoded) == sum(map(len, ranges))
    assert not segs[sorted(set(range(len(segs))) - inside)].any()
    assert ticks == [(i + 1, len(engine.decoded)) for i in range(len(engine.decoded))]


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 3))
def test_a_small_memory_changes_no_mask(seed, capacity):
    case = made(seed)
    expected = segment_volume(case, FakeEngine(), "official").dense()
    found = segment_volume(case, FakeEngine(), "official", memory=capacity * EMBEDDING_BYTES + 5).dense()
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=20)
@given(SEEDS)
def test_clean_masks_depend_on_no_other_box(seed):
    case = made(seed)
    masks = segment_volume(case, FakeEngine(), "clean").dense()
    for mask, box in zip(masks, case.boxes, strict=True):
        alone = segment_volume(PromptedCase(case.name, case.pixels, box[None]), FakeEngine(), "clean")
        np.testing.assert_array_equal(mask, alone.dense()[0])


@settings(max_examples=20)
@given(SEEDS)
def test_unknown_voxels_belong_to_no_object_and_blind_slices_are_skipped(seed):
    case = made(seed)
    random = np.random.default_rng(seed)
    unknown = random.random(case.pixels.shape) < 0.1
    unknown[random.integers(0, len(unknown))] = True
    blind = unknown.all((1, 2))
    engine = FakeEngine()
    masks = segment_volume(replace(case, unknown=unknown), engine, "clean")
    assert not masks.dense()[:, unknown].any()
    assert masks.areas.tolist() == masks.dense().sum((1, 2, 3)).tolist()
    ranges = [set(range(int(z0), min(int(z1) + 1, len(case.pixels)))) for z0, z1 in case.boxes[:, [2, 5]]]
    assert len(engine.encoded) == len(set().union(*ranges) - set(np.flatnonzero(blind).tolist()))


def with_a_lone_pixel() -> np.ndarray:
    mask = np.zeros((512, 512), bool)
    mask[100:140, 200:240] = True
    mask[120, 299] = True  # a quarter of the model's pixel
    return mask


def test_official_loses_a_lone_pixel_under_label_1_alone():
    mask, fit = with_a_lone_pixel(), fit_to(512, 512, 256)
    first, second = (official_box(mask, np.uint8(label), fit) for label in (1, 2))
    assert first.tolist() == [97, 47, 122, 72]
    assert second.tolist() == [97, 47, 152, 72]


def test_official_goes_on_past_255_boxes():
    boxes = np.tile([2, 2, 0, 30, 30, 1], (300, 1))
    pixels = np.random.default_rng(0).integers(0, 255, (2, 40, 40), np.uint8)
    segs = segment_volume(PromptedCase("3DBox_CT_many", pixels, boxes), FakeEngine(), "official").paint("last").labels
    assert segs.dtype == np.uint16
    assert set(np.unique(segs)) == {0, 300}


@settings(max_examples=60)
@given(st.integers(1, 600), st.integers(1, 600), st.integers(1, 5), st.integers(0, 2**31), st.sampled_from([256, 1024]))
def test_clean_box_is_that_of_the_logits_above_0_in_the_image(height, width, points, seed, size):
    random = np.random.default_rng(seed)
    logits = np.full((256, 256), -1, np.float32)
    logits[random.integers(0, 256, points), random.integers(0, 256, points)] = 1e-9
    fit, scale = fit_to(height, width, size), size // 256
    square = np.kron(logits > 0, np.ones((scale, scale), bool))[: fit.rows, : fit.columns]
    rows, columns = np.flatnonzero(square.any(1)), np.flatnonzero(square.any(0))
    found = clean_box(logits, fit)
    if not len(rows):
        assert found is None  # all lie in the padding
        return
    margin = 3 * scale
    assert found.tolist() == [
        max(0, columns[0] - margin),
        max(0, rows[0] - margin),
        min(size, columns[-1] + margin),
        min(size, rows[-1] + margin),
    ]


def test_nothing_has_no_box():
    fit = fit_to(20, 30, 256)
    assert clean_box(np.zeros((256, 256), np.float32), fit) is None
    mask = np.zeros((20, 30), bool)
    assert official_box(mask, np.uint8(1), fit) is None
    mask[4:6, 4:6] = True
    assert official_box(np.kron(mask, np.ones((20, 20), bool)), np.uint8(1), fit_to(400, 600, 256)) is not None


def test_official_equals_the_script_with_the_real_model(ours, theirs, shared_data):
    case, _ = read_ct(shared_data, ("liver", "spleen"))
    boxes = case.boxes.copy()
    boxes[:, 2], boxes[:, 5] = (95, 96), 97  # the first goes up and down, the second up; the script encodes five times
    segs = segment_volume(PromptedCase(case.name, case.pixels, boxes), ours, "official").paint("last").labels
    expected = theirs.volume(case.pixels, boxes)
    assert set(np.unique(expected)) == {0, 1, 2}
    np.testing.assert_array_equal(segs, expected)
