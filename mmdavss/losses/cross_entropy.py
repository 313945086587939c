"""mmseg's cross-entropy, for several processes and mixed precision."""
from __future__ import annotations

from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from torch import Tensor

from mmdavss.engine.distributed import mean_over_processes


@MODELS.register_module()
class BatchCrossEntropyLoss(CrossEntropyLoss):
    """mmseg's ``CrossEntropyLoss``, in float32 and with the mean over the global batch.

    There each process takes the mean over its own labelled pixels, so that a pixel weighs more
    where few others are labelled, and it waits for the device to count them. With one process
    the two are the same.

    Args:
        avg_non_ignore: Whether the mean is over the labelled pixels, of all processes, not over all
            pixels.
        loss_weight: Factor.
    """

    def __init__(self, avg_non_ignore: bool = True, loss_weight: float = 1.) -> None:
        super().__init__(loss_weight=loss_weight, avg_non_ignore=True)
        self.avg_non_ignore = avg_non_ignore  # mmseg warns of False

    def forward(self, cls_score: Tensor, label: Tensor, weight: Tensor | None = None,
                ignore_index: int = 255) -> Tensor:
        """Scalar loss.

        Args:
            cls_score: (N, K, H, W), before the softmax.
            label: (N, H, W), int64, classes or `ignore_index`.
            weight: (N, H, W), factor of each pixel; it does not change what the mean is over.
            ignore_index: Label of pixels that do not count.
        """
        count = mean_over_processes((label != ignore_index).sum()) if self.avg_non_ignore else None
        return super().forward(
            cls_score.float(), label, weight, avg_factor=count, ignore_index=ignore_index)
