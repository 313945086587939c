"""Checks that a run still holds its folder."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdavss.utils.work_dir_lock import WorkDirLock


class LockCheckHook(Hook):
    """Writes no checkpoint into a folder that another run has taken over.

    Args:
        lock: The lock of the run's folder.
    """

    def __init__(self, lock: WorkDirLock) -> None:
        self.lock = lock

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Raises UserError if the run has lost its folder."""
        self.lock.check()
