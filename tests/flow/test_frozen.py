"""A trained flow network as a provider."""

import pytest
import torch
from mmengine.runner import save_checkpoint
from mmseg.registry import MODELS
from torch import nn

from mmdavss.flow import FlowNetS, FrozenFlowNet
from mmdavss.ops import resize_flow

FLOW_NET = dict(type='FlowNetS', base_channels=2)


@pytest.fixture
def trained(tmp_path):
    """A network, and the files that its weights may be in."""
    net = FlowNetS(base_channels=2)
    for p in net.parameters():
        nn.init.normal_(p, std=0.1)
    for number, prefix in enumerate(('', 'student.flow_net.', 'flow_net.')):
        save_checkpoint(
            dict(state_dict={prefix + k: v for k, v in net.state_dict().items()}),
            str(tmp_path / f'{number}.pth'),
        )
    return net


@pytest.mark.parametrize('number', range(3))
def test_flow_of_the_network(trained, tmp_path, number):
    a, b = torch.rand(2, 2, 3, 32, 48)
    cfg = dict(type='FrozenFlowNet', flow_net=FLOW_NET, checkpoint=str(tmp_path / f'{number}.pth'))
    with torch.no_grad():
        expected = trained(a, b)
    assert torch.equal(MODELS.build(dict(cfg, full_size=False))(a, b), expected)
    provider = MODELS.build(cfg)
    assert torch.equal(provider(a, b), resize_flow(expected, (32, 48)))
    image = torch.zeros(32, 48, 3, dtype=torch.uint8).numpy()
    assert provider.estimate_numpy(image, image).shape == (32, 48, 2)


def test_frozen(trained, tmp_path):
    """No part of its owner, in eval mode, without gradient; weights are read once."""
    owner = nn.Module()
    owner.flow = FrozenFlowNet(FLOW_NET, str(tmp_path / '0.pth'))
    owner.flow.init_weights()
    owner.train()
    (net,) = owner.flow._networks
    assert not net.training and not any(p.requires_grad for p in net.parameters())
    assert not list(owner.parameters()) and not owner.state_dict()
    a, b = torch.rand(2, 1, 3, 32, 48, requires_grad=True)
    assert not owner.flow(a, b).requires_grad
    (tmp_path / '0.pth').unlink()
    owner.flow.init_weights()


def test_messages(trained, tmp_path):
    with pytest.raises(ValueError, match='`checkpoint` is missing'):
        FrozenFlowNet(FLOW_NET)
    FrozenFlowNet(FLOW_NET, allow_random_init=True).init_weights()
    with pytest.raises(FileNotFoundError, match='gone.pth'):
        FrozenFlowNet(FLOW_NET, 'gone.pth').init_weights()
    with pytest.raises(ValueError, match='does not fit FlowNetS'):
        FrozenFlowNet(dict(FLOW_NET, base_channels=4), str(tmp_path / '0.pth')).init_weights()
