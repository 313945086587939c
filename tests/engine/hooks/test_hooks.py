"""When hooks act: the momentum of each iteration, and after a resume."""
from types import SimpleNamespace

import pytest

from mmdavss.engine import EMATeacherHook, OnlineStatisticsHook


class Recorder:

    def __init__(self):
        self.calls = []

    def update_teacher(self, momentum):
        self.calls.append(momentum)

    def schedule_contrast(self, update, contrast):
        self.calls.append((update, contrast))


def run(hook, iterations):
    runner = SimpleNamespace(model=Recorder(), iter=0)
    hook.before_train(runner)
    for runner.iter in iterations:
        hook.before_train_iter(runner, runner.iter)
    return runner.model.calls


def test_ema_momentum_warms_up():
    assert run(EMATeacherHook(0.999), [0, 1, 2, 500, 5000]) == pytest.approx(
        [0, 1 / 2, 2 / 3, 500 / 501, 0.999])


def test_statistics_schedule_follows_the_iteration():
    hook = OnlineStatisticsHook(contrast_start=3, interval=2)
    assert run(hook, range(5)) == [
        (True, False), (False, False), (True, False), (False, True), (True, True)]
    # A resumed run takes up in the middle.
    assert run(hook, [4]) == [(True, True)]


@pytest.mark.parametrize('hook', [EMATeacherHook(), OnlineStatisticsHook()])
def test_a_method_that_it_does_not_fit(hook):
    with pytest.raises(TypeError, match='custom_hooks'):
        hook.before_train(SimpleNamespace(model=object()))


@pytest.mark.parametrize('make', [lambda: EMATeacherHook(1.), lambda: EMATeacherHook(-0.1),
                                  lambda: OnlineStatisticsHook(interval=0),
                                  lambda: OnlineStatisticsHook(contrast_start=-1)])
def test_bad_options(make):
    with pytest.raises(ValueError, match='must be'):
        make()
