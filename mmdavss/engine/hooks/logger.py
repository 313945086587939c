"""The log of a run under several processes."""

from __future__ import annotations

from mmengine.dist import master_only
from mmengine.hooks import LoggerHook
from mmseg.registry import HOOKS


@HOOKS.register_module()
class MainProcessLoggerHook(LoggerHook):
    """mmengine's LoggerHook, whose scores of a test are written by one process.

    There every process writes the same file, and two that do so at a time can leave no valid json:
    each measures times of its own.
    """

    after_test_epoch = master_only(LoggerHook.after_test_epoch)
