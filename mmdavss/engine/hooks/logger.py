"""Logging with several processes."""

from __future__ import annotations

from mmengine.dist import master_only
from mmengine.hooks import LoggerHook
from mmseg.registry import HOOKS


@HOOKS.register_module()
class MainProcessLoggerHook(LoggerHook):
    """Variant of mmengine's LoggerHook: only the main process writes the scores of a test.

    In mmengine every process writes the same file. Their timings differ, so that two processes
    writing at the same time can leave invalid json.
    """

    after_test_epoch = master_only(LoggerHook.after_test_epoch)
