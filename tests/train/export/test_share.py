"""Weights in one file: each once, and the graphs compute the same."""

import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from predict.engines.exported import SHARED, describe, read_exported
from predict.errors import WeightsError
from train.export.share import LEAST_BYTES, share_weights


def tensors(folder):
    """The values of every large initializer, by graph and name."""
    found = {}
    for path in sorted(folder.glob("*.onnx")):
        for tensor in onnx.load(path).graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.nbytes >= LEAST_BYTES:
                found[path.stem, tensor.name] = array
    return found


def test_each_weight_is_stored_once_and_reads_as_before(exported, tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    for path in sorted(exported.glob("*.onnx")):
        onnx.save(onnx.load(path), plain / path.name)  # with all its weights inside
    expected = tensors(plain)
    before = sum(path.stat().st_size for path in plain.iterdir())
    share_weights(plain)
    found = tensors(plain)
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array)
    distinct = {(array.dtype.str, array.shape, array.tobytes()) for array in expected.values()}
    assert len(distinct) < len(expected)
    stored = sum(path.stat().st_size for path in plain.iterdir())
    assert stored < before - 1_000_000
    inside = sum(
        array.nbytes
        for path in plain.glob("*.onnx")
        for tensor in onnx.load(path, load_external_data=False).graph.initializer
        if tensor.data_location != onnx.TensorProto.EXTERNAL
        for array in [numpy_helper.to_array(tensor)]
        if array.nbytes >= LEAST_BYTES
    )
    assert inside + (plain / SHARED).stat().st_size < sum(len(content) for _, _, content in distinct) + 10 * 4096


def test_sharing_again_changes_nothing(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "copy")
    share_weights(tmp_path / "copy")
    for path in exported.glob("*.*"):
        if path.name != "model.json":
            assert (tmp_path / "copy" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_folder_without_its_shared_weights_is_refused(damage, exported, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    before = read_exported(copy).digests
    if damage == "gone":
        (copy / SHARED).unlink()
    else:
        (copy / SHARED).write_bytes(b"cut")
    with pytest.raises(WeightsError, match=r"shared\.bin is missing or damaged"):
        read_exported(copy)
    (copy / SHARED).write_bytes((exported / SHARED).read_bytes()[:-1] + b"x")
    about = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_bytes(describe(copy, {"preset": about["preset"], "image_size": 256}))
    after = read_exported(copy).digests
    assert all(after[name] != digest for name, digest in before.items())  # compiled graphs of before are not used
