"""SFM against the published compositions (golden arrays), and against a loop over the classes."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import nn

from mmdavss.losses import flow_epe
from mmdavss.modules import SFM, label_regions, occurring_classes

GOLDEN = Path(__file__).parents[1] / 'data/golden/sfc_sfm_pretrain_step.npz'
FLOW_NET = dict(type='FlowNetS', base_channels=4)


class StandIn(nn.Module):
    """The flow network of the golden arrays."""

    def __init__(self, data, name):
        super().__init__()
        for key in ('c1.weight', 'c1.bias', 'c2.weight', 'c2.bias'):
            self.register_parameter(
                key.replace('.', '_'), nn.Parameter(data[f'w.{name}.{key}'].clone())
            )
        self.sizes = []

    def forward(self, current, previous):
        self.sizes.append(len(current))
        x = F.conv2d(torch.cat([current, previous], 1), self.c1_weight, self.c1_bias, 2, 1)
        return 5 * F.conv2d(F.leaky_relu(x, 0.1), self.c2_weight, self.c2_bias, 2, 1)


def golden():
    return {k: torch.from_numpy(v) for k, v in np.load(GOLDEN).items()}


def make(net=None, **options):
    sfm = MODELS.build(dict(type='SFM', flow_net=FLOW_NET, **options))
    if net is None:
        torch.manual_seed(1)
        for p in sfm.parameters():
            nn.init.normal_(p, std=0.1)
    else:
        sfm.flow_net = net
    return sfm


def loop(net, frames, regions, classes):
    """Equations 3 to 5 of one sample, class by class; frames and regions of (t, t-1)."""
    return sum(
        net(*(x * r[:, c : c + 1] for x, r in zip(frames, regions, strict=True))) for c in classes
    )


def soft_case(n=3, k=5, size=(16, 32)):
    """Frames and soft regions in which samples have other classes."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(2, n, 3, *size, generator=generator)
    scores = torch.randn(2, n, k, *size, generator=generator)
    scores[:, 0, 1:3] -= 20
    scores[:, 1, 4] -= 20
    scores[0, 2, 0] -= 20  # occurs in the other frame
    return frames, scores.softmax(2)


