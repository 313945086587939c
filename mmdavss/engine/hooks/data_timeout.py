"""A limit on the wait for data."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch.utils.data import DataLoader


@HOOKS.register_module()
class DataTimeoutHook(Hook):
    """Ends a run whose data do not arrive, for example if a disk or network share hangs.

    Sets ``timeout`` of all data loaders with worker processes, unless the config sets it. Loading
    without workers cannot time out.

    Args:
        seconds: Longest wait for one batch. A file server that restarts should be back by then.

    Raises:
        ValueError: If `seconds` is not positive.
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
