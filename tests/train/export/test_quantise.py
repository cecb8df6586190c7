import shutil

import numpy as np
import pytest

from catalog.samples import load_samples
from predict.engines.exported import Exported, digest
from predict.engines.onnxruntime import OnnxRuntimeEngine
from train.export.agreement import check_int8, default_images, prepare_images
from train.export.quantise import calibration_images, quantise


@pytest.mark.filterwarnings("ignore")
def test_an_8_bit_encoder_finds_nearly_the_same(small_model, exported, tmp_path):
    images = prepare_images(default_images(), 256)
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    quantise(tmp_path, images)
    assert not (tmp_path / "encoder.ready.onnx").exists()
    model = Exported(tmp_path, "small", 256, {"encoder.int8": digest(tmp_path / "encoder.int8.onnx")})
    rounded, whole = OnnxRuntimeEngine(model, 1, "int8"), OnnxRuntimeEngine(model, 1, "f32")
    difference = rounded.embed(images[0]) - whole.embed(images[0])
    assert 1e-4 < np.abs(difference).mean() < 0.2 * np.abs(whole.embed(images[0])).mean()
    assert check_int8(small_model, rounded, images)["dice"] > 0.9


def test_every_modality_takes_part(drawn_corpus):
    samples = load_samples(drawn_corpus, None, columns=["modality"])
    images = calibration_images(samples, 3)
    noise = {case: np.random.default_rng(case).integers(0, 256, (256, 256), np.uint8) for case in range(1, 5)}
    cases = [next(case for case, one in noise.items() if np.array_equal(image, one)) for image in images]
    assert len(cases) == 3
    assert {3, 4} < set(cases)  # MR and X-ray have one image each, CT two
    assert len(calibration_images(samples, 100)) == 4
