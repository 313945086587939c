"""Forward splatting against DA-VSN (golden arrays) and its double loop."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmdavss.ops import forward_splat

GOLDEN = Path(__file__).parents[1] / 'data/golden/accel_fusion.npz'


@pytest.mark.parametrize('aux', ['', '_aux'])
def test_equals_davsn(aux):
    """accel_fusion.npz: the published fusion; the key frame's scores are splat with -flow."""
    data = {k: torch.from_numpy(v) for k, v in np.load(GOLDEN).items()}
    key = forward_splat(data[f'score_kf{aux}'], -data['flow_score_res'])
    fused = F.conv2d(torch.cat([data[f'score_cf{aux}'], key], dim=1), data['sf_weight'])
    torch.testing.assert_close(fused, data[f'davsn_fused{aux}'], rtol=0, atol=1e-5)


def naive(x, flow):
    out, mask = torch.zeros_like(x), torch.zeros_like(x[:, :1], dtype=torch.bool)
    height, width = x.shape[-2:]
    for n in range(len(x)):
        for column in range(width):
            for row in range(height):
                to_column = round(column + flow[n, 0, row, column].item())  # half to even
                to_row = round(row + flow[n, 1, row, column].item())
                if 0 <= to_column < width and 0 <= to_row < height:
                    out[n, :, to_row, to_column] = x[n, :, row, column]
                    mask[n, 0, to_row, to_column] = True
    return out, mask


@pytest.mark.parametrize('scale', [0.0, 1.0, 5.0, 100.0])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.int64])
def test_naive_loop(scale, dtype):
    generator = torch.Generator().manual_seed(0)
    x = (100 * torch.randn(2, 3, 9, 13, generator=generator)).to(dtype)
    # Halves, so that many pixels collide and many positions are ties.
    flow = (2 * scale * torch.randn(2, 2, 9, 13, generator=generator)).round() / 2
    out, mask = forward_splat(x, flow, return_mask=True)
    expected, expected_mask = naive(x, flow)
    assert torch.equal(out, expected) and torch.equal(mask, expected_mask)
    assert out.dtype == dtype


def test_last_writer_is_the_rightmost_then_lowest():
    """All of a 2 x 3 map goes to its first pixel: the bottom right one stays."""
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).view(1, 1, 2, 3)
    yy, xx = torch.meshgrid(torch.arange(2.0), torch.arange(3.0), indexing='ij')
    out = forward_splat(x, -torch.stack([xx, yy])[None])
    assert torch.equal(out[0, 0], torch.tensor([[6.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    # Among (0, 1) and (1, 0) the column decides: 2 is written after 4.
    flow = torch.full((1, 2, 2, 3), 50.0)
    flow[0, :, 0, 1] = torch.tensor([-1.0, 0.0])
    flow[0, :, 1, 0] = torch.tensor([0.0, -1.0])
    assert forward_splat(x, flow)[0, 0, 0, 0] == 2


def test_gradient_reaches_the_winners():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, 6, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    flow = 2 * torch.randn(1, 2, 6, 7, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: forward_splat(x, flow), x)


def test_not_finite_flow_goes_nowhere():
    flow = torch.zeros(1, 2, 2, 2)
    flow[0, 0] = torch.tensor([[float('nan'), float('inf')], [-float('inf'), 0.0]])
    out, mask = forward_splat(torch.ones(1, 1, 2, 2), flow, return_mask=True)
    assert torch.equal(mask[0, 0], torch.tensor([[False, False], [False, True]]))
    assert torch.equal(out[0, 0], torch.tensor([[0.0, 0.0], [0.0, 1.0]]))


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match='forward_splat.*resize_flow'):
        forward_splat(torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 8, 8))
