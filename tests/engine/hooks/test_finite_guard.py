from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.model import MMSeparateDistributedDataParallel
from torch import distributed, nn

from mmdavss.engine import FiniteGuardHook
from mmdavss.testing import PREPROCESSOR
from mmdavss.utils.errors import NotFiniteError


@pytest.fixture
def runner(tmp_path):
    return SimpleNamespace(iter=6, work_dir=str(tmp_path))


def losses(**values):
    return {name.replace('__', '.'): torch.tensor(value) for name, value in values.items()}


def test_names_the_term_and_the_files(runner, batch, tmp_path):
    (tmp_path / 'last_checkpoint').write_text('run/iter_5.pth')
    outputs = losses(loss=float('nan'), source__loss_ce=1.0, target__loss_stpl=float('nan'))
    with pytest.raises(NotFiniteError) as raised:
        FiniteGuardHook().after_train_iter(runner, 6, batch('source', 'target'), outputs)
    message = str(raised.value)
    assert 'iteration 7: target.loss_stpl is nan. ' in message
    assert 'source: 0.png, 1.png; target: 100.png, 101.png' in message
    assert 'run/iter_5.pth' in message


@pytest.mark.parametrize(
    'data', [None, dict(x=1), dict(inputs=[], data_samples=None), dict(data_samples=[object()])]
)
def test_batches_of_other_kinds(runner, data):
    with pytest.raises(NotFiniteError, match='loss is inf. The batch: files unknown. There is no'):
        FiniteGuardHook().after_train_iter(runner, 6, data, losses(loss=float('inf')))


@pytest.mark.parametrize(
    'outputs',
    [
        None,
        {},
        losses(loss=3e38, loss_a=-1.0),
        # An accuracy over no pixel is no reason to stop.
        losses(loss=1.0, acc_seg=float('nan')),
    ],
)
def test_lets_the_others_pass(runner, outputs):
    FiniteGuardHook().after_train_iter(runner, 6, None, outputs)


def test_no_checkpoint_with_such_a_weight(runner):
    good = dict(weight=torch.ones(3), counter=torch.tensor(3), empty=torch.ones(0))
    FiniteGuardHook().before_save_checkpoint(runner, dict(state_dict=good))
    bad = dict(good, buffer=torch.tensor([0.0, float('-inf')]))
    with pytest.raises(NotFiniteError, match=r'iteration 7: 1 tensors .* \(buffer\)'):
        FiniteGuardHook().before_save_checkpoint(runner, dict(state_dict=bad))


