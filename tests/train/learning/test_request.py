"""From a request to a plan: what starts as what, and what does not fit together."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import HERE, NAME, small_model, small_protocol, small_samples, stand_in, write_small_corpus

from train.data.selection import Selection
from train.embeddings.embed import distinct_images
from train.embeddings.store import EmbeddingCache, EmbeddingWriter
from train.errors import DataError, ModelError, WeightsError
from train.learning.protocol import RequestError
from train.learning.request import Request, make_plan
from train.learning.targets import LiveTarget, StoredTarget
from train.models.weights import save_weights

DECODER = {"losses": {"dice": 1}, "trained": ["mask_decoder"]}


@pytest.fixture(autouse=True)
def _stand_in():
    with stand_in():
        yield


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return write_small_corpus(tmp_path_factory.mktemp("small"), images=4, val=2)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "teacher.safetensors"
    save_weights(small_model(5), file, {"preset": NAME})
    return file


@pytest.fixture
def ask(small, tmp_path):
    def ask(resume=False, **values):
        protocol = small_protocol(**values.pop("protocol", {}))
        asked = {"command": "distill", "model": NAME, "protocol": protocol, "selection": Selection(small),
                 "out": tmp_path / "run", **values}  # fmt: skip
        return make_plan(Request(**asked), HERE, resume=resume)

    return ask


def store(folder, samples, teacher="stand-in", digest=None):
    keys = list(distinct_images(samples))
    writer = EmbeddingWriter(folder, {"teacher": teacher, "sha256": digest})
    writer.add(keys, np.zeros((len(keys), 256, 64, 64), np.float16))
    return folder


def digest_of(file):
    import hashlib

    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_run_is_written_down(ask, teacher, small, tmp_path):
    plan = ask(teacher=str(teacher), seed=3, workers=2, checkpoint_steps=5)
    assert isinstance(plan.target, LiveTarget)
    assert (plan.seed, plan.workers, plan.checkpoint_steps) == (3, 2, 5)
    assert (plan.train.images, plan.val.images) == (4, 2)
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["teacher"] == {"model": NAME, "weights": str(teacher), "sha256": digest_of(teacher)}
    assert run["protocol"]["lr"] == 0.01
    assert run["data"]["train"]["images"] == 4
    assert run["data"]["train"]["sha256"] != run["data"]["val"]["sha256"]
    assert run["code"]["torch"] == torch.__version__
    assert run["selection"]["manifest"] == str(small)
    # Resumed with the same, and not with another.
    ask(resume=True, teacher=str(teacher), seed=3)
    with pytest.raises(RequestError, match="seed was 3, now 4"):
        ask(resume=True, teacher=str(teacher), seed=4)


def test_copied_parts_equal_the_teachers(ask, teacher):
    plan = ask(teacher=str(teacher), protocol={"copied": ["prompt_encoder", "image_encoder.neck=image_encoder.neck"]})
    theirs, own, random = small_model(5).state_dict(), plan.model.state_dict(), small_model(0).state_dict()
    copied = {key for key in own if torch.equal(own[key], theirs[key])}
    for key in own:
        if key.startswith(("prompt_encoder.", "image_encoder.neck.")):
            assert key in copied
    assert not any(key.startswith("mask_decoder.transformer") and "weight" in key and "norm" not in key
                   for key in copied)  # fmt: skip
    assert torch.equal(own["image_encoder.stem.0.weight"], random["image_encoder.stem.0.weight"])


@pytest.mark.parametrize(
    "part", ["image_encoder.nothing", "mask_decoder=image_encoder", "image_encoder.stem=image_encoder.nothing"]
)
def test_parts_that_cannot_be_copied_are_told(part, ask, teacher):
    own = part.split("=")[0]
    with pytest.raises(ModelError, match=f"{own} of stand-in cannot start as .* Take it out of --copied"):
        ask(teacher=str(teacher), protocol={"copied": [part]})


def test_masks_have_a_meaning_where_the_decoder_is_trained_or_taken_over(ask, teacher):
    assert not ask(teacher=str(teacher)).masks
    assert ask(teacher=str(teacher), protocol={"copied": ["mask_decoder"]}).masks
    assert ask(teacher=str(teacher), start=str(teacher)).masks
    assert ask(protocol=DECODER).masks


def test_first_weights_are_the_files_or_the_seeds(ask, teacher):
    started = ask(start=str(teacher), protocol=DECODER).model.state_dict()
    assert all(torch.equal(value, started[key]) for key, value in small_model(5).state_dict().items())
    seeded = [ask(seed=seed, protocol=DECODER).model.state_dict()["image_encoder.stem.0.weight"] for seed in (1, 1, 2)]
    assert torch.equal(seeded[0], seeded[1])
    assert not torch.equal(seeded[0], seeded[2])


def test_stored_embeddings_are_the_target(ask, teacher, small, tmp_path):
    folder = store(tmp_path / "e", small_samples(small, None), digest=digest_of(teacher))
    for follow in ("flipped", "as_stored"):
        plan = ask(teacher=str(teacher), embeddings=folder, protocol={"follow": follow})
        assert isinstance(plan.target, StoredTarget)
        assert plan.target._flipped == (follow == "flipped")
    assert isinstance(ask(embeddings=folder).target, StoredTarget)
    assert ask(embeddings=folder, protocol=DECODER).target is None


def test_embeddings_of_another_teacher_or_of_other_images_are_told(ask, teacher, small, tmp_path):
    samples = small_samples(small, None)
    other = store(tmp_path / "other", samples, teacher="swin-t")
    with pytest.raises(RequestError, match="holds embeddings of swin-t, not of stand-in"):
        ask(teacher=str(teacher), embeddings=other)
    tuned = store(tmp_path / "tuned", samples, digest="0" * 64)
    with pytest.raises(RequestError, match=r"of a stand-in with other weights than .*teacher\.safetensors"):
        ask(teacher=str(teacher), embeddings=tuned)
    half = store(tmp_path / "half", small_samples(small, "train"), digest=digest_of(teacher))
    with pytest.raises(DataError, match="half lacks 2 of 6 images: run `train embed` on this corpus"):
        ask(teacher=str(teacher), embeddings=half)
    assert ask(teacher=str(teacher), embeddings=half, val=None).val is None
    with pytest.raises(DataError, match="holds no embeddings"):
        ask(teacher=str(teacher), embeddings=tmp_path / "nothing")
    assert len(EmbeddingCache(half)) == 4


def test_a_teacher_must_take_the_students_images(ask, tmp_path, monkeypatch):
    """As DB-SAM does not: its images have 1024 pixels."""
    from dataclasses import replace

    from train.models.presets import PRESETS

    monkeypatch.setitem(PRESETS, "large", replace(PRESETS[NAME], name="large", image_size=1024))
    file = tmp_path / "large.safetensors"
    save_weights(small_model(5), file, {"preset": "large"})
    with pytest.raises(RequestError, match="large takes images of 1024 pixels, the student of 256"):
        ask(teacher=str(file))


def test_what_is_missing_is_told(ask, small, tmp_path):
    with pytest.raises(RequestError, match="weighs `embedding`: give --teacher, or --embeddings"):
        ask()
    with pytest.raises(WeightsError, match="no weights of stand-in can be installed"):
        ask(teacher=NAME)
    with pytest.raises(ModelError, match="no ImageNet weights are known for stand-in"):
        ask(backbone=True, protocol=DECODER)
    with pytest.raises(DataError, match="no mask in the split 'holdout': its column `split` holds train, val"):
        ask(split="holdout", protocol=DECODER)
    assert not (tmp_path / "run").exists()
