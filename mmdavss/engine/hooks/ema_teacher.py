"""The exponentially moving average of the student."""

from __future__ import annotations

from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmdavss.utils.wrappers import accumulation

from .method_hook import MethodHook


@HOOKS.register_module()
class EMATeacherHook(MethodHook):
    """Moves the teacher towards the student before each iteration (SePiCo, equation 5).

    At iteration t the momentum is ``min(1 - 1/(t + 1), momentum)``: the teacher starts as a copy
    of the student and averages plainly at first. The iteration is the runner's, so that a resumed
    run goes on where it was. With ``accumulative_counts`` of the optimiser wrapper t counts the
    optimiser's steps, and the teacher moves once for each of them.

    mmengine's EMAHook is no teacher: it swaps weights inside checkpoints.

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
