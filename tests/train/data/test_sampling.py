import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import DataError
from catalog.samples import Samples, load_samples
from train.data.sampling import EpochSampler, weights


@pytest.fixture(scope="module")
def samples(write_catalog, tmp_path_factory) -> Samples:
    """90 CT images of two masks, 10 OCT images of one; a label that is rare within CT."""
    ct = [{"case": f"ct{i // 2}", "label": "rare" if i < 6 else f"l{i % 2}"} for i in range(180)]
    oct_ = [{"case": f"oct{i}", "modality": "OCT", "label": "fluid"} for i in range(10)]
    return load_samples(write_catalog(tmp_path_factory.mktemp("sampling"), ct + oct_))


def counts(samples, column, draws):
    return Counter(samples.table[column][draw.row].as_py() for draw in draws)


def test_each_image_comes_once_an_epoch_with_one_of_its_masks(samples):
    sampler = EpochSampler(samples)
    rows = set()
    for epoch in range(12):
        sampler.set_epoch(epoch)
        draws = list(sampler)
        assert len(draws) == len(sampler) == samples.images == 100
        assert counts(samples, "case", draws).most_common(1)[0][1] == 1
        rows |= {draw.row for draw in draws}
    assert len(rows) == samples.masks


def test_epochs_differ_and_repeat(samples):
    sampler, again = EpochSampler(samples, seed=3), EpochSampler(samples, seed=3)
    first = list(sampler)
    sampler.set_epoch(1)
    again.set_epoch(1)
    assert list(sampler) == list(again) != first
    again.set_epoch(0)
    assert list(again) == first
    assert list(EpochSampler(samples, seed=4)) != first
    assert len({draw.seed for draw in [*first, *sampler]}) == 200


def test_an_epoch_resumes_where_it_stopped(samples):
    sampler = EpochSampler(samples)
    whole = list(sampler)
    sampler.set_epoch(0, start=37)
    assert list(sampler) == whole[37:]
    assert len(sampler) == 63


@pytest.mark.parametrize("world", [1, 3, 8])
def test_processes_share_an_epoch_out(samples, world):
    parts = [list(EpochSampler(samples, rank=rank, world=world)) for rank in range(world)]
    whole = list(EpochSampler(samples))
    assert {len(part) for part in parts} == {100 // world}
    assert [draw for turn in zip(*parts, strict=True) for draw in turn] == whole[: 100 // world * world]


@pytest.mark.parametrize(("temperature", "share"), [(1, 0.1), (2, 0.25), (math.inf, 0.5)])
def test_the_temperature_flattens_shares(samples, temperature, share):
    # sqrt(0.1) / (sqrt(0.1) + sqrt(0.9)) is 1/4
    sampler = EpochSampler(samples, by=["modality"], temperature=temperature)
    drawn = Counter()
    for epoch in range(20):
        sampler.set_epoch(epoch)
        drawn += counts(samples, "modality", sampler)
    assert drawn["OCT"] / drawn.total() == pytest.approx(share, abs=0.005)


def test_labels_within_an_image_are_balanced(samples):
    share = np.bincount(samples.groups(["label"])[0][samples.grouped], weights(samples, ["label"], math.inf))
    assert share == pytest.approx([0.25] * 4)


@settings(max_examples=30)
@given(st.lists(st.sampled_from([[], ["modality"], ["label"], ["modality", "label"]]), max_size=1), st.floats(1, 50))
def test_weights_are_probabilities(samples, by, temperature):
    weight = weights(samples, by[0] if by else [], temperature)
    assert weight.sum() == pytest.approx(1)
    assert (weight > 0).all()


def test_trouble_is_told(samples):
    with pytest.raises(DataError, match=r"temperature of 0\.5"):
        weights(samples, ["modality"], 0.5)
    with pytest.raises(DataError, match="'license' was not loaded"):
        EpochSampler(samples, by=["license"], temperature=2)
    with pytest.raises(DataError, match="100 images for 101 processes"):
        EpochSampler(samples, world=101)
