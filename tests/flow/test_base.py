"""A provider inside another module: frozen, in eval mode, invisible, and on the same device."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from mmdavss.flow import BaseFlowProvider, ZeroFlow


class Toy(BaseFlowProvider):
    """Has a network with weights and running statistics."""

    def __init__(self):
        super().__init__()
        self.hold(nn.Sequential(nn.Conv2d(6, 2, 1), nn.BatchNorm2d(2)))

    def _estimate(self, frame_a, frame_b, paths):
        (net,) = self._networks
        return net(torch.cat([frame_a, frame_b], dim=1))


class Parent(nn.Module):
    def __init__(self):
        super().__init__()
        self.student = nn.Conv2d(3, 4, 1)
        self.flow = Toy()


@pytest.fixture
def frames():
    return torch.rand(2, 2, 3, 5, 6).unbind()


def test_not_part_of_its_owner():
    parent = Parent()
    assert {n for n, _ in parent.named_parameters()} == {'student.weight', 'student.bias'}
    assert not list(parent.flow.parameters()) and not list(parent.flow.buffers())
    assert set(parent.state_dict()) == {'student.weight', 'student.bias'}
    parent.load_state_dict(parent.state_dict())


def test_stays_frozen_and_in_eval_mode(frames):
    parent = Parent().train()
    (net,) = parent.flow._networks
    assert not parent.flow.training and not any(m.training for m in net.modules())
    parent.requires_grad_(True)
    assert not any(p.requires_grad for p in net.parameters())
    before = copy.deepcopy(net.state_dict())
    flow = parent.flow(*(f.requires_grad_() for f in frames))
    assert flow.shape == (2, 2, 5, 6) and not flow.requires_grad
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])


def test_follows_its_owner():
    parent = Parent().to('meta')
    assert {p.device.type for p in parent.flow._networks[0].parameters()} == {'meta'}
    clone = copy.deepcopy(Parent())
    assert isinstance(clone.flow._networks[0], nn.Sequential)
    clone.double()
    assert {p.dtype for p in clone.flow._networks[0].parameters()} == {torch.float64}


def test_outside_of_autocast(frames):
    toy = Toy()
    expected = toy(*frames)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = toy(*(f.double() for f in frames))
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, expected)


def test_numpy_images_are_bgr():
    toy = Toy()
    images = np.random.default_rng(0).integers(256, size=(2, 5, 6, 3), dtype=np.uint8)
    flow = toy.estimate_numpy(*images)
    assert flow.shape == (5, 6, 2) and flow.dtype == np.float32
    a, b = (
        torch.tensor(image[None, :, :, [2, 1, 0]] / 255.0).permute(0, 3, 1, 2) for image in images
    )
    np.testing.assert_allclose(flow, toy(a, b)[0].permute(1, 2, 0), atol=1e-6)


def test_shapes(frames):
    a, b = frames
    with pytest.raises(ValueError, match='Toy.*one shape'):
        Toy()(a, b[..., :4])
    with pytest.raises(ValueError, match='one shape'):
        Toy()(a[0], b[0])
    with pytest.raises(ValueError, match='1 path pair for 2 frames'):
        Toy()(a, b, [('a', 'b')])


def test_zero_flow(frames, build):
    provider = build(dict(type='ZeroFlow'))
    assert isinstance(provider, ZeroFlow)
    flow = provider(*frames)
    assert flow.shape == (2, 2, 5, 6) and flow.dtype == torch.float32 and not flow.any()
    flow = provider.estimate_numpy(*np.zeros((2, 5, 6, 3), np.uint8))
    assert flow.shape == (5, 6, 2) and not flow.any()
