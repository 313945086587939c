"""A run goes on only from a checkpoint of the same method, network and optimiser."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict, PolyLR
from torch import nn

from mmdavss.engine import ResumeCheckHook
from mmdavss.modules import ClipLayer, ClipMemory
from mmdavss.testing import build_method
from mmdavss.utils.checkpoints import CheckpointError
from tests.methods.table import CASES


def net(**parts: int) -> nn.Module:
    return nn.ModuleDict({name: nn.Linear(size, 1) for name, size in parts.items()})


def runner(
    model: nn.Module,
    kind: str = 'SGD',
    schedulers: int = 1,
    players: bool = False,
    **options: object,
) -> SimpleNamespace:
    groups = options.pop('groups', None) or model.parameters()
    wrapper = OptimWrapper(getattr(torch.optim, kind)(groups, lr=0.1, **options))
    return SimpleNamespace(
        model=model,
        _resume=True,
        _load_from='work/iter_2.pth',
        optim_wrapper=OptimWrapperDict(model=wrapper) if players else wrapper,
        param_schedulers=[PolyLR(wrapper, begin=0, end=9) for _ in range(schedulers)],
    )


def saved(run: SimpleNamespace, prefix: str = '') -> dict:
    model = run.model
    model['student'](torch.ones(1, model['student'].in_features)).sum().backward()
    return dict(
        state_dict={prefix + name: value for name, value in model.state_dict().items()},
        optimizer=run.optim_wrapper.state_dict(),
        message_hub={},
        meta=dict(iter=2, epoch=0),
        param_schedulers=[scheduler.state_dict() for scheduler in run.param_schedulers],
    )


@pytest.mark.parametrize('prefix', ['', 'module.', '_orig_mod.'])
@pytest.mark.parametrize(('kind', 'players'), [('SGD', False), ('AdamW', True)])
def test_the_same_run_goes_on(kind, players, prefix):
    run = runner(net(student=2, teacher=2), kind, players=players)
    ResumeCheckHook().after_load_checkpoint(run, saved(run, prefix))


def test_a_memory_of_clips_may_be_there():
    """It begins with the first step; what else a checkpoint has and a run lacks is an error."""
    run, before = runner(net(student=2)), runner(net(student=2))
    for each in (run, before):
        each.model['memory'] = ClipMemory('source')
    layer = ClipLayer(torch.zeros(1, 2, 3, 4, 5), torch.zeros(1, 2, 4, 5).long())
    before.model['memory'].remember(layer)
    ResumeCheckHook().after_load_checkpoint(run, saved(before))
    before.model['other'] = nn.Linear(1, 1)
    with pytest.raises(CheckpointError, match='has 2 tensors of other'):
        ResumeCheckHook().after_load_checkpoint(run, saved(before))


@pytest.mark.parametrize(
    ('before', 'now', 'words'),
    [
        (runner(net(student=2)), runner(net(student=2, teacher=2)), 'lacks 2 tensors of teacher'),
        (runner(net(student=2, anchor=2)), runner(net(student=2)), 'has 2 tensors of anchor'),
        (
            runner(net(student=2, anchor=2)),
            runner(net(student=2, teacher=2)),
            'lacks 2 tensors of teacher and it has 2 tensors of anchor .*another method',
        ),
        (runner(net(student=3)), runner(net(student=2)), 'student has tensors of another shape'),
        (
            runner(net(student=2)),
            runner(net(student=2), 'AdamW'),
            'optimiser is not AdamW .no betas',
        ),
        (
            runner(net(student=2), 'AdamW'),
            runner(net(student=2)),
            'optimiser is not SGD .no momentum',
        ),
        (runner(net(student=2), 'Adam'), runner(net(student=2), 'AdamW'), 'optimiser is not AdamW'),
        (
            runner(net(student=2), players=True),
            runner(net(student=2)),
            'optimisers for model and this one for the whole model',
        ),
        (
            runner(
                net(student=2),
                groups=[
                    dict(params=[value])
                    for value in (nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1)))
                ],
            ),
            runner(net(student=2)),
            'SGD has 1 groups of 2 parameters, the checkpoint 2 of 2',
        ),
        (runner(net(student=2), schedulers=2), runner(net(student=2)), '2 and not 1'),
    ],
)
def test_another_run_is_named(before, now, words):
    with pytest.raises(CheckpointError, match=f'work/iter_2.pth is of a run.*{words}.*--work-dir'):
        ResumeCheckHook().after_load_checkpoint(now, saved(before))


def test_text_in_a_checkpoint_is_not_run():
    """mmengine takes `meta['config']` for Python."""
    run = runner(net(student=2))
    checkpoint = saved(run)
    checkpoint['meta']['config'] = '1 / 0'
    ResumeCheckHook().after_load_checkpoint(run, checkpoint)
    assert 'config' not in checkpoint['meta']


def test_what_is_no_checkpoint():
    with pytest.raises(CheckpointError, match='iter_2.pth holds a Tensor and not a checkpoint'):
        ResumeCheckHook().after_load_checkpoint(runner(net(student=2)), torch.ones(1))


@pytest.mark.parametrize('resume', [False, True])
@pytest.mark.parametrize(
    ('case', 'follower'),
    [('stpl_anchor', 'anchor'), ('hcl', 'history'), ('quadmix', 'labeller'), ('adabn', None)],
)
def test_a_run_that_starts_from_a_checkpoint(case, follower, resume):
    """mmengine loads it after init_weights: what follows the student is set anew."""
    checkpoint = build_method(CASES[case], seed=1).state_dict()
    for name, value in checkpoint.items():
        if name.endswith('num_batches_tracked'):
            value.fill_(7)
    model = build_method(CASES[case])
    run = SimpleNamespace(model=model, _resume=False, _load_from='source.pth')
    hook = ResumeCheckHook()
    if not resume:
        hook.after_load_checkpoint(run, dict(state_dict=checkpoint))
    model.load_state_dict(checkpoint)
    hook.before_train(run)
    assert torch.equal(
        model.student.segmentor.backbone.conv1.weight,
        checkpoint['student.segmentor.backbone.conv1.weight'],
    )
    if follower is None:
        assert {norm.num_batches_tracked.item() for norm in model.norms} == {7 if resume else 0}
        return
    pairs = zip(getattr(model, follower).parameters(), model.student.parameters(), strict=True)
    assert all([torch.equal(a, b) for a, b in pairs]) != resume
