"""The exponentially moving average of the student."""
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn


def unwrapped(runner: Runner, method: str, hook: str) -> nn.Module:
    """The runner's model without its DDP wrapper.

    Raises:
        TypeError: If it lacks a method that a hook calls.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    if not hasattr(model, method):
        raise TypeError(f'{hook}: {type(model).__name__} has no `{method}`: take the hook out of '
                        '`custom_hooks`, or use a method that has one.')
    return model


@HOOKS.register_module()
class EMATeacherHook(Hook):
    """Moves the teacher towards the student before each iteration (SePiCo, equation 5).

    At iteration t the momentum is ``min(1 - 1/(t + 1), momentum)``: the teacher starts as a copy
    of the student and averages plainly at first. The iteration is the runner's, so that a resumed
    run goes on where it was.

    mmengine's EMAHook is no teacher: it swaps weights inside checkpoints.

    Args:
        momentum: beta.
    """

    priority = 'NORMAL'

    def __init__(self, momentum: float = 0.999) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f'EMATeacherHook: momentum={momentum} must be in [0, 1).')
        self.momentum = momentum

    def before_train(self, runner: Runner) -> None:
        self._model = unwrapped(runner, 'update_teacher', type(self).__name__)

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        step = runner.iter
        self._model.update_teacher(min(1 - 1 / (step + 1), self.momentum))
