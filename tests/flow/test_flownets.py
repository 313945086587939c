"""FlowNetS against the published network (golden arrays)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import save_checkpoint

from mmdavss.flow import FlowNetS

GOLDEN = Path(__file__).parents[1] / 'data/golden/sfc_flownet_formula_weights.npz'


def test_equals_published():
    """SFC's slim network with weights by formula; names, shapes and output are the published."""
    data = np.load(GOLDEN)
    net = FlowNetS()
    own = dict(net.named_parameters())
    assert set(own) == set(data['param_names'])
    assert sum(p.numel() for p in own.values()) == data['num_params']
    for k, (name, shape) in enumerate(zip(data['param_names'], data['param_shapes'], strict=True)):
        parameter = own[name]
        assert str(list(parameter.shape)) == shape
        size = parameter.numel()
        values = np.sin(12.9898 * np.arange(size) + 78.233 * k)
        values *= 1.5 / np.sqrt(size / len(parameter)) if parameter.ndim > 1 else 0.02
        parameter.data.copy_(torch.from_numpy(values).view_as(parameter))
    bgr = torch.from_numpy(data['input_img_t_then_tminus1'])
    flow = net(bgr[:, :3].flip(1), bgr[:, 3:].flip(1))
    torch.testing.assert_close(
        flow.detach().double(), torch.from_numpy(data['flow_quarter_res']), rtol=0, atol=1e-5
    )


def test_widths():
    """24 to 384 and 64 to 1024 channels; mmflow's network has the latter shapes."""
    with torch.device('meta'):
        slim, full = FlowNetS(), FlowNetS(base_channels=64)
    for net, widths in (
        (slim, (24, 48, 96, 192, 192, 384)),
        (full, (64, 128, 256, 512, 512, 1024)),
    ):
        assert tuple(net.get_submodule(f'conv{i}')[0].out_channels for i in range(1, 7)) == widths
    assert tuple(full.deconv5[0].weight.shape) == (1024, 512, 4, 4)
    assert tuple(full.predict_flow2.weight.shape) == (2, 194, 3, 3)


@pytest.mark.parametrize('size', [(64, 96), (50, 70), (33, 17)])
def test_any_size_and_small_at_first(size):
    net = FlowNetS(base_channels=8)
    current, previous = torch.rand(2, 2, 3, *size)
    flow = net(current, previous)
    assert flow.shape == (2, 2, -(-size[0] // 4), -(-size[1] // 4))
    assert 0 < flow.abs().max() < 1
    flow.sum().backward()
    assert all(p.grad.abs().max() > 0 for p in net.parameters())


@pytest.mark.parametrize('prefix', ['', 'module.', 'student.flow_net.'])
def test_checkpoint(tmp_path, prefix):
    """Its own file, or the flow branch out of a method's checkpoint."""
    trained = FlowNetS(base_channels=2)
    state = {prefix + name: value for name, value in trained.state_dict().items()}
    if prefix == 'student.flow_net.':
        state['student.fusion.weight'] = torch.zeros(1)
    path = str(tmp_path / 'weights.pth')
    save_checkpoint(dict(state_dict=state), path)
    torch.manual_seed(1)
    net = FlowNetS(base_channels=2, checkpoint=path)
    net.init_weights()
    assert all(
        torch.equal(a, b)
        for a, b in zip(net.state_dict().values(), trained.state_dict().values(), strict=True)
    )
    with pytest.raises(ValueError, match='weights.pth does not fit FlowNetS.*such as'):
        FlowNetS(base_channels=4, checkpoint=path).init_weights()
    with pytest.raises(FileNotFoundError, match='none.pth'):
        FlowNetS(checkpoint='none.pth').init_weights()
