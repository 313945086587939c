"""Warping against the published operators (golden arrays), hand-made cases and naive loops."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mmdavss.ops import backward_warp, chain_flow, compose_flow, mirrored_flow, resize_flow
from tests.published import scaled_by_height

GOLDEN = Path(__file__).parents[1] / 'data/golden'


def golden(name):
    """Arrays computed with public implementations; the key names say what they hold."""
    return {k: torch.from_numpy(v) for k, v in np.load(GOLDEN / f'{name}.npz').items()}


def constant_flow(u, v, size, batch=1):
    return torch.tensor([u, v], dtype=torch.float32).view(1, 2, 1, 1).expand(batch, 2, *size)


def test_border_equals_sfc_and_tps():
    """flow_warp_border.npz: the warp of SFC and TPS, values and gradients."""
    data = golden('flow_warp_border')
    x, flow = data['feature'].requires_grad_(), data['flow_xy_pixels'].requires_grad_()
    out = backward_warp(x, flow, padding_mode='border')
    torch.testing.assert_close(out, data['out'], rtol=0, atol=1e-5)
    out.backward(data['grad_out'])
    torch.testing.assert_close(x.grad, data['grad_feature_as_published'], rtol=0, atol=1e-5)

    x.grad = None
    inside = data['flow_inside'].requires_grad_()
    out = backward_warp(x, inside, padding_mode='border')
    torch.testing.assert_close(out, data['out_inside'], rtol=0, atol=1e-5)
    out.backward(data['grad_out'])
    torch.testing.assert_close(x.grad, data['grad_feature_inside'], rtol=0, atol=1e-5)
    torch.testing.assert_close(inside.grad, data['grad_flow_inside'], rtol=0, atol=1e-5)

    for name in ('plus1_x', 'minushalf_y'):
        out = backward_warp(data['tiny_in'], data[f'tiny_flow_{name}'], padding_mode='border')
        torch.testing.assert_close(out, data[f'tiny_out_{name}'], rtol=0, atol=1e-5)


@pytest.mark.parametrize('padding_mode', ['zeros', 'border'])
def test_equals_mmflow_with_aligned_corners(padding_mode):
    """flow_warp_gridsample.npz: mmflow's Warp where it is right, float64."""
    data = golden('flow_warp_gridsample')
    x, flow = data['feat'].requires_grad_(), data['flow'].requires_grad_()
    out = backward_warp(x, flow, padding_mode=padding_mode)
    assert out.dtype == torch.float64
    expected = data[f'warp_{padding_mode}_align1_mask0']
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-6)
    out.backward(data['grad_out'])
    torch.testing.assert_close(
        x.grad, data[f'gradfeat_{padding_mode}_align1_mask0'], rtol=0, atol=1e-6
    )
    smooth = flow != flow.round()  # at integer positions the slope has two values
    torch.testing.assert_close(
        flow.grad[smooth], data[f'gradflow_{padding_mode}_align1_mask0'][smooth], rtol=0, atol=1e-6
    )


def test_nearest_equals_mmflow():
    data = golden('flow_warp_gridsample')
    out = backward_warp(data['feat'], data['flow'], mode='nearest', padding_mode='border')
    torch.testing.assert_close(out, data['warp_nearest_border_align1_mask0'], rtol=0, atol=0)


