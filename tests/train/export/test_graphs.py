"""Graphs of every format against the model, and what is refused."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

import train.export.graphs
from catalog.errors import OutputError
from predict.errors import ExportError
from train.commands.export import export
from train.export.agreement import check_engine, check_int8, default_images, prepare_images
from train.export.graphs import Graph, export_model, read_picture, write_onnx, write_openvino, write_torchscript
from train.torch_engine import TorchEngine


@pytest.fixture(scope="module")
def images():
    return prepare_images(default_images(), 256)


def test_what_is_written_says_what_it_is(exported):
    told = json.loads((exported / "model.json").read_text())
    assert {path.name for path in exported.iterdir()} == {
        "model.json", "encoder.onnx", "ground.onnx", "mask.onnx", "decoder.onnx", "shared.bin",
    }  # fmt: skip
    assert told["preset"] == "repvit-m0.6"
    figures = told["check"]["onnx"]
    assert figures["pixels"] == 2 * 5 * 256 * 256  # two images, four boxes and a mask prompt each
    assert 0 < figures["logits"] < 1e-4
    assert figures["turned"] < 20
    for graph in exported.glob("*.onnx"):  # the exporter's stack traces name the machine it ran on
        assert not any(word in graph.read_bytes() for word in (b".py", b"site-packages", str(Path.home()).encode()))


def test_another_models_graphs_are_not_this_models(small_model, images):
    twin = type(small_model)(small_model.preset).eval()
    with pytest.raises(ExportError, match=r"they differ by embedding .* logits"):
        check_engine(small_model, TorchEngine(twin), images)
    assert check_engine(small_model, TorchEngine(small_model), images)["logits"] < 1e-4


def test_an_8_bit_encoder_is_held_to_its_masks(small_model, images):
    assert check_int8(small_model, TorchEngine(small_model), images)["dice"] > 0.999
    twin = type(small_model)(small_model.preset).eval()
    with pytest.raises(ExportError, match="mean Dice of"):
        check_int8(small_model, TorchEngine(twin), images)


def test_nothing_is_left_of_graphs_that_fail(small_model, tmp_path, monkeypatch):
    monkeypatch.setattr(train.export.graphs, "write_onnx", lambda graph, path, half: path.write_bytes(b"graph"))
    with pytest.raises(Exception, match=r"(?i)proto"):
        export_model(small_model, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_things_is_left_alone(small_model, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="holds something else"):
        export_model(small_model, tmp_path)
    with pytest.raises(OutputError, match="holds something else"):
        export_model(small_model, tmp_path / "thesis.txt")


class Scaled(torch.nn.Module):
    """A graph of one product, to try what is written without waiting for a model."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(-3, 3, 64 * 64).view(64, 64))

    def forward(self, x):
        return x @ self.weight


@pytest.fixture
def product():
    return Graph("product", Scaled().eval().requires_grad_(False), {"x": torch.ones(2, 3, 64)}, ("y",), ("x",))


def run(path, x):
    session = pytest.importorskip("onnxruntime").InferenceSession(path)
    return session.run(None, {"x": x})[0]


@pytest.mark.filterwarnings("ignore")
def test_half_is_half_the_size_and_rounds_the_weights_alone(product, tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 2, 64)).astype(np.float32)
    weight = product.module.weight.numpy()
    for half in (False, True):
        write_onnx(product, tmp_path / f"{half}.onnx", half)
        expected = weight.astype(np.float16).astype(np.float32) if half else weight
        np.testing.assert_allclose(run(tmp_path / f"{half}.onnx", x), x @ expected, rtol=1e-5, atol=1e-5)
    whole, halved = ((tmp_path / f"{half}.onnx").stat().st_size for half in (False, True))
    assert whole - halved == pytest.approx(64 * 64 * 2, abs=300)


@pytest.mark.filterwarnings("ignore")
def test_weights_beyond_half_are_refused(product, tmp_path):
    product.module.weight.mul_(1e5)
    with pytest.raises(ExportError, match="without --half"):
        write_onnx(product, tmp_path / "x.onnx", half=True)


@pytest.mark.filterwarnings("ignore")
def test_the_other_formats(product, tmp_path):
    openvino = pytest.importorskip("openvino")
    write_onnx(product, tmp_path / "product.onnx")
    write_openvino(tmp_path / "product.onnx")
    write_torchscript(product, tmp_path / "product.pt")
    x = np.random.default_rng(0).normal(size=(4, 3, 64)).astype(np.float32)
    expected = x @ product.module.weight.numpy()
    compiled = openvino.compile_model(tmp_path / "product.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.testing.assert_allclose(compiled([x])[0], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        torch.jit.load(tmp_path / "product.pt")(torch.from_numpy(x)), expected, rtol=1e-5, atol=1e-5
    )


def test_pictures_are_read_or_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "red.png"), np.full((4, 5, 3), (0, 0, 200), np.uint8))
    assert read_picture(tmp_path / "red.png")[0, 0].tolist() == [200, 0, 0]
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((4, 5), 7, np.uint8))
    assert read_picture(tmp_path / "grey.png").shape == (4, 5)
    for name in ("missing.png", __file__):
        with pytest.raises(ExportError, match="cannot be read as a picture"):
            read_picture(tmp_path / name)


def test_the_pictures_of_the_check_are_real():
    head, photo = default_images()
    assert head.shape == (256, 256)
    assert photo.shape == (600, 512, 3)
    neighbours = np.corrcoef(head[:, 1:].ravel(), head[:, :-1].ravel())[0, 1]
    assert neighbours > 0.9  # a slice read with its bytes swapped, or as another shape, is noise


def test_int8_needs_a_corpus(tmp_path):
    app = typer.Typer()
    app.command()(export)
    done = CliRunner().invoke(app, ["lite-medsam", "--out", str(tmp_path / "x"), "--int8"])
    assert isinstance(done.exception, ExportError)
    assert "--manifest" in str(done.exception)
