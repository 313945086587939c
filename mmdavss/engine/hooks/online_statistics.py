"""When class statistics move, and when a loss starts to use them."""

from __future__ import annotations

from mmengine.runner import Runner
from mmseg.registry import HOOKS

from .method_hook import MethodHook


@HOOKS.register_module()
class OnlineStatisticsHook(MethodHook):
    """Tells a method in which iterations it updates its class statistics and uses them.

    The statistics themselves are buffers of the method. Both decisions follow from the runner's
    iteration, so that a resumed run takes the same ones.

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
