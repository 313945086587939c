"""Cross-entropy of frames and clips, correct with several processes and mixed precision."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from torch import Tensor

from mmdavss.ops import at_least_float32
from mmdavss.utils.distributed import mean_over_batch


def pixel_cross_entropy(
    scores: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """Cross-entropy (N, H, W) of each pixel, of which :func:`cross_entropy` is the mean."""
    scores = at_least_float32(scores)
    losses = F.cross_entropy(
        scores,
        labels,
        None if class_weight is None else class_weight.to(scores),
        ignore_index=ignore_index,
        reduction='none',
    )
    return losses if weights is None else losses * weights


def cross_entropy(
    scores: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int = 255,
    avg_factor: float | Tensor | None = None,
) -> Tensor:
    """Sum of the pixels' cross-entropies, divided by the number of labelled pixels.

    That number is averaged over all processes, so that DDP's mean of the gradients is the gradient
    of the mean over the global batch.

    Args:
        scores: (N, K, H, W), before the softmax.
        labels: (N, H, W), int64, classes or `ignore_index`.
        weights: (N, H, W), factor of each pixel. Does not change the divisor.
        class_weight: (K,), factor of each class. Does not change the divisor.
        ignore_index: Label of pixels whose loss is 0.
        avg_factor: Divisor to use instead.

    Returns:
        Scalar, float32 at least; 0 if no pixel is labelled.
    """
    losses = pixel_cross_entropy(scores, labels, weights, class_weight, ignore_index)
    if avg_factor is not None:
        return losses.sum() / avg_factor
    return mean_over_batch(losses.sum(), (labels != ignore_index).sum())


def clip_cross_entropy(scores: Tensor, labels: Tensor, ignore_index: int = 255) -> Tensor:
    """Sum over the frames of the mean cross-entropy of each frame (VAT-VST, equation 9).

    The mean of a frame is over its labelled pixels in the batches of all processes.

    Args:
        scores: (N, T, K, H, W), before the softmax.
        labels: (N, T, H, W), int64, classes or `ignore_index`.
        ignore_index: Label of pixels to ignore.

    Returns:
        Scalar, float32 at least.
    """
    losses = F.cross_entropy(
        at_least_float32(scores.transpose(1, 2)),
        labels,
        ignore_index=ignore_index,
        reduction='none',
    )
    counts = (labels != ignore_index).sum((0, 2, 3))
    return mean_over_batch(losses.sum((0, 2, 3)), counts).sum()


def soft_cross_entropy(scores: Tensor, classes: Tensor, shares: Tensor, labelled: Tensor) -> Tensor:
    """Mean cross-entropy of pixels with soft labels (CRST's LRENT).

    Args:
        scores: (N, K, H, W), before the softmax.
        classes: (N, C, H, W), int64, C different classes of each pixel.
        shares: (N, C, H, W), their probabilities q; all other classes have none.
        labelled: (N, H, W), bool, the pixels that count.

    Returns:
        Scalar, float32 at least: the mean of ``-sum_k q_k log p_k`` over the labelled pixels in the
        batches of all processes; 0 if there are none.
    """
    logs = F.log_softmax(at_least_float32(scores), dim=1).gather(1, classes)
    losses = torch.where(labelled, -(shares * logs).sum(1), 0.0)
    return mean_over_batch(losses.sum(), labelled.sum())


@MODELS.register_module()
class BatchCrossEntropyLoss(CrossEntropyLoss):
    """mmseg's ``CrossEntropyLoss``, in at least float32 and with the mean over the global batch.

    In mmseg, each process averages over its own labelled pixels, so that a pixel weighs more if few
    others are labelled, and counting them synchronises with the device. With a single process the
    results are equal.

    Args:
        avg_non_ignore: Whether to average over the labelled pixels of all processes instead of
            over all pixels.
        loss_weight: Factor.
        class_weight: Factor of each class. Does not change the divisor, as in mmseg 0.x; mmseg 1.x
            divides by the weights of the pixels' classes.
    """

    class_factors: Tensor | None

    def __init__(
        self,
        avg_non_ignore: bool = True,
        loss_weight: float = 1.0,
        class_weight: Sequence[float] | None = None,
    ) -> None:
        super().__init__(loss_weight=loss_weight, avg_non_ignore=True)
        self.avg_non_ignore = avg_non_ignore  # mmseg warns if False
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
        avg_factor: float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Scalar loss, or that of each pixel.

        Args:
            cls_score: (N, K, H, W), before the softmax.
            label: (N, H, W), int64, classes or `ignore_index`.
            weight: (N, H, W), factor of each pixel. Does not change the divisor.
            ignore_index: Label of pixels to ignore.
            avg_factor: Divisor of the sum over the pixels, instead of the number of labelled or
                of all pixels.
            reduction_override: ``none`` for the losses (N, H, W) of the pixels, by which mmseg's
                ``OHEMPixelSampler`` sorts them; None for the scalar.

        Raises:
            ValueError: If the number of class weights is not the number of classes, or for another
                reduction.
        """
        if reduction_override not in (None, 'none'):
            raise ValueError(
                f'{type(self).__name__}: reduction_override={reduction_override!r} is neither '
                "'none' nor None."
            )
        if self.class_factors is not None and len(self.class_factors) != cls_score.shape[1]:
            raise ValueError(
                f'class_weight has {len(self.class_factors)} values for '
                f'{cls_score.shape[1]} classes.'
            )
        if reduction_override == 'none':
            return self.loss_weight * pixel_cross_entropy(
                cls_score, label, weight, self.class_factors, ignore_index
            )
        if avg_factor is None and not self.avg_non_ignore:
            avg_factor = label.numel()
        return self.loss_weight * cross_entropy(
            cls_score, label, weight, self.class_factors, ignore_index, avg_factor
        )
