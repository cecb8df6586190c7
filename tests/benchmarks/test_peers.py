"""Both peers go through the same slices as `predict --propagation official`, around a model that costs nothing."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from benchmarks.official import Official
from benchmarks.once import Once
from benchmarks.predict import agree
from predict.engines.engine import MaskLogits
from predict.inputs.case import PromptedCase
from predict.propagation.segment import segment_case


def draw(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """In the box, what is brighter than its mean: (1, 3, 256, 256) and (1, 4) to (1, 1, 256, 256)."""
    logits = np.full((1, 1, 256, 256), -4, np.float32)
    x0, y0, x1, y1 = box[0].astype(int)
    part = image[0, 0, y0 : y1 + 1, x0 : x1 + 1]
    if part.size:
        logits[0, 0, y0 : y1 + 1, x0 : x1 + 1] = 40 * (part - part.mean() - 0.1)
    return logits


class Engine:
    """Ours, around the same model."""

    size = 256

    def embed(self, image):
        return image[None]

    def decode(self, embedding, prompts):
        for box in prompts.boxes:
            yield MaskLogits(draw(embedding, box[None])[0], np.ones(1, np.float32))


class Counted:
    """Counts the images that go through."""

    def __init__(self):
        self.count = 0

    def __call__(self, image):
        self.count += 1
        return image


def made(seed: int, volume: bool) -> PromptedCase:
    """Blobs in noise, with boxes anywhere, some of one slice, some past the volume's end."""
    random = np.random.default_rng(seed)
    depth, height, width = (int(random.integers(*ends)) for ends in ((1, 7), (20, 300), (20, 300)))
    pixels = random.integers(0, 40, (depth, height, width), np.uint8)
    boxes = []
    for _ in range(random.integers(1, 5)):
        z, y, x = (int(random.integers(0, length)) for length in pixels.shape)
        pixels[z : z + 3, y : y + 30, x : x + 30] = 250
        x0, y0, z0 = random.integers(0, width - 1), random.integers(0, height - 1), random.integers(0, depth)
        x1, y1, z1 = random.integers([x0 + 1, y0 + 1, z0], [width, height, depth + 1])
        boxes.append([x0, y0, z0, x1, y1, z1])
    if volume:
        return PromptedCase("3DBox_CT_made", pixels, np.array(boxes))
    return PromptedCase("2DBox_CT_made", np.stack([pixels[0]] * 3, -1), np.array(boxes)[:, [0, 1, 3, 4]])


class TorchOnce(Once):
    """Enlarges by torch: a pixel that OpenCV's rounding turns would lead a walk elsewhere."""

    def _mask(self, embedding, box, used, shape):
        logits = torch.from_numpy(self._logits(embedding, box[None].astype(np.float32)))[..., : used[0], : used[1]]
        full = interpolate(logits, size=shape, mode="bilinear", align_corners=False)
        return torch.sigmoid(full).numpy().reshape(shape) > 0.5


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.booleans())
def test_peers_equal_the_official_walk(tmp_path_factory, seed, volume):
    folder = tmp_path_factory.mktemp("peers")
    case = made(seed, volume)
    path = folder / f"{case.name}.npz"
    np.savez(path, imgs=case.pixels, boxes=case.boxes)
    expected = segment_case(case, Engine(), "official").paint("last").labels
    torch_logits = lambda embedding, box: torch.from_numpy(draw(embedding.numpy(), box.numpy()))  # noqa: E731
    script, kept = Counted(), Counted()
    for name, peer in {"a": Official(script, torch_logits), "b": TorchOnce(kept, draw)}.items():
        (folder / name).mkdir()
        figures = peer.run(path, folder / name)
        np.testing.assert_array_equal(np.load(folder / name / path.name)["segs"], expected)
        assert figures["seconds"] > 0
    if volume:
        ranges = [range(box[2], min(box[5], len(case.pixels) - 1) + 1) for box in case.boxes.tolist()]
        assert script.count == sum(map(len, ranges))
        assert kept.count == len(set().union(*ranges))
    else:
        assert script.count == kept.count == 1


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_once_enlarges_an_image_to_opencvs_rounding(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("once")
    case = made(seed, volume=False)
    path = folder / f"{case.name}.npz"
    np.savez(path, imgs=case.pixels, boxes=case.boxes)
    (folder / "out").mkdir()
    Once(Counted(), draw).run(path, folder / "out")
    expected = segment_case(case, Engine(), "official").paint("last").labels
    assert np.count_nonzero(np.load(folder / "out" / path.name)["segs"] != expected) <= 1e-3 * expected.size


def test_an_image_encoded_for_each_box_is_reckoned(tmp_path):
    path, out = tmp_path / "2DBox_CT_made.npz", tmp_path / "out"
    out.mkdir()
    np.savez(path, imgs=np.zeros((20, 20, 3), np.uint8), boxes=[[1, 1, 9, 9]] * 4)

    def encode(image):
        time.sleep(0.2)
        return image

    figures = Official(encode, lambda image, box: -image[:, :1]).run(path, out)
    assert figures["anew"] - figures["seconds"] >= 3 * 0.2


def test_a_cut_volume_is_scaled_to_all_its_slices(tmp_path):
    path, out = tmp_path / "3DBox_CT_cut.npz", tmp_path / "out"
    out.mkdir()
    np.savez(path, imgs=np.zeros((50, 20, 20), np.uint8), boxes=[[1, 1, 0, 9, 9, 49], [2, 2, 10, 9, 9, 29]])
    script = Counted()
    figures = Official(script, lambda image, box: -image[:, :1], steps=8).run(path, out)
    assert (figures["steps"], figures["of"], script.count) == (8, 70, 8)


def test_agreement_is_the_mean_dice_of_the_objects(tmp_path):
    first, second = np.array([[1, 1, 1, 2], [0, 0, 0, 2]]), np.array([[1, 1, 0, 2], [1, 0, 0, 0]])
    np.savez(tmp_path / "a.npz", segs=first)
    np.savez(tmp_path / "b.npz", segs=second)
    assert agree(tmp_path / "a.npz", tmp_path / "b.npz", 3) == pytest.approx((4 / 6 + 2 / 3 + 1) / 3)
