"""Data that never come."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from mmseg.registry import HOOKS


@HOOKS.register_module()
class DataTimeoutHook(Hook):
    """Ends a run whose data do not come: a disk or share that hangs would make it wait for ever.

    It sets the ``timeout`` of all data loaders with worker processes; one that a config sets itself
    stays. Without workers there is nobody who could look at the clock.

    Args:
        seconds: For one batch. A file server that is started anew should be back by then.

    Raises:
        ValueError: If that is no time.
    """

    def __init__(self, seconds: float = 900) -> None:
        if seconds <= 0:
            raise ValueError(f'DataTimeoutHook: seconds={seconds} must be more than 0.')
        self.seconds = seconds

    def before_run(self, runner: Runner) -> None:
        """Sets it before a worker is started."""
        # A loop that is not part of this run is a config still.
        for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
            if isinstance(loop, BaseLoop):
                loader = loop.dataloader
                if loader.num_workers > 0 and loader.timeout == 0:
                    loader.timeout = self.seconds
