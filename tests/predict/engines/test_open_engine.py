"""The engines against the segmenter itself and against each other, on a real image."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from predict.engines.engine import Prompts
from predict.engines.open_engine import open_engine
from predict.errors import ExportError, ModelError, WeightsError
from train.export.agreement import default_images, prepare_images
from train.torch_engine import TorchEngine

BOXES = np.array([[40, 40, 120, 120], [100, 60, 220, 200], [10, 150, 90, 240], [0, 0, 255, 255], [7, 9, 8, 11]])
NAMES = ["openvino", "onnxruntime"]


@pytest.fixture(scope="module")
def image():
    return prepare_images(default_images(), 256)[1]


@pytest.fixture(params=NAMES)
def engine(request, exported, tmp_path):
    pytest.importorskip(request.param)
    return open_engine(request.param, str(exported), threads=1, cache=tmp_path)[0]


@torch.no_grad()
def test_an_engine_does_what_the_segmenter_does(engine, small_model, image):
    expected_embedding = small_model.embed(torch.from_numpy(image)[None])
    expected, expected_iou = small_model.decode(expected_embedding, torch.from_numpy(BOXES).float())
    decoded = list(engine.decode(engine.embed(image), Prompts(boxes=BOXES)))
    logits = np.concatenate([one.logits for one in decoded])
    assert engine.size == 256
    assert logits.shape == (5, 256, 256)
    assert logits.dtype == np.float32
    assert np.abs(logits - expected[:, 0].numpy()).max() < 1e-4 * np.abs(expected.numpy()).max()
    assert ((logits > 0) != (expected[:, 0].numpy() > 0)).mean() < 1e-4
    assert 0.01 < (logits > 0).mean() < 0.99
    np.testing.assert_allclose(np.concatenate([one.iou for one in decoded]), expected_iou[:, 0], atol=1e-4)


def test_all_kinds_of_prompts_do_as_in_torch(engine, small_model, image):
    plain = TorchEngine(small_model)
    random = np.random.default_rng(0)
    points, signs = random.uniform(0, 255, (3, 2, 2)).astype(np.float32), np.array([[1, 0], [1, -1], [0, 1]])
    masks = random.normal(0, 4, (3, 256, 256)).astype(np.float32)
    embedding = plain.embed(image)
    for prompts in (
        Prompts(points=points, signs=signs),
        Prompts(boxes=BOXES[:3], points=points, signs=signs),
        Prompts(boxes=BOXES[:3], masks=masks),
        Prompts(masks=masks),
    ):
        found, expected = (
            np.concatenate([one.logits for one in e.decode(embedding, prompts)]) for e in (engine, plain)
        )
        assert found.shape == (3, 256, 256)
        assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_an_embedding_and_logits_are_arrays_of_their_own(engine, image):
    first = engine.embed(image)
    before = first.copy()
    drawn = [one.logits for one in engine.decode(first, Prompts(boxes=np.tile(BOXES, (4, 1))))]
    kept = [one.copy() for one in drawn]
    engine.embed(image[:, ::-1].copy())
    list(engine.decode(first, Prompts(boxes=BOXES[::-1])))
    np.testing.assert_array_equal(first, before)
    for one, same in zip(drawn, kept, strict=True):
        np.testing.assert_array_equal(one, same)
    assert len(drawn) > 1
    assert sum(map(len, drawn)) == 20


def test_no_prompt_no_mask(engine, image):
    assert list(engine.decode(engine.embed(image), Prompts(boxes=BOXES[:0]))) == []


def test_numbers_of_points_share_graphs_and_few_are_held(exported, tmp_path, image, monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setattr("predict.engines.openvino.SHAPES", 2)
    engine, _ = open_engine("openvino", str(exported), threads=1, cache=tmp_path)
    embedding = engine.embed(image)
    random = np.random.default_rng(0)
    many = [random.uniform(0, 255, (1, count, 2)).astype(np.float32) for count in range(1, 12)]

    def logits():
        prompts = [Prompts(points=points, signs=np.ones(points.shape[:2], np.int64)) for points in many]
        return [next(iter(engine.decode(embedding, one))).logits for one in prompts]

    first = logits()
    # the encoder, the ground, and decoders of 1, 2, 4, 8 and 16 points
    assert len(list((tmp_path / "compiled").iterdir())) == 7
    for again, expected in zip(logits(), first, strict=True):
        np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_compiled_model_is_made_anew(exported, tmp_path, image, damage):
    pytest.importorskip("openvino")

    def logits():
        engine, _ = open_engine("openvino", str(exported), threads=1, cache=tmp_path)
        return next(iter(engine.decode(engine.embed(image), Prompts(boxes=BOXES[:1])))).logits

    expected = logits()
    blobs = sorted((tmp_path / "compiled").iterdir())
    whole = [blob.read_bytes() for blob in blobs]
    assert len(blobs) == 3  # encoder, ground, decoder; that of masks was never needed
    np.testing.assert_array_equal(logits(), expected)
    for blob, content in zip(blobs, whole, strict=True):
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
        blob.write_bytes({"flipped": flipped, "cut": content[:middle], "empty": b""}[damage])
    np.testing.assert_array_equal(logits(), expected)
    assert sorted((tmp_path / "compiled").iterdir()) == blobs
    for blob in blobs:
        stored = blob.read_bytes()
        assert stored[:32] == hashlib.sha256(stored[32:]).digest()


def test_a_cache_that_cannot_be_written_is_told(exported, tmp_path, image):
    pytest.importorskip("openvino")
    (tmp_path / "file").write_bytes(b"")
    engine, _ = open_engine("openvino", str(exported), cache=tmp_path / "file")
    engine.embed(image)
    assert "not cached" in engine.cache_faults[0]


ALONE = """
import importlib.util, sys
find = importlib.util.find_spec
absent = lambda name: name.partition(".")[0] in ("torch", "onnx", "onnxscript", "scipy", "pandas", "pyarrow")
importlib.util.find_spec = lambda name, package=None: None if absent(name) else find(name, package)
class Wall:
    def find_spec(self, name, path=None, target=None):
        if absent(name):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Wall())
