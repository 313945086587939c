"""mmseg's cross-entropy, for several processes and mixed precision."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from torch import Tensor

from mmdavss.ops import at_least_float32
from mmdavss.utils.distributed import mean_over_processes


@MODELS.register_module()
class BatchCrossEntropyLoss(CrossEntropyLoss):
    """mmseg's ``CrossEntropyLoss``, in float32 at least and with the mean over the global batch.

    There each process takes the mean over its own labelled pixels, so that a pixel weighs more
    where few others are labelled, and it waits for the device to count them. With one process
    the two are the same.

    Args:
        avg_non_ignore: Whether the mean is over the labelled pixels, of all processes, not over all
            pixels.
        loss_weight: Factor.
        class_weight: A factor for each class. It does not change what the mean is over, as in mmseg
            0.x; in mmseg 1.x it is over the weights of the pixels' classes.
    """

    def __init__(
        self,
        avg_non_ignore: bool = True,
        loss_weight: float = 1.0,
        class_weight: Sequence[float] | None = None,
    ) -> None:
        super().__init__(loss_weight=loss_weight, avg_non_ignore=True)
        self.avg_non_ignore = avg_non_ignore  # mmseg warns of False
        # (K,) or None, on the device: mmseg's own is copied there in each iteration.
        self.register_buffer(
            'class_factors',
            None if class_weight is None else torch.tensor(class_weight),
            persistent=False,
        )

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Scalar loss.

        Args:
            cls_score: (N, K, H, W), before the softmax.
            label: (N, H, W), int64, classes or `ignore_index`.
            weight: (N, H, W), factor of each pixel; it does not change what the mean is over.
            ignore_index: Label of pixels that do not count.

        Raises:
            ValueError: If the class weights are not as many as the classes.
        """
        if self.class_factors is not None:
            if len(self.class_factors) != cls_score.shape[1]:
                raise ValueError(
                    f'class_weight has {len(self.class_factors)} values for '
                    f'{cls_score.shape[1]} classes.'
                )
            factors = self.class_factors[label.clamp(max=cls_score.shape[1] - 1)]
            weight = factors if weight is None else weight * factors
        count = mean_over_processes((label != ignore_index).sum()) if self.avg_non_ignore else None
        return super().forward(
            at_least_float32(cls_score), label, weight, avg_factor=count, ignore_index=ignore_index
        )
