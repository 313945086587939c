"""Correlation against a naive loop, for each implementation and device that is there."""

import pytest
import torch

from mmdavss.ops.correlation import Correlation, correlation, correlation_torch

# `correlation` takes mmcv's compiled operator for CUDA tensors where mmcv has it.
IMPLEMENTATIONS = [
    pytest.param(implementation, device, marks=[pytest.mark.gpu] * (device == 'cuda'))
    for device in ('cpu', 'cuda')
    for implementation in (correlation, correlation_torch)
]

# FlowNetC, PWC-Net, and what else the operator can do.
OPTIONS = [
    dict(max_displacement=4, dilation_patch=2),
    dict(max_displacement=2),
    dict(max_displacement=1, stride=2, padding=1),
    dict(kernel_size=3, max_displacement=2, padding=2),
    dict(kernel_size=3, max_displacement=1, stride=2, padding=3, dilation=2, dilation_patch=3),
]


def naive(
    x1, x2, kernel_size=1, max_displacement=1, stride=1, padding=0, dilation=1, dilation_patch=1
):
    count, _, height, width = x1.shape
    side = 2 * max_displacement + 1
    out_h, out_w = (
        (n + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1 for n in (height, width)
    )
    out = x1.new_zeros(count, side, side, out_h, out_w)
    for index in torch.cartesian_prod(*(torch.arange(n) for n in out.shape[1:])).tolist():
        dy, dx, h, w = index
        for i in range(kernel_size):
            for j in range(kernel_size):
                y1, x_1 = h * stride - padding + i * dilation, w * stride - padding + j * dilation
                y2 = y1 + (dy - max_displacement) * dilation_patch
                x_2 = x_1 + (dx - max_displacement) * dilation_patch
                if all(0 <= y < height for y in (y1, y2)) and all(
                    0 <= x < width for x in (x_1, x_2)
                ):
                    out[:, dy, dx, h, w] += (x1[:, :, y1, x_1] * x2[:, :, y2, x_2]).sum(1)
    return out


@pytest.mark.sampled
@pytest.mark.parametrize('options', OPTIONS)
@pytest.mark.parametrize('implementation, device', IMPLEMENTATIONS)
def test_naive_loop(implementation, device, options):
    generator = torch.Generator().manual_seed(0)
    x1, x2 = torch.randn(2, 2, 3, 7, 9, generator=generator)
    expected = naive(x1.double(), x2.double(), **options)
    out = implementation(x1.to(device), x2.to(device), **options).cpu()
    assert out.shape == expected.shape
    torch.testing.assert_close(out.double(), expected, rtol=1e-4, atol=1e-5)


def test_channel_order():
    """x2 is x1 moved 2 to the right and 1 up: the channel (dy, dx) = (-1, 2) has the peak."""
    x1 = torch.zeros(1, 1, 7, 7)
    x1[0, 0, 3, 3] = 1
    x2 = torch.roll(x1, (-1, 2), (2, 3))
    out = correlation(x1, x2, max_displacement=3)
    assert out.nonzero().tolist() == [[0, 3 - 1, 3 + 2, 3, 3]]


@pytest.mark.slow
def test_gradient():
    generator = torch.Generator().manual_seed(0)
    x1, x2 = torch.randn(2, 1, 2, 4, 5, generator=generator, dtype=torch.float64).unbind()
    options = dict(kernel_size=3, max_displacement=1, stride=2, padding=1, dilation_patch=2)
    assert torch.autograd.gradcheck(
        lambda a, b: correlation(a, b, **options), (x1.requires_grad_(), x2.requires_grad_())
    )


def test_module_has_mmcvs_arguments():
    options = dict(
        kernel_size=3, max_displacement=2, stride=2, padding=1, dilation=2, dilation_patch=2
    )
    x1, x2 = torch.randn(2, 1, 2, 8, 8)
    module = Correlation(**options)
    assert {name: getattr(module, name) for name in options} == options
    assert torch.equal(module(x1, x2), correlation(x1, x2, **options))


def test_shapes_that_differ():
    with pytest.raises(ValueError, match='same shape'):
        correlation(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 5))
