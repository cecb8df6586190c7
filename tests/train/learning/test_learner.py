"""What learns, what does not, and what a step's losses are."""

import pytest
import torch

from tests.train.small_runs import small_model, small_protocol
from train.data.dataset import Item
from train.learning.learner import Learner
from train.learning.losses import embedding_loss, mask_losses
from train.learning.targets import Taught

PARTS = ("image_encoder", "prompt_encoder", "mask_decoder")
MASKS = {"dice": 1, "bce": 0.5, "iou": 0.25}


def batch(count=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(count, 3, 256, 256, generator=generator)
    mask = (torch.rand(count, 1, 256, 256, generator=generator) > 0.6).float()
    box = torch.tensor([[10.0, 20, 200, 180]]).repeat(count, 1)
    return Item(image, mask, box, torch.ones(count, dtype=torch.bool), torch.arange(count),
                torch.zeros(count, dtype=torch.long), torch.zeros(count, 3, dtype=torch.long))  # fmt: skip


@pytest.mark.parametrize("trained", [["image_encoder"], ["mask_decoder"], ["prompt_encoder", "mask_decoder"]])
def test_what_is_not_trained_does_not_change_by_a_bit(trained):
    learner = Learner(small_model(), small_protocol(losses=MASKS, trained=trained)).train()
    before = {key: value.clone() for key, value in learner.model.state_dict().items()}
    tuned = torch.optim.AdamW([p for p in learner.parameters() if p.requires_grad], lr=0.01, weight_decay=0.1)
    learner.total(learner(batch(), None, True)).backward()
    tuned.step()
    changed = {key for key, value in learner.model.state_dict().items() if not torch.equal(value, before[key])}
    assert {key.split(".")[0] for key in changed} == set(trained)
    statistics = {key for key in before if "running_" in key or "num_batches" in key}
    assert len(statistics) == 3
    assert statistics <= changed if "image_encoder" in trained else not statistics & changed


def test_training_and_evaluation_modes():
    learner = Learner(small_model(), small_protocol(trained=["mask_decoder"])).train()
    assert [part for part in PARTS if learner.model.get_submodule(part).training] == ["mask_decoder"]
    assert learner.training
    learner.eval()
    assert not any(module.training for module in learner.modules())


def test_each_loss_is_that_of_the_models_outputs():
    model = small_model().eval()
    protocol = small_protocol(losses={"embedding": 2, "bce": 0.5})
    learner = Learner(model, protocol).eval()
    data, target = batch(), torch.randn(2, 256, 64, 64)
    with torch.no_grad():
        found = learner(data, Taught(target), True)
        embedding = model.embed(data.image)
        expected = {"embedding": embedding_loss(embedding, target),
                    **mask_losses(*model.decode(embedding, data.box), data.mask)}  # fmt: skip
        assert learner(data, Taught(target), False).keys() == {"embedding"}
    assert found.pop("dsc").shape == found.pop("nsd").shape == (2,)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-6)
    weighed = 2 * float(expected["embedding"]) + 0.5 * float(expected["bce"])
    assert float(learner.total(found)) == pytest.approx(weighed, rel=1e-6)


def test_autocast_changes_the_arithmetic_but_not_the_losses_kind():
    target = torch.randn(1, 256, 64, 64)
    values = {}
    for precision in ("float32", "bf16"):
        learner = Learner(small_model(), small_protocol(precision=precision)).eval()
        with torch.no_grad():
            values[precision] = learner(batch(1), Taught(target), True)
    for name, value in values["bf16"].items():
        assert value.dtype == torch.float32
        assert float(value) == pytest.approx(float(values["float32"][name]), abs=0.05)
    assert float(values["bf16"]["embedding"]) != float(values["float32"]["embedding"])


def test_compile_is_an_option(monkeypatch):
    compiled = []

    def compile_(function):
        compiled.append(function)
        return lambda images: function(images) + 1

    monkeypatch.setattr(torch, "compile", compile_)
    model = small_model()
    Learner(model, small_protocol())
    assert compiled == []
    learner = Learner(model, small_protocol(compiled=True)).eval()
    assert compiled == [model.embed]
    with torch.no_grad():
        embedding = model.embed(batch(1).image)
        assert float(learner(batch(1), Taught(embedding), False)["embedding"]) == pytest.approx(1, rel=1e-5)
