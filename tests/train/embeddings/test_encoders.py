"""The teacher that is run for storing gives what the model gives."""

import numpy as np
import pytest
import torch

from predict.errors import ModelError
from tests.train.small_runs import NAME, small_model, stand_in
from train.embeddings.encoders import cpu_encoder, gpu_encoder
from train.models.weights import save_weights


@pytest.fixture
def teacher(tmp_path):
    file = tmp_path / "teacher.safetensors"
    save_weights(small_model(5), file, {"preset": NAME})
    with stand_in():
        yield str(file)


@pytest.fixture
def images():
    return np.random.default_rng(0).random((3, 3, 256, 256), np.float32)


def expected(images):
    with torch.no_grad():
        return small_model(5).eval().embed(torch.from_numpy(images)).numpy()


def test_torch_on_the_cpu(teacher, images):
    for precision in ("f32", "auto"):
        encoder = cpu_encoder(teacher, "torch", precision, 1)
        np.testing.assert_allclose(encoder.encode(images), expected(images), atol=1e-5)
        assert encoder.precision == "f32"
        assert all(isinstance(remark, str) for remark in encoder.remarks)


def test_the_way_of_a_gpu(teacher, images):
    """Run on the CPU, where autocast knows bfloat16 too."""
    np.testing.assert_allclose(gpu_encoder(teacher, "cpu", "f32").encode(images), expected(images), atol=1e-5)
    rough = gpu_encoder(teacher, "cpu", "bf16").encode(images)
    assert rough.dtype == np.float32
    assert 1e-4 < np.abs(rough - expected(images)).max() < 0.05


@pytest.mark.parametrize(("engine", "precision"), [("tensorrt", "f32"), ("torch", "bf17"), ("torch", "int8")])
def test_what_cannot_run_it_is_told(engine, precision, teacher):
    with pytest.raises(ModelError):
        cpu_encoder(teacher, engine, precision, 1)