def test_naive_loop():
    """Bilinear, zeros outside, and the mask, pixel by pixel in float64."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, 5, 7, generator=generator, dtype=torch.float64)
    flow = 3 * torch.randn(1, 2, 5, 7, generator=generator, dtype=torch.float64)
    out, mask = backward_warp(x, flow, return_mask=True)
    for row in range(5):
        for column in range(7):
            px, py = column + flow[0, 0, row, column].item(), row + flow[0, 1, row, column].item()
            expected = torch.zeros(2, dtype=torch.float64)
            for y in (int(np.floor(py)), int(np.floor(py)) + 1):
                for a in (int(np.floor(px)), int(np.floor(px)) + 1):
                    if 0 <= y < 5 and 0 <= a < 7:
                        expected += x[0, :, y, a] * (1 - abs(py - y)) * (1 - abs(px - a))
            torch.testing.assert_close(out[0, :, row, column], expected)
            assert mask[0, 0, row, column] == (0 <= px <= 6 and 0 <= py <= 4)
    assert mask.shape == (1, 1, 5, 7) and mask.dtype == torch.bool and 0 < mask.sum() < 35


def test_direction_and_mask():
    """Flow (2, -1): what is at (x, y) now was at (x + 2, y - 1) in the other frame."""
    x = torch.arange(20.0).view(1, 1, 4, 5)
    out, mask = backward_warp(x, constant_flow(2, -1, (4, 5)), return_mask=True)
    torch.testing.assert_close(out[..., 1:, :3], x[..., :-1, 2:])
    expected = torch.zeros(1, 1, 4, 5, dtype=torch.bool)
    expected[..., 1:, :3] = True
    assert torch.equal(mask, expected)
    assert out[~mask].abs().max() < 1e-4


@pytest.mark.parametrize('size', [(1, 1), (1, 6), (6, 1), (4, 5)])
def test_zero_flow_is_identity(size):
    x = torch.randn(2, 3, *size)
    out, mask = backward_warp(x, torch.zeros(2, 2, *size), return_mask=True)
    torch.testing.assert_close(out, x, rtol=0, atol=1e-5)
    assert mask.all()
    out, mask = backward_warp(x, constant_flow(9, 0, size, 2), return_mask=True)
    assert not mask.any() and out.abs().max() == 0  # also for a map one pixel wide


@pytest.mark.parametrize('dtype', [torch.uint8, torch.int64, torch.bool])
def test_labels(dtype):
    labels = torch.tensor([[0, 1, 255, 7]]).view(1, 1, 1, 4).to(dtype)
    out = backward_warp(labels, constant_flow(1.4, 0, (1, 4)), mode='nearest')
    assert out.dtype == dtype
    assert torch.equal(out[..., :3], labels[..., 1:]) and out[..., 3] == 0
    with pytest.raises(TypeError, match="mode='nearest'"):
        backward_warp(labels, constant_flow(1, 0, (1, 4)))


def test_half_precision_keeps_positions():
    """At column 3000 half precision steps by 2 pixels: positions must not be computed in it."""
    x = torch.zeros(1, 1, 1, 4001, dtype=torch.half)
    x[..., 3001] = 1
    flow = constant_flow(1, 0, (1, 4001)).half()
    assert backward_warp(x, flow).flatten().argmax() == 3000
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert backward_warp(x, flow).flatten().argmax() == 3000
    assert resize_flow(flow, (1, 2000)).dtype == torch.float32


def test_resize_flow():
    data = golden('accel_fusion')
    size = data['flow_score_res'].shape[-2:]
    out = resize_flow(scaled_by_height(data['flow_full_res'], size), size)
    torch.testing.assert_close(out, data['flow_score_res'], rtol=1e-6, atol=1e-6)
    # Halving the height alone halves v alone.
    out = resize_flow(constant_flow(6, 6, (8, 5)), (4, 5))
    torch.testing.assert_close(out, constant_flow(6, 3, (4, 5)))
    flow = torch.randn(1, 2, 3, 4)
    assert torch.equal(resize_flow(flow, (3, 4)), flow)


def test_compose_flow():
    """a -> b moves by (1, 0); b -> c is known in columns 0 to 3, and moves (column, 2)."""
    flow_bc = torch.stack([torch.arange(4.0).expand(2, 4), torch.full((2, 4), 2.0)])[None]
    out = compose_flow(constant_flow(1, 0, (2, 4)), flow_bc)
    # The last column looks at column 4 of b, where the border value 3 goes on.
    expected = torch.stack(
        [torch.tensor([2.0, 3.0, 4.0, 4.0]).expand(2, 4), torch.full((2, 4), 2.0)]
    )
    torch.testing.assert_close(out, expected[None], rtol=0, atol=1e-5)


def test_composed_warp_is_warping_twice():
    yy, xx = torch.meshgrid(torch.arange(12.0), torch.arange(16.0), indexing='ij')
    smooth = torch.stack([xx * 0.3 + yy, yy * 0.5])[None]  # linear maps are sampled exactly
    flow_ab, flow_bc = constant_flow(1.5, 0.5, (12, 16)), constant_flow(-0.25, 1, (12, 16))
    twice = backward_warp(backward_warp(smooth, flow_bc), flow_ab)
    once = backward_warp(smooth, compose_flow(flow_ab, flow_bc))
    torch.testing.assert_close(once[..., 3:-3, 3:-3], twice[..., 3:-3, 3:-3])


def test_chain_flow():
    """Three flows, each known at one pixel of its way: 5 -> 3 -> 6 -> 2."""
    flows = torch.zeros(1, 3, 2, 1, 8)
    flows[0, 2, 0, 0, 5], flows[0, 1, 0, 0, 3], flows[0, 0, 0, 0, 6] = -2, 3, -4
    out = chain_flow(flows)
    assert out.shape == (1, 2, 1, 8) and out[0, :, 0, 5].tolist() == pytest.approx([-3, 0])
    assert torch.equal(chain_flow(flows[:, :1]), flows[:, 0])


def test_errors():
    x = torch.zeros(1, 3, 4, 5)
    with pytest.raises(ValueError, match='resize_flow'):
        backward_warp(x, torch.zeros(1, 2, 8, 10))
    with pytest.raises(ValueError, match='do not fit'):
        backward_warp(x, torch.zeros(1, 3, 4, 5))
    with pytest.raises(ValueError, match="mode='cubic'"):
        backward_warp(x, torch.zeros(1, 2, 4, 5), mode='cubic')
    with pytest.raises(ValueError, match="padding_mode='wrap'"):
        backward_warp(x, torch.zeros(1, 2, 4, 5), padding_mode='wrap')
    with pytest.raises(ValueError, match=r'\(N, 2, H, W\)'):
        resize_flow(torch.zeros(2, 4, 5), (2, 2))


def test_mirrored_flow():
    """Warping mirrored frames along it gives the mirrored warped frame."""
    torch.manual_seed(0)
    frames, flow = torch.rand(2, 3, 6, 8), torch.randn(2, 2, 6, 8)
    warped = backward_warp(frames, flow)
    torch.testing.assert_close(
        backward_warp(frames.flip(-1), mirrored_flow(flow)), warped.flip(-1), rtol=0, atol=1e-5
    )
