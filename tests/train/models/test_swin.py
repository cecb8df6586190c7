import pytest
import torch

from predict.presets import SwinSpec
from train.models.swin import Stage, SwinBlock, blocked_pairs


@pytest.mark.parametrize("shift", [0, 3])
@torch.no_grad()
def test_a_block_equals_timms(shift, timm, look_trained):
    # At 28 pixels nothing is padded; timm shifts before it pads, the published teacher after.
    from timm.models.swin_transformer import SwinTransformerBlock

    theirs = SwinTransformerBlock(32, (28, 28), num_heads=4, window_size=7, shift_size=shift)
    look_trained(theirs)
    ours = SwinBlock(32, 4, 7, shift, 0).eval()
    state = {key: value for key, value in theirs.state_dict().items() if key != "attn_mask"}
    state["attn.relative_position_index"] = theirs.attn.relative_position_index
    ours.load_state_dict(state, strict=True)
    x = torch.randn(2, 28, 28, 32)
    torch.testing.assert_close(ours(x, blocked_pairs(28, 7, 3)), theirs(x), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_shifted_block_pads_first_and_then_shifts(look_trained):
    """Written once more without windows: attention over the whole padded map, most of it forbidden."""
    side, window, shift, heads, width = 10, 7, 3, 2, 8
    padded = 14
    block = look_trained(SwinBlock(width, heads, window, shift, 0))
    x = torch.randn(1, side, side, width)

    tokens = torch.zeros(padded, padded, width)
    tokens[:side, :side] = block.norm1(x[0])
    y, x_ = torch.meshgrid(torch.arange(padded), torch.arange(padded), indexing="ij")
    place = torch.stack([y.flatten(), x_.flatten()], -1)
    shifted = (place - shift) % padded  # where the cyclic shift puts each token
    same_window = (shifted // window == (shifted // window)[:, None]).all(-1)
    wrapped = place < shift
    apart = (wrapped != wrapped[:, None]).any(-1)
    offset = shifted[:, None] - shifted[None] + window - 1
    table = block.attn.relative_position_bias_table.view(2 * window - 1, 2 * window - 1, heads)
    bias = table[offset[..., 0].clamp(0, 12), offset[..., 1].clamp(0, 12)].permute(2, 0, 1)
    bias = (bias - 100.0 * apart).masked_fill(~same_window, float("-inf"))

    qkv = block.attn.qkv(tokens.flatten(0, 1)).view(-1, 3, heads, width // heads).permute(1, 2, 0, 3)
    scores = qkv[0] @ qkv[1].transpose(1, 2) / (width // heads) ** 0.5 + bias
    attended = (scores.softmax(-1) @ qkv[2]).transpose(0, 1).flatten(1)
    read = block.attn.proj(attended).view(padded, padded, width)[:side, :side]
    expected = x + read
    expected = expected + block.mlp(block.norm2(expected))
    found = block(x, blocked_pairs(side, window, shift))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_only_neighbours_in_the_image_attend():
    side, window, shift = 10, 7, 3
    padded = 14
    row = (torch.arange(padded) + shift) % padded  # where a shifted row came from
    blocked = blocked_pairs(side, window, shift)
    assert blocked.shape == (4, 1, 49, 49)
    wrapped = row < shift
    for index in range(4):
        y = torch.arange(7) + 7 * (index // 2)
        x = torch.arange(7) + 7 * (index % 2)
        part = (wrapped[y][:, None] * 2 + wrapped[x][None]).flatten()
        expected = torch.where(part[:, None] == part[None], 0.0, -100.0)
        assert torch.equal(blocked[index, 0], expected)


def test_the_second_block_of_a_stage_is_shifted():
    stage = Stage(SwinSpec(widths=(8, 8, 8, 8), heads=(2, 2, 2, 2)), 0, 14, [0.0] * 4, merge=False)
    assert [block.shift for block in stage.blocks] == [0, 3, 0, 3]


@torch.no_grad()
def test_merging_takes_the_four_corners():
    stage = Stage(SwinSpec(widths=(8, 8, 8, 8), heads=(2, 2, 2, 2)), 0, 14, [], merge=True)
    merge = stage.downsample
    seen = []
    merge.norm.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    x = torch.randn(1, 4, 6, 8)
    assert merge(x).shape == (1, 2, 3, 16)
    # timm and the authors agree on the order: down first, then right.
    assert torch.equal(seen[0][0, 1, 2], torch.cat([x[0, 2, 4], x[0, 3, 4], x[0, 2, 5], x[0, 3, 5]]))