@pytest.mark.parametrize(
    'options', [{}, dict(empty_classes='mask'), dict(chunk=2), dict(chunk=100)], ids=str
)
def test_pretraining_equals_published(options):
    data = golden()
    sfm = make(StandIn(data, 'SFM'), **options)
    previous, current = data['frames_tm1_t'][:1], data['frames_tm1_t'][1:]
    labels = [data[f'label_{t}'] for t in ('t', 'tm1')]
    count = int(max(label.max() for label in labels)) + 4  # three that no frame has
    regions = [label_regions(label, count) for label in labels]
    flow = sfm(current, previous, *regions)
    torch.testing.assert_close(flow, data['flow_pred'], rtol=0, atol=1e-4)
    target = StandIn(data, 'flownet_global')(current, previous)
    torch.testing.assert_close(target, data['flow_label'], rtol=0, atol=1e-4)
    epe = flow_epe(flow, target, data['label_quarter'] != -1)
    torch.testing.assert_close(epe, data['epe_masked'], rtol=0, atol=1e-4)
    present = len(set(torch.cat(labels).unique().tolist()) - {-1})
    expected = {'mask': [count]}.get(options.get('empty_classes'), [present])
    if options.get('chunk') == 2:
        expected = [2] * (present // 2) + [1] * (present % 2)
    assert sfm.flow_net.sizes == expected


@pytest.mark.sampled
@pytest.mark.parametrize('empty_classes', ['skip', 'mask', 'add'])
@pytest.mark.parametrize('chunk', [None, 4])
def test_batch_equals_the_loop(empty_classes, chunk):
    """Value and gradient, to frames' regions and to the network."""
    frames, regions = soft_case()
    sfm, other = (make(empty_classes=empty_classes) for _ in range(2))
    sfm.chunk = chunk
    regions.requires_grad_(True)
    flow = sfm(*frames, *regions)
    weight = torch.randn(flow.shape, generator=torch.Generator().manual_seed(3))
    (gradient,) = torch.autograd.grad((flow * weight).sum(), regions, retain_graph=True)
    (flow * weight).sum().backward()

    again = regions.detach().clone().requires_grad_(True)
    present = [[0, 3, 4], [0, 1, 2, 3], [0, 1, 2, 3, 4]]
    classes = [range(5)] * 3 if empty_classes == 'add' else present
    expected = torch.cat(
        [
            loop(other.flow_net, frames[:, n : n + 1], again[:, n : n + 1], classes[n])
            for n in range(3)
        ]
    )
    torch.testing.assert_close(flow, expected, rtol=1e-4, atol=1e-4)
    (expected * weight).sum().backward()
    torch.testing.assert_close(gradient, again.grad, rtol=1e-3, atol=1e-3)
    for own, theirs in zip(sfm.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(
            own.grad, theirs.grad, rtol=1e-3, atol=1e-4 * theirs.grad.abs().max().item() + 1e-6
        )


def test_chunks_hold_one_pass_at_a_time():
    """Passes are repeated in the backward pass; frozen, with gradient through it."""
    data = golden()
    sfm = make(StandIn(data, 'SFM'), chunk=4).requires_grad_(False)
    frames, regions = soft_case()
    regions.requires_grad_(True)
    flow = sfm(*frames, *regions)
    assert sfm.flow_net.sizes == [4, 4, 4]
    flow.sum().backward()
    assert len(sfm.flow_net.sizes) == 6
    assert all((regions.grad[:, n] != 0).any() for n in range(3))
    with torch.no_grad():
        sfm(*frames, *regions)
    assert len(sfm.flow_net.sizes) == 9


def test_which_classes_occur():
    """The most probable one somewhere; a pixel of no class has none."""
    regions = torch.zeros(2, 3, 1, 4)
    regions[0, :, 0, 0] = torch.tensor([0.4, 0.35, 0.25])
    regions[0, 2, 0, 1] = 0.01
    assert occurring_classes(regions).tolist() == [[True, False, True], [False, False, False]]
    labels = torch.tensor([[[0, 255], [2, 2]]])
    maps = label_regions(labels, 3)
    assert maps.tolist() == [[[[1, 0], [0, 0]], [[0, 0], [0, 0]], [[0, 0], [1, 1]]]]
    assert occurring_classes(maps).tolist() == [[True, False, True]]


@pytest.mark.parametrize('chunk', [None, 2])
@pytest.mark.parametrize('empty_classes', ['skip', 'mask'])
def test_nothing_is_labelled(empty_classes, chunk):
    """Zero flow that has a graph."""
    sfm = make(empty_classes=empty_classes, chunk=chunk)
    regions = label_regions(torch.full((2, 16, 32), 255), 3)
    flow = sfm(*torch.rand(2, 2, 3, 16, 32), regions, regions)
    assert flow.shape == (2, 2, 4, 8) and (flow == 0).all()
    flow.sum().backward()
    assert all((p.grad == 0).all() for p in sfm.parameters())


def test_which_class_a_region_is_of_does_not_count():
    """All classes have the same weights: SFM sees regions, not their names."""
    frames, regions = soft_case()
    sfm, order = make(), torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(
        sfm(*frames, *regions[:, :, order]), sfm(*frames, *regions), rtol=1e-4, atol=1e-4
    )


def test_messages():
    with pytest.raises(ValueError, match="empty_classes='drop'"):
        make(empty_classes='drop')
    with pytest.raises(ValueError, match='chunk=0'):
        make(chunk=0)
    frames, regions = soft_case()
    with pytest.raises(ValueError, match=r'must match.*\(3, 5, 16, 16\)'):
        make()(*frames, regions[0], regions[1, ..., :16])
    assert isinstance(make(), SFM)