class Moved(nn.Module):
    """A weight, a frozen one, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
        self.register_buffer('mean', torch.ones(2))
        self.register_buffer('count', torch.ones(2, dtype=torch.int64))
        self.register_buffer('mask', torch.tensor([0.0, -torch.inf]), persistent=False)
        self.watched = {}


@pytest.fixture
def training(runner):
    runner.model = Moved()
    return runner


@pytest.mark.parametrize('name', ['weight', 'mean'])
@pytest.mark.parametrize('value', [torch.nan, torch.inf])
def test_what_a_step_breaks_ends_it(name, value, training, batch):
    """Losses are finite: a gradient, or a feature that statistics were made of, was not."""
    hook = FiniteGuardHook()
    hook.before_train(training)
    hook.after_train_iter(training, 6, batch('target'), losses(loss=1.0))
    getattr(training.model, name).data[1] = value
    with pytest.raises(NotFiniteError) as raised:
        hook.after_train_iter(training, 6, batch('target'), losses(loss=1.0, loss_stpl=1.0))
    message = str(raised.value)
    assert f'iteration 7: 1 tensors of the model are NaN or infinite ({name})' in message
    assert 'loss_stpl 1' in message and 'target: 0.png, 1.png' in message


def test_weights_as_large_as_numbers_go_pass(training):
    """Their squares do not fit."""
    hook = FiniteGuardHook()
    hook.before_train(training)
    training.model.weight.data[:] = 3e38
    hook.after_train_iter(training, 6, None, losses(loss=1.0))


@pytest.mark.parametrize('name', ['weight', 'frozen', 'mean'])
def test_broken_from_the_start(name, training):
    getattr(training.model, name).data[0] = torch.nan
    with pytest.raises(NotFiniteError, match=rf'\({name}\) before the first iteration.*Take'):
        FiniteGuardHook().before_train(training)


def test_players_that_are_wrapped_each(runner, per_frame, build, process_group):
    """Under several processes; checkpoints, and the messages, name their weights as ever."""
    model = build(
        dict(
            type='AdvEnt',
            student=per_frame,
            discriminator=dict(type='HeadDiscriminators', channels=4),
            data_preprocessor=PREPROCESSOR,
        )
    )
    runner.model = MMSeparateDistributedDataParallel(model)
    hook = FiniteGuardHook()
    hook.before_train(runner)
    for player, name in (
        ('student', 'segmentor.decode_head.conv_seg.branches.0.weight'),
        ('discriminator', 'aux.layers.0.weight'),
    ):
        weight = getattr(model, player).module.get_parameter(name)
        value = weight.detach().clone()
        weight.data.flatten()[0] = torch.nan
        with pytest.raises(NotFiniteError, match=rf'7: 1 tensors .* \({player}\.{name}\)'):
            hook.after_train_iter(runner, 6, None, losses(loss=1.0))
        with pytest.raises(NotFiniteError, match=rf'\({player}\.{name}\) before the first'):
            FiniteGuardHook().before_train(runner)
        weight.data.copy_(value)


def test_what_a_method_watches(training, batch):
    hook = FiniteGuardHook()
    hook.before_train(training)
    training.model.watched['the prediction of the teacher'] = torch.tensor(torch.nan)
    with pytest.raises(
        NotFiniteError,
        match='7: the prediction of the teacher is not finite, and '
        'no loss shows it. The batch: target: 0.png',
    ):
        hook.after_train_iter(training, 6, batch('target'), losses(loss=1.0))
    hook.after_train_iter(training, 6, batch('target'), losses(loss=1.0))


@pytest.mark.parametrize('scale', [1e-3, 1e-5])
def test_a_scale_that_has_fallen_to_nothing(scale, training):
    """Mixed precision leaves out a step that overflows; if all do, nothing is trained."""
    scaler = SimpleNamespace(is_enabled=lambda: True, get_scale=lambda: scale)
    training.optim_wrapper = SimpleNamespace(loss_scaler=scaler)
    hook = FiniteGuardHook()
    hook.before_train(training)
    training.model.weight.grad = torch.full((2,), torch.inf)  # to be left out
    if scale > 1e-4:
        hook.after_train_iter(training, 6, None, losses(loss=1.0))
        return
    with pytest.raises(NotFiniteError, match='overflow.*--amp bf16'):
        hook.after_train_iter(training, 6, None, losses(loss=1.0))


def test_iterations_are_checked_together(training, batch):
    """The first broken one is named, at the check or before a checkpoint is written."""
    training.max_iters = 100

    def seen(hook, *values):
        hook.before_train(training)
        for number, value in enumerate(values):
            training.iter = number
            hook.after_train_iter(
                training, number, batch('target', seed=number), losses(loss=value)
            )

    seen(FiniteGuardHook(interval=3), 1.0, 2.0, 3.0)
    broken = (1.0, float('nan'), float('nan'))
    with pytest.raises(
        NotFiniteError, match='iteration 2: loss is nan. The batch: target: 1.png, 2.png'
    ):
        seen(FiniteGuardHook(interval=3), *broken)
    hook = FiniteGuardHook(interval=5)
    seen(hook, *broken)
    with pytest.raises(NotFiniteError, match='iteration 2: loss is nan'):
        hook.before_save_checkpoint(training, dict(state_dict={}))
    training.max_iters = 3
    with pytest.raises(NotFiniteError, match='iteration 2: loss is nan'):
        seen(FiniteGuardHook(interval=5), *broken)


def _watches(rank: int, training: SimpleNamespace, batch: dict, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        'gloo',
        init_method=f'file://{folder}/store',
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=60),  # processes that disagree wait for each other
    )
    hook = FiniteGuardHook()
    hook.before_train(training)
    hook.interval, training.max_iters = 2, 100
    hook.after_train_iter(training, 6, batch, losses(loss=1.0))
    if rank == 0:  # mmengine saves there alone
        hook.before_save_checkpoint(training, dict(state_dict={}))
    training.iter += 1
    training.model.watched['teacher'] = torch.tensor(torch.nan if rank else 1.0)
    with pytest.raises(NotFiniteError) as raised:
        hook.after_train_iter(training, 7, batch, losses(loss=1.0))
    (folder / f'{rank}.txt').write_text(str(raised.value))
    distributed.destroy_process_group()


def test_all_processes_end_with_one(training, batch, tmp_path):
    """Otherwise the first would save what the other has broken."""
    torch.multiprocessing.start_processes(
        _watches, (training, batch('target'), tmp_path), 2, start_method='fork'
    )
    texts = [(tmp_path / f'{rank}.txt').read_text() for rank in range(2)]
    assert 'iteration 8: a value of another process is NaN or infinite' in texts[0]
    assert 'iteration 8: teacher is not finite, and no loss shows it' in texts[1]
    for text in texts:
        assert 'of process 0: target: 0.png, 1.png; of process 1: target: 0.png, 1.png' in text
