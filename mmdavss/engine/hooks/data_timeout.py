"""Data that never come."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch.utils.data import DataLoader


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

    # Loops call these before they start a worker.

    def before_train(self, runner: Runner) -> None:
        self._limit(runner.train_dataloader)

    def before_val(self, runner: Runner) -> None:
        self._limit(runner.val_dataloader)

    def before_test(self, runner: Runner) -> None:
        self._limit(runner.test_dataloader)

    def _limit(self, loader: DataLoader) -> None:
        if loader.num_workers > 0 and loader.timeout == 0:
            loader.timeout = self.seconds
