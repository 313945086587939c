"""When the proxy network is copied from the student, and when it starts to label."""

from __future__ import annotations

from mmengine.runner import Runner
from mmseg.registry import HOOKS

from .method_hook import MethodHook


@HOOKS.register_module()
class ProxyNetworkHook(MethodHook):
    """Tells a method in which iterations to copy its proxy network, and from when on to use it.

    I2VDA, section 3.5 and algorithm 1: before the iterations 0, `interval`, 2 `interval`, ... the
    proxy becomes a copy of the student, and from the iteration `launch` on it makes labels. The
    weights of the proxy are in the method's checkpoint and both decisions follow from the runner's
    iteration, so that a resumed run goes on where it was.

    Args:
        launch: ITER_LAUNCH, the first iteration with labels of the proxy.
        interval: ITER_COPY, iterations from one copy to the next; with 1 the proxy is the student
            itself.
        copy_at_launch: Whether the proxy is copied at the launch too. In the algorithm as printed
            it is not: a launch before the first copy then takes the labels of the network that
            training began with. Without effect where `launch` is a multiple of `interval`.

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