import numpy as np
from predict.engines.open_engine import open_engine
from predict.inputs.case import PromptedCase
from predict.propagation.segment import segment_case
engine, remarks = open_engine(sys.argv[1], sys.argv[2], cache=__import__("pathlib").Path(sys.argv[3]))
pixels = np.random.default_rng(0).integers(0, 255, (3, 60, 80), np.uint8)
segs = segment_case(PromptedCase("3DBox_CT_1", pixels, np.array([[5, 5, 0, 50, 40, 2], [1, 1, 1, 9, 9, 1]])), engine)
assert segs.shape == (3, 60, 80)
assert not {"torch", "onnx"} & set(sys.modules)
"""


@pytest.mark.parametrize("name", ["auto", *NAMES])
def test_torch_is_never_imported(exported, tmp_path, name):
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, name, str(exported), str(tmp_path)], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_an_engine_that_cannot_is_refused(exported, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match="holds graphs, torch runs weights"):
        open_engine("torch", str(exported))
    with pytest.raises(ModelError, match="torch does not support bf16"):
        open_engine("torch", "lite-medsam", precision="bf16")
    with pytest.raises(ModelError, match="no encoder in 8-bit integers"):
        open_engine("onnxruntime", str(exported), precision="int8", cache=tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="openvino is not installed: pip install openvino"):
        open_engine("openvino", str(exported))
    with pytest.raises(ModelError, match="no engine is installed"):
        open_engine("auto", str(exported))


@pytest.fixture(params=[False, True], ids=["none", "native"])
def bfloat16(request, monkeypatch):
    """Whether the CPU has bfloat16, as far as OpenVINO says."""
    openvino = pytest.importorskip("openvino")
    ask = openvino.Core.get_property

    def told(core, device, name):
        found = ask(core, device, name)
        if name != "OPTIMIZATION_CAPABILITIES":
            return found
        return [*(one for one in found if one != "BF16"), *["BF16"] * request.param]

    monkeypatch.setattr(openvino.Core, "get_property", told)
    return request.param


def test_bf16_is_refused_where_the_cpu_has_none(exported, tmp_path, bfloat16):
    if bfloat16:
        assert open_engine("openvino", str(exported), precision="bf16", cache=tmp_path)[0].precision == "bf16"
    else:
        with pytest.raises(ModelError, match="does not support bfloat16"):
            open_engine("openvino", str(exported), precision="bf16", cache=tmp_path)
    assert open_engine("openvino", str(exported), cache=tmp_path)[0].precision == "f32"


@pytest.mark.parametrize("name", ["auto", *NAMES])
def test_auto_is_bf16_where_it_can_be_had(name, exported, tmp_path, bfloat16):
    pytest.importorskip("onnxruntime")
    engine, remarks = open_engine(name, str(exported), precision="auto", cache=tmp_path)
    expected = "bf16" if bfloat16 and name != "onnxruntime" else "f32"
    assert (engine.precision, remarks) == (expected, (f"precision {expected}",))
    assert open_engine(name, str(exported), precision="f32", cache=tmp_path)[1] == ()


def test_auto_computes_what_it_names(exported, tmp_path, image):
    pytest.importorskip("openvino")
    drawn = {}
    for asked in ("auto", "f32", "bf16"):
        try:
            engine, _ = open_engine("openvino", str(exported), threads=1, precision=asked, cache=tmp_path)
        except ModelError:
            continue  # bf16 on a CPU without
        decoded = next(iter(engine.decode(engine.embed(image), Prompts(boxes=BOXES))))
        drawn[asked] = (engine.precision, decoded.logits)
    named, logits = drawn["auto"]
    np.testing.assert_array_equal(logits, drawn[named][1])
    if "bf16" in drawn:
        assert named == "bf16"
        assert np.abs(logits - drawn["f32"][1]).max() > 1e-3 * np.abs(logits).max()


def test_auto_falls_back_on_torch_in_f32(monkeypatch, tmp_path):
    def fails(model, cache):
        raise ExportError("it does not do what the model does")

    monkeypatch.setattr("predict.engines.open_engine.find_exported", fails)
    engine, remarks = open_engine("auto", "lite-medsam", precision="auto", cache=tmp_path)
    assert isinstance(engine, TorchEngine)
    assert engine.precision == "f32"
    assert remarks[-2:] == ("run by torch, which is slow: it does not do what the model does", "precision f32")


def test_auto_takes_the_fastest(exported, tmp_path, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    chosen = []
    for missing in ((), ("openvino",)):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, m=missing: None if name in m else find(name))
        chosen.append(type(open_engine("auto", str(exported), cache=tmp_path)[0]).__name__)
    assert chosen == ["OpenVinoEngine", "OnnxRuntimeEngine"]


def test_a_damaged_folder_is_refused(exported, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    (copy / "decoder.onnx").write_bytes(b"cut")
    with pytest.raises(WeightsError, match=r"decoder\.onnx is missing or damaged"):
        open_engine("auto", str(copy), cache=tmp_path)
    (copy / "model.json").write_text("{")
    with pytest.raises(WeightsError, match=r"model.json is damaged"):
        open_engine("auto", str(copy), cache=tmp_path)
    (copy / "model.json").unlink()
    with pytest.raises(WeightsError, match="is not an exported model"):
        open_engine("auto", str(copy), cache=tmp_path)
