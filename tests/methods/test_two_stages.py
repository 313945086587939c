"""DA-VSN and TPS in SFC's two stages: the shipped configs train what the stage trains."""

from __future__ import annotations

import pytest
import torch
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from mmseg.registry import MODELS

from mmdavss.methods import TPS
from mmdavss.video_nets.loading import load_student
from tests.shipped import shipped, shipped_config

pytestmark = pytest.mark.slow
ROWS = [
    (method, source, stage)
    for method in ('davsn', 'tps')
    for source in ('viper', 'synthia')
    for stage in ('stage1', 'stage2')
] + [(method, 'viper', 'stage2_from-source') for method in ('davsn', 'tps')]


@pytest.mark.parametrize('method, source, stage', ROWS)
def test_what_is_trained(batch, method, source, stage):
    name = f'{method}/accel-sfc_{source}2city_{stage}'
    model = shipped(name)
    wrapper = build_optim_wrapper(model, shipped_config(name).optim_wrapper)
    for own in wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]:
        for group in own.optimizer.param_groups:
            group['lr'] = 1.0
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    sides = dict(source=dict(augmented=False), target=dict(length=3 if method == 'tps' else 2))
    data = [batch(domain, size=(64, 96), count=1, **options) for domain, options in sides.items()]
    data = {key: data[0][key] | data[1][key] for key in data[0]}
    log = model.train_step(data, wrapper)
    assert all(torch.isfinite(value).all() for value in log.values())
    changed = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    parts = (
        {'.'.join(n.split('.')[1:3]) for n in changed if n.startswith('student.seg')}
        | {n.split('.')[1] for n in changed if n.startswith('student') and 'segmentor.' not in n}
        | {'reference' for n in changed if n.startswith('student.reference_segmentor.decode_head')}
    )
    heads = {'segmentor.decode_head'}
    if stage == 'stage1':
        assert parts == heads | {'segmentor.backbone', 'segmentor.auxiliary_head'}
    else:
        assert parts == heads | {'fusion', 'flow_net', 'reference'}
        assert not any('backbone' in n or 'auxiliary' in n for n in changed)


@pytest.mark.parametrize('method', ['davsn', 'tps'])
def test_both_branches_start_from_stage_one(tmp_path, method):
    """A checkpoint of the single network becomes both branches of the Accel."""
    first = shipped(f'{method}/accel-sfc_viper2city_stage1')
    path = tmp_path / 'iter_120000.pth'
    torch.save(dict(state_dict=first.state_dict(), meta={}), path)
    net = MODELS.build(shipped_config(f'{method}/accel-sfc_viper2city_stage2').model.student)
    load_student(net, str(path))
    own = first.student.segmentor.state_dict()
    for segmentor in net.segmentors:
        for name, value in segmentor.state_dict().items():
            assert torch.equal(value, own[name]), name
    assert isinstance(first, TPS) == (method == 'tps')
