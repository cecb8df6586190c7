import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from train.models.deformable import DeformableAttention


@torch.no_grad()
def test_reads_what_scipy_reads(look_trained):
    torch.manual_seed(0)
    heads, points, width, rows, columns = 3, 2, 12, 5, 7
    attention = look_trained(DeformableAttention(width, heads, points)).double()
    query, value = torch.randn(2, 2, rows, columns, width, dtype=torch.float64)
    offsets = attention.sampling_offsets(query).view(2, rows, columns, heads, points, 2).numpy()
    weights = attention.attention_weights(query).view(2, rows, columns, heads, points).softmax(-1).numpy()
    maps = attention.value_proj(value).view(2, rows, columns, heads, width // heads).numpy()

    read = np.zeros((2, rows, columns, heads, width // heads))
    y, x = np.mgrid[:rows, :columns]
    for image, head, point, channel in np.ndindex(2, heads, points, width // heads):
        dx, dy = np.moveaxis(offsets[image, :, :, head, point], -1, 0)
        plane = maps[image, :, :, head, channel]
        # Outside the map everything is 0, also for the interpolation across its border.
        found = map_coordinates(plane, [y + dy, x + dx], order=1, mode="grid-constant", cval=0)
        read[image, :, :, head, channel] += found * weights[image, :, :, head, point]
    expected = attention.output_proj(torch.from_numpy(read).flatten(3))
    torch.testing.assert_close(attention(query, value), expected, rtol=0, atol=1e-6)


@torch.no_grad()
def test_starts_at_a_ring_of_whole_pixels():
    attention = DeformableAttention(8, 4, 3)
    ring = attention.sampling_offsets.bias.view(4, 3, 2)
    directions = [[1, 0], [0, 1], [-1, 0], [0, -1]]
    for head, direction in enumerate(directions):
        for point in range(3):
            expected = [(point + 1) * step for step in direction]
            assert ring[head, point].tolist() == pytest.approx(expected, abs=1e-6)
    assert not attention.sampling_offsets.weight.any()
    assert not attention.attention_weights.weight.any()
