"""The DSC on the validation split is the mean over modalities of the means of their masks."""

import numpy as np
import pytest
import torch

from tests.train.small_runs import HERE, Tone, small_model, small_protocol, small_samples, write_small_corpus
from train.data.dataset import MaskDataset, batches, make_loader
from train.data.sampling import EpochSampler
from train.learning.learner import Learner
from train.learning.validation import validate


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    # Of five images two are MR, three CT.
    return small_samples(write_small_corpus(tmp_path_factory.mktemp("small"), images=1, val=5), "val")


def test_each_modality_counts_the_same(samples):
    learner = Learner(small_model(), small_protocol(losses={"embedding": 1, "dice": 0.5})).eval()

    def parts():
        return batches(make_loader(MaskDataset(samples), EpochSampler(samples), 2))

    found = validate(learner, parts(), samples, Tone(), HERE, masks=True)
    modality = samples.table["modality"].to_pylist()
    scores, sums, images = {}, {}, 0
    with torch.no_grad():
        for batch in parts():
            logits, _ = learner.model.decode(learner.model.embed(batch.image), batch.box)
            for logit, mask, row in zip(logits > 0, batch.mask > 0, batch.row.tolist(), strict=True):
                dsc = 2 * int((logit & mask).sum()) / max(1, int(logit.sum() + mask.sum()))
                scores.setdefault(modality[row], []).append(dsc)
            for name, value in learner(batch, Tone()(samples, batch), True).items():
                sums[name] = sums.get(name, 0) + float(value.mean()) * len(batch.box)
            images += len(batch.box)
    assert images == 5
    assert sorted(map(len, scores.values())) == [2, 3]
    assert found["dsc"] == pytest.approx(np.mean([np.mean(values) for values in scores.values()]), abs=1e-6)
    assert found["dsc"] != pytest.approx(np.mean([value for values in scores.values() for value in values]), abs=1e-6)
    for name in ("embedding", "dice", "bce", "iou"):
        assert found[name] == pytest.approx(sums[name] / images, rel=1e-5)
    assert found["loss"] == pytest.approx(found["embedding"] + 0.5 * found["dice"], rel=1e-6)


def test_without_masks_there_is_no_dsc(samples):
    learner = Learner(small_model(), small_protocol()).eval()
    parts = batches(make_loader(MaskDataset(samples), EpochSampler(samples), 5))
    found = validate(learner, parts, samples, Tone(), HERE, masks=False)
    assert found.keys() == {"loss", "embedding"}


def test_validation_leaves_the_model_as_it_was(samples):
    learner = Learner(small_model(), small_protocol())
    before = {key: value.clone() for key, value in learner.model.state_dict().items()}
    learner.train()
    validate(learner.eval(), batches(make_loader(MaskDataset(samples), EpochSampler(samples), 5)), samples, Tone(),
             HERE, masks=False)  # fmt: skip
    assert all(torch.equal(value, before[key]) for key, value in learner.model.state_dict().items())
