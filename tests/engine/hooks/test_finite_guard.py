from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from mmdavss.engine import FiniteGuardHook, NotFiniteError


@pytest.fixture
def runner(tmp_path):
    return SimpleNamespace(iter=6, work_dir=str(tmp_path))


def losses(**values):
    return {name.replace('__', '.'): torch.tensor(value) for name, value in values.items()}


def test_names_the_term_and_the_files(runner, batch, tmp_path):
    (tmp_path / 'last_checkpoint').write_text('run/iter_5.pth')
    outputs = losses(loss=float('nan'), source__loss_ce=1., target__loss_stpl=float('nan'))
    with pytest.raises(NotFiniteError) as raised:
        FiniteGuardHook().after_train_iter(runner, 6, batch('source', 'target'), outputs)
    message = str(raised.value)
    assert 'iteration 7: target.loss_stpl is nan. ' in message
    assert 'source: 0.png, 1.png; target: 100.png, 101.png' in message
    assert 'run/iter_5.pth' in message


@pytest.mark.parametrize('data', [
    None, dict(x=1), dict(inputs=[], data_samples=None), dict(data_samples=[object()])])
def test_batches_of_other_kinds(runner, data):
    with pytest.raises(NotFiniteError, match='loss is inf. The batch: files unknown. There is no'):
        FiniteGuardHook().after_train_iter(runner, 6, data, losses(loss=float('inf')))


@pytest.mark.parametrize('outputs', [
    None, {}, losses(loss=3e38, loss_a=-1.),
    # An accuracy over no pixel is no reason to stop.
    losses(loss=1., acc_seg=float('nan')),
])
def test_lets_the_others_pass(runner, outputs):
    FiniteGuardHook().after_train_iter(runner, 6, None, outputs)


def test_no_checkpoint_with_such_a_weight(runner):
    good = dict(weight=torch.ones(3), counter=torch.tensor(3), empty=torch.ones(0))
    FiniteGuardHook().before_save_checkpoint(runner, dict(state_dict=good))
    bad = dict(good, buffer=torch.tensor([0., float('-inf')]))
    with pytest.raises(NotFiniteError, match=r'iteration 7: 1 tensors .* \(buffer\)'):
        FiniteGuardHook().before_save_checkpoint(runner, dict(state_dict=bad))
