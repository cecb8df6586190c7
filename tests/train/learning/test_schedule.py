"""Learning rates against closed forms and a restatement."""

import math

import pytest
import torch

from tests.train.small_runs import small_protocol
from train.learning.schedule import FALLS, Schedule, rise_and_fall


def optimizer(*rates):
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates])


def run(schedule, tuned, epochs, steps, losses):
    """The rates at each step."""
    seen = []
    for epoch in range(epochs):
        for _ in range(steps):
            tuned.step()
            seen.append([group["lr"] for group in tuned.param_groups])
            schedule.step()
        schedule.epoch(losses[epoch])
    return seen


def test_constant_stays():
    tuned = optimizer(0.1, 0.2)
    seen = run(Schedule(tuned, small_protocol(schedule="constant"), 3), tuned, 2, 3, [1, 9])
    assert seen == [[0.1, 0.2]] * 6


def test_cosine_follows_its_formula_for_each_group():
    tuned = optimizer(0.1, 0.4)
    protocol = small_protocol(schedule="cosine", warmup=0.5, epochs=3)
    seen = run(Schedule(tuned, protocol, 8), tuned, 3, 8, [1] * 3)
    for step, rates in enumerate(seen):
        share = (step + 1) / 5 if step < 4 else 0.5 + 0.5 * math.cos(math.pi * (step - 4) / 20)
        assert rates == pytest.approx([0.1 * share, 0.4 * share])
    assert max(share for share, _ in seen) == pytest.approx(0.1)
    assert 0 < seen[-1][0] < 0.002
    fall = FALLS["cosine"]
    assert rise_and_fall(24, 4, 24, fall) == rise_and_fall(99, 4, 24, fall) == pytest.approx(0, abs=1e-12)


def test_plateau_waits_and_multiplies():
    """PyTorch's rule with its threshold of 1e-4 of the best, restated."""
    protocol = small_protocol(schedule="plateau", factor=0.5, patience=2, epochs=12)
    losses = [5, 4, 4.5, 4.4, 4.3, 4.2, 4.1, 4.05, 3, 3, 3, 3]
    tuned = optimizer(1.0)
    seen = [rates[0] for rates in run(Schedule(tuned, protocol, 1), tuned, 12, 1, losses)]
    rate, best, bad, expected = 1.0, math.inf, 0, []
    for loss in losses:
        expected.append(rate)
        best, bad = (loss, 0) if loss < best * (1 - 1e-4) else (best, bad + 1)
        if bad > 2:
            rate, bad = rate / 2, 0
    assert seen == expected
    assert len(set(seen)) == 3


@pytest.mark.parametrize("kind", ["constant", "cosine", "poly", "plateau"])
def test_it_goes_on_from_its_state(kind):
    protocol = small_protocol(schedule=kind, warmup=0.5, epochs=6, patience=0)
    losses = [3, 4, 3.5, 2, 5, 6]
    whole = optimizer(0.1, 0.2)
    expected = run(Schedule(whole, protocol, 2), whole, 6, 2, losses)
    first = optimizer(0.1, 0.2)
    schedule = Schedule(first, protocol, 2)
    seen = run(schedule, first, 3, 2, losses[:3])
    second = optimizer(0.1, 0.2)
    again = Schedule(second, protocol, 2)
    second.load_state_dict(first.state_dict())
    again.load_state_dict(schedule.state_dict())
    assert seen + run(again, second, 3, 2, losses[3:]) == expected


def test_poly_falls_by_a_power_of_nine_tenths():
    steps = [rise_and_fall(step, 0, 10, FALLS["poly"]) for step in range(11)]
    assert steps == pytest.approx([((10 - step) / 10) ** 0.9 for step in range(11)])
