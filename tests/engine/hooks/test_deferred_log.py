"""Numbers stay on the device until the log is written, and are then what mmengine logs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from torch import nn

from mmdavss.engine import DeferredInfoHook, FiniteGuardHook
from mmdavss.engine.hooks import deferred_log, finite_guard
from mmdavss.engine.player_optim_wrapper import ClipEach
from mmdavss.testing.numerics import Waits


class Model(nn.Module):
    """Two layers, clipped together or each by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 1)
        self.watched: dict[str, torch.Tensor] = {}

    def forward(self, x):
        return self.b(self.a(x)).square().mean()


def made(name: str, each: bool = False, device: str = 'cpu') -> SimpleNamespace:
    torch.manual_seed(0)
    model = Model().to(device)
    hub = MessageHub.get_instance(name)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), clip_grad=dict(max_norm=1))
    wrapper.message_hub = hub
    if each:
        wrapper.clip_func = ClipEach('student', wrapper, model, ('a', 'b'))
    return SimpleNamespace(
        model=model,
        message_hub=hub,
        optim_wrapper=wrapper,
        hooks=[LoggerHook(interval=3)],
        train_dataloader=Loader(range(100)),
        iter=0,
        epoch=0,
        max_iters=8,
        max_epochs=1,
        work_dir='.',
    )


class Loader(list):
    dataset = ()


def iteration(runner: SimpleNamespace, hooks: list, data: torch.Tensor) -> None:
    loss = runner.model(data)
    runner.optim_wrapper.update_params(loss)
    for hook in hooks:
        hook.after_train_iter(
            runner, runner.iter, None, dict(loss=loss, loss_ce=loss.double(), count=3)
        )
    runner.iter += 1


def history(runner: SimpleNamespace) -> dict[str, list]:
    return {key: [*value.data[0]] for key, value in sorted(runner.message_hub.log_scalars.items())}


@pytest.fixture
def remote(monkeypatch):
    """All tensors count as on a device."""
    for module in (deferred_log, finite_guard):
        monkeypatch.setattr(module, 'on_device', lambda value: isinstance(value, torch.Tensor))


@pytest.mark.parametrize('each', [False, True])
def test_history_is_that_of_mmengine(remote, request, each):
    data = torch.randn(8, 4, 2)
    found = []
    for kind in (RuntimeInfoHook, DeferredInfoHook):
        runner = made(f'{request.node.name}_{kind.__name__}', each)
        hook = kind()
        hook.before_train(runner)
        lengths = []
        for batch in data:
            iteration(runner, [hook], batch)
            lengths.append(len(history(runner).get('train/loss', ())))
        found.append(history(runner))
        if kind is DeferredInfoHook:
            assert lengths == [0, 0, 3, 3, 3, 6, 6, 8]
    norms = {'train/student.a.grad_norm', 'train/student.b.grad_norm'}
    assert found[0].keys() == {'train/loss', 'train/loss_ce', 'train/count'} | (
        norms if each else {'train/grad_norm'}
    )
    assert found[0] == found[1]


def test_a_checkpoint_has_all_of_it(remote, request):
    runner = made(request.node.name)
    hook = DeferredInfoHook()
    hook.before_train(runner)
    for batch in torch.randn(2, 4, 2):
        iteration(runner, [hook], batch)
    checkpoint = dict(message_hub=runner.message_hub.state_dict())
    hook.before_save_checkpoint(runner, checkpoint)
    assert len(checkpoint['message_hub']['log_scalars']['train/loss'].data[0]) == 2


@pytest.mark.parametrize('each', [False, True])
def test_waits_only_when_the_log_is_written(request, each):
    runner = made(request.node.name, each, device='meta')
    hooks = [FiniteGuardHook(), DeferredInfoHook()]
    for hook in hooks:
        if isinstance(hook, DeferredInfoHook):
            hook.before_train(runner)
    hooks[0]._parameters = list(runner.model.parameters())
    hooks[0]._state = dict(runner.model.state_dict())
    data = torch.zeros(4, 2, device='meta')
    for due in (False, False, True, False):
        with Waits() as waits:
            iteration(runner, hooks, data)
        assert bool(waits.found) == due
