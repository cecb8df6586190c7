import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from train.models.layers import ConvBN, DropPath, LayerNorm2d, from_windows, to_windows


@settings(max_examples=50)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 8))
def test_windows_come_back(height, width, size):
    x = torch.arange(2.0 * height * width * 3).view(2, height, width, 3)
    windows = to_windows(x, size)
    assert windows.shape[2] == size * size
    assert windows.sum() == x.sum()
    assert torch.equal(from_windows(windows, size, height, width), x)


def test_a_window_is_a_square_of_the_map():
    x = torch.arange(24.0).view(1, 4, 6, 1)
    assert to_windows(x, 2)[0, 1, :, 0].tolist() == [2, 3, 8, 9]
    assert to_windows(x, 2)[0, 3, :, 0].tolist() == [12, 13, 18, 19]


@pytest.mark.parametrize(("kernel", "stride", "groups"), [(1, 1, 1), (3, 1, 4), (3, 2, 1), (3, 2, 8)])
def test_a_folded_convolution_equals_its_parts(kernel, stride, groups, look_trained):
    module = look_trained(ConvBN(8, 16, kernel, stride, groups)).double()
    x = torch.randn(2, 8, 9, 11, dtype=torch.float64)
    fused = module.fused()
    assert type(fused) is nn.Conv2d
    torch.testing.assert_close(fused(x), module(x), rtol=0, atol=1e-12)


def test_folding_leaves_the_module_alone(look_trained):
    module = look_trained(ConvBN(4, 4))
    before = {key: value.clone() for key, value in module.state_dict().items()}
    module.fused()
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_layer_norm_2d_is_over_the_channels(look_trained):
    norm = look_trained(LayerNorm2d(5))
    x = torch.randn(2, 5, 3, 4)
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0)
    expected = (x - mean) / (variance + 1e-6).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
    torch.testing.assert_close(norm(x), expected)


def test_drop_path_drops_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    drop, x = DropPath(0.25), torch.ones(4000, 2, 2)
    kept = drop(x)
    assert kept.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (kept == kept[:, :1, :1]).all()
    assert kept.mean() == pytest.approx(1, abs=0.03)
    assert torch.equal(drop.eval()(x), x)
