"""A model by one word."""

import pytest
import torch

from predict.errors import ModelError, WeightsError
from predict.presets import preset
from train.models.load import load_model, parse_model
from train.models.segmenter import Segmenter
from train.models.weights import read_about, save_weights


@pytest.fixture
def student(tmp_path):
    """repvit-m0.6 with some weights, in a file that names it and in one that does not."""
    model = Segmenter(preset("repvit-m0.6"))
    save_weights(model, tmp_path / "named.safetensors", {"preset": "repvit-m0.6", "step": "5"})
    save_weights(model, tmp_path / "plain.safetensors", {})
    return model


def test_a_name_a_file_or_both(student, tmp_path):
    named, plain = tmp_path / "named.safetensors", tmp_path / "plain.safetensors"
    assert parse_model("lite-medsam") == (preset("lite-medsam"), None)
    assert parse_model("timm:resnet18") == (preset("timm:resnet18"), None)
    assert parse_model(str(named)) == (preset("repvit-m0.6"), named)
    assert parse_model(f"repvit-m0.6={plain}") == (preset("repvit-m0.6"), plain)
    with pytest.raises(WeightsError, match=r"does not name its model: write NAME=.*plain\.safetensors"):
        parse_model(str(plain))
    with pytest.raises(WeightsError, match=r"weights file not found: absent\.pth"):
        parse_model("repvit-m0.6=absent.pth")
    with pytest.raises(ModelError, match="unknown model 'repvit'"):
        parse_model(f"repvit={plain}")


def test_weights_are_the_files(student, tmp_path):
    for text in (str(tmp_path / "named.safetensors"), f"repvit-m0.6={tmp_path / 'plain.safetensors'}"):
        model, remarks = load_model(text)
        assert remarks == ()
        own = model.state_dict()
        assert all(torch.equal(value, own[key]) for key, value in student.state_dict().items())
    assert read_about(tmp_path / "named.safetensors") == {"preset": "repvit-m0.6", "step": "5"}
    with pytest.raises(WeightsError, match="does not fit"):
        load_model(f"lite-medsam={tmp_path / 'plain.safetensors'}")
    with pytest.raises(WeightsError, match="no package ships weights of swin-t"):
        load_model("swin-t")


def test_half_precision_is_half_the_size(student, tmp_path):
    save_weights(student, tmp_path / "half.safetensors", {"preset": "repvit-m0.6"}, half=True)
    sizes = [(tmp_path / name).stat().st_size for name in ("half.safetensors", "named.safetensors")]
    assert sizes[0] == pytest.approx(sizes[1] / 2, rel=0.05)
    model, remarks = load_model(str(tmp_path / "half.safetensors"))
    assert remarks == ("converted from torch.float16",)
    own = model.state_dict()
    for key, value in student.state_dict().items():
        torch.testing.assert_close(own[key], value, rtol=1e-3, atol=1e-6)
    assert torch.float16 not in {value.dtype for value in own.values()}


@pytest.mark.parametrize("name", ["effnet-lite0", "repvit-m0.6"])
def test_the_students_that_come_along_are_whole(name):
    # The prompt encoder is the teacher's, frozen, to float16's rounding; the decoder learned, but is still near.
    student, _ = load_model(name)
    teacher, _ = load_model("lite-medsam")
    own = student.state_dict()
    for key, value in teacher.state_dict().items():
        if key.startswith("prompt_encoder."):
            assert torch.equal(own[key], value.half().float()), key
        elif key.startswith("mask_decoder.") and key.endswith("weight"):
            assert (own[key] - value).norm() < 0.3 * value.norm(), key
