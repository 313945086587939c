"""When hooks act: the momentum of each iteration, and after a resume."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper

from mmdavss import engine
from mmdavss.engine import (
    EMATeacherHook,
    HistoryHook,
    OnlineStatisticsHook,
    ProxyNetworkHook,
    SelfTrainingHook,
    StudentLabelsHook,
)


class Recorder:
    def __init__(self):
        self.calls = []

    def update_teacher(self, momentum):
        self.calls.append(momentum)

    def schedule_contrast(self, update, contrast):
        self.calls.append((update, contrast))

    def schedule_proxy(self, copy, launched):
        self.calls.append((copy, launched))

    def record_history(self):
        self.calls.append('recorded')

    def schedule_self_training(self, started):
        self.calls.append(started)

    schedule_labels = schedule_self_training


def run(hook, iterations, **wrapper):
    runner = SimpleNamespace(model=Recorder(), iter=0, optim_wrapper=SimpleNamespace(**wrapper))
    hook.before_train(runner)
    for runner.iter in iterations:
        hook.before_train_iter(runner, runner.iter)
    return runner.model.calls


def test_ema_momentum_warms_up():
    assert run(EMATeacherHook(0.999), [0, 1, 2, 500, 5000]) == pytest.approx(
        [0, 1 / 2, 2 / 3, 500 / 501, 0.999]
    )


def test_ema_moves_once_for_each_step_of_the_optimiser():
    weight = torch.nn.Parameter(torch.zeros(()))
    wrapper = OptimWrapper(torch.optim.SGD([weight], lr=1.0), accumulative_counts=2)
    runner = SimpleNamespace(model=Recorder(), iter=0, optim_wrapper=wrapper)
    hook = EMATeacherHook(0.999)
    hook.before_train(runner)
    seen = []
    for runner.iter in range(5):
        hook.before_train_iter(runner, runner.iter)
        seen.append((len(runner.model.calls), weight.item()))
        wrapper.update_params(weight)
    # Before the iterations 0, 2 and 4: each time the student has made a step.
    assert seen == [(1, 0.0), (1, 0.0), (2, -1.0), (2, -1.0), (3, -2.0)]
    assert runner.model.calls == pytest.approx([0, 1 / 2, 2 / 3])


@pytest.mark.parametrize(
    'make',
    [
        lambda: ProxyNetworkHook(launch=3, interval=4),
        lambda: OnlineStatisticsHook(contrast_start=3, interval=4),
        lambda: SelfTrainingHook(3),
        lambda: StudentLabelsHook(3),
        lambda: HistoryHook(4),
    ],
)
def test_schedules_count_iterations_with_accumulation_too(make):
    plain, accumulated = (run(make(), range(9), _accumulative_counts=n) for n in (1, 2))
    assert accumulated == plain and len(plain) > 1


def test_statistics_schedule_follows_the_iteration():
    hook = OnlineStatisticsHook(contrast_start=3, interval=2)
    assert run(hook, range(5)) == [
        (True, False),
        (False, False),
        (True, False),
        (False, True),
        (True, True),
    ]
    # A resumed run takes up in the middle.
    assert run(hook, [4]) == [(True, True)]


@pytest.mark.parametrize(
    'options, copies',
    [
        (dict(), [0, 8000, 16000]),
        (dict(launch=1000), [0, 1000, 8000, 16000]),
        (dict(launch=1000, copy_at_launch=False), [0, 8000, 16000]),
        (dict(launch=0, interval=15000), [0, 15000]),
    ],
)
def test_proxy_schedule_to_the_iteration(options, copies):
    """I2VDA, algorithm 1; 0-based iterations, those around every event."""
    launch = options.get('launch', 8000)
    steps = sorted({max(k + d, 0) for k in (0, 1000, 8000, 15000, 16000) for d in (-1, 0, 1)})
    calls = run(ProxyNetworkHook(**options), steps)
    assert [k for k, (copy, _) in zip(steps, calls, strict=True) if copy] == copies
    assert [launched for _, launched in calls] == [k >= launch for k in steps]
    # A resumed run takes up in the middle.
    assert run(ProxyNetworkHook(**options), [8000]) == [calls[steps.index(8000)]]


def test_the_engine_exports_every_hook():
    assert set(engine.hooks.__all__) <= set(engine.__all__)


@pytest.mark.parametrize('hook', [EMATeacherHook(), OnlineStatisticsHook(), ProxyNetworkHook()])
def test_a_method_that_it_does_not_fit(hook):
    with pytest.raises(TypeError, match='custom_hooks'):
        hook.before_train(SimpleNamespace(model=object()))


@pytest.mark.parametrize(
    'make',
    [
        lambda: EMATeacherHook(1.0),
        lambda: EMATeacherHook(-0.1),
        lambda: OnlineStatisticsHook(interval=0),
        lambda: OnlineStatisticsHook(contrast_start=-1),
        lambda: ProxyNetworkHook(interval=0),
        lambda: ProxyNetworkHook(launch=-1),
    ],
)
def test_bad_options(make):
    with pytest.raises(ValueError, match='must be'):
        make()
