"""Hooks that decide when a method moves its companions and updates its statistics."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmdavss.utils.wrappers import accumulation, unwrapped


class MethodHook(Hook):
    """Base of hooks that call the method, without its DDP wrapper.

    Starts and intervals count iterations of the runner, as ``max_iters`` and learning-rate
    schedules do, also with ``accumulative_counts`` of the optimiser wrapper (docs/speed.md).

    Attributes:
        calls: Name of the method's function that the hook calls.
    """

    priority = 'NORMAL'
    calls: str

    def before_train(self, runner: Runner) -> None:
        """Finds the method.

        Raises:
            TypeError: If the method lacks the function that this hook calls.
        """
        self._model: Any = unwrapped(runner.model)
        if not hasattr(self._model, self.calls):
            raise TypeError(
                f'{type(self).__name__}: {type(self._model).__name__} has no `{self.calls}`: take '
                'the hook out of `custom_hooks`, or use a method that has one.'
            )


@HOOKS.register_module()
class EMATeacherHook(MethodHook):
    """Moves the teacher towards the student before each iteration (SePiCo, equation 5).

    At iteration t the momentum is ``min(1 - 1/(t + 1), momentum)``: the teacher starts as a copy
    of the student and averages plainly at first. The iteration is the runner's, so that a resumed
    run continues where it was. With ``accumulative_counts`` of the optimiser wrapper t counts the
    optimiser's steps, and the teacher moves once for each of them.

    mmengine's EMAHook cannot serve as a teacher: it swaps weights inside checkpoints.

    Args:
        momentum: beta.
    """

    calls = 'update_teacher'

    def __init__(self, momentum: float = 0.999) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f'EMATeacherHook: momentum={momentum} must be in [0, 1).')
        self.momentum = momentum

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        step, part = divmod(runner.iter, accumulation(runner.optim_wrapper))
        if part == 0:
            self._model.update_teacher(min(1 - 1 / (step + 1), self.momentum))


@HOOKS.register_module()
class ProxyNetworkHook(MethodHook):
    """Tells a method when to copy its proxy network, and from which iteration to use it.

    I2VDA, section 3.5 and algorithm 1: before the iterations 0, `interval`, 2 `interval`, ... the
    proxy becomes a copy of the student, and from the iteration `launch` on it makes labels. The
    weights of the proxy are in the method's checkpoint and both decisions follow from the runner's
    iteration, so that a resumed run continues where it was.

    Args:
        launch: ITER_LAUNCH, the first iteration with labels of the proxy.
        interval: ITER_COPY, iterations from one copy to the next; with 1 the proxy is the student
            itself.
        copy_at_launch: Whether the proxy is copied at the launch too. In the algorithm as printed
            it is not: a launch before the first copy then takes the labels of the initial network.
            No effect if `launch` is a multiple of `interval`.

    Raises:
        ValueError: If `interval` or `launch` is too small.
    """

    calls = 'schedule_proxy'

    def __init__(
        self, launch: int = 8000, interval: int = 8000, copy_at_launch: bool = True
    ) -> None:
        if interval < 1 or launch < 0:
            raise ValueError(
                f'ProxyNetworkHook: interval={interval} must be 1 or more and '
                f'launch={launch} not negative.'
            )
        self.launch = launch
        self.interval = interval
        self.copy_at_launch = copy_at_launch

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        step = runner.iter
        self._model.schedule_proxy(
            copy=step % self.interval == 0 or (self.copy_at_launch and step == self.launch),
            launched=step >= self.launch,
        )


@HOOKS.register_module()
class OnlineStatisticsHook(MethodHook):
    """Tells a method in which iterations to update and to use its class statistics.

    The statistics themselves are buffers of the method. Both decisions follow from the runner's
    iteration, so that a resumed run decides alike.

    Args:
        contrast_start: First iteration with the contrastive losses, L_w of SePiCo (section
            4.1.2); before it statistics only accumulate.
        interval: Iterations from one update of the statistics to the next.
    """

    calls = 'schedule_contrast'

    def __init__(self, contrast_start: int = 3000, interval: int = 1) -> None:
        if interval < 1 or contrast_start < 0:
            raise ValueError(
                f'OnlineStatisticsHook: interval={interval} must be 1 or more and '
                f'contrast_start={contrast_start} not negative.'
            )
        self.contrast_start = contrast_start
        self.interval = interval

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        self._model.schedule_contrast(
            update=runner.iter % self.interval == 0, contrast=runner.iter >= self.contrast_start
        )


class StartHook(MethodHook):
    """Base of hooks that tell the method in each iteration whether one of them has been reached.

    Args:
        start: That iteration.

    Raises:
        ValueError: If it is negative.
    """

    def __init__(self, start: int) -> None:
        if start < 0:
            raise ValueError(f'{type(self).__name__}: start={start} must not be negative.')
        self.start = start

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        getattr(self._model, self.calls)(runner.iter >= self.start)


@HOOKS.register_module()
class SelfTrainingHook(StartHook):
    """Tells a method from which iteration it learns pseudo-labels; before, only the rest."""

    calls = 'schedule_self_training'

    def __init__(self, start: int = 1500) -> None:
        super().__init__(start)


@HOOKS.register_module()
class StudentLabelsHook(StartHook):
    """Tells a method from which iteration its student labels the target, no longer a frozen net."""

    calls = 'schedule_labels'

    def __init__(self, start: int = 8000) -> None:
        super().__init__(start)


@HOOKS.register_module()
class HistoryHook(MethodHook):
    """Tells a method when to record its historical model (HCL).

    Before the iterations `interval`, 2 `interval`, ...; the release does so within them. What is
    recorded is in the method's checkpoint and the decision follows from the runner's iteration, so
    that a resumed run continues where it was.

    Args:
        interval: Iterations from one record to the next.

    Raises:
        ValueError: If it is below 1.
    """

    calls = 'record_history'

    def __init__(self, interval: int = 300) -> None:
        if interval < 1:
            raise ValueError(f'HistoryHook: interval={interval} must be 1 or more.')
        self.interval = interval

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        if runner.iter and runner.iter % self.interval == 0:
            self._model.record_history()
