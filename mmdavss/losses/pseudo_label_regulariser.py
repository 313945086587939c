"""Regulariser of self-training on pseudo-labels (IAST, CRST; VAT-VST, equation 5)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.ops import at_least_float32
from mmdavss.utils.distributed import mean_over_batch
from mmdavss.utils.errors import check_factors


@MODELS.register_module()
class PseudoLabelRegulariser(nn.Module):
    """Entropy at pixels without a pseudo-label, divergence from uniform at pixels with one.

    Minimising the entropy makes predictions at unlabelled pixels more confident, while
    ``-1/K sum_k log p_k``, the Kullback-Leibler divergence from the uniform distribution up to a
    constant (CRST, Zou et al. 2019), prevents overconfidence at labelled pixels. Each is a sum over
    its own pixels, divided by their number (in the batches of all processes) **and by the number of
    classes K**: IAST's code counts the elements of a weight map with the shape of the scores
    (``entropyloss`` and ``kldloss`` of its ``uda_segmentor.py``), and its weights assume this.
    CRST's MRKLD has the plain mean: ``per_class=False``.

    Args:
        entropy_weight: Weight of the loss of unlabelled pixels, 3.0 in IAST.
        kld_weight: Weight of the loss of labelled pixels, 0.1 in IAST.
        ignore_index: Label of unlabelled pixels.
        per_class: Whether both are divided by K, too.
    """

    def __init__(
        self,
        entropy_weight: float = 3.0,
        kld_weight: float = 0.1,
        ignore_index: int = 255,
        per_class: bool = True,
    ) -> None:
        super().__init__()
        check_factors(
            'PseudoLabelRegulariser', entropy_weight=entropy_weight, kld_weight=kld_weight
        )
        self.entropy_weight = entropy_weight
        self.kld_weight = kld_weight
        self.ignore_index = ignore_index
        self.per_class = per_class

    def forward(self, scores: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Losses ``loss_entropy`` and ``loss_kld``, zero without such pixels.

        Args:
            scores: (N, K, H, W), before the softmax.
            labels: (N, H, W), classes or `ignore_index`.
        """
        logs = F.log_softmax(at_least_float32(scores), dim=1)
        missing = labels == self.ignore_index
        entropy = -(logs.exp() * logs).sum(1)
        divergence = -logs.mean(1)
        factor = scores.shape[1] if self.per_class else 1

        def mean(values: Tensor, where: Tensor) -> Tensor:
            return mean_over_batch(torch.where(where, values, 0.0).sum(), factor * where.sum())

        return dict(
            loss_entropy=self.entropy_weight * mean(entropy, missing),
            loss_kld=self.kld_weight * mean(divergence, ~missing),
        )
