"""Adversarial losses of domain discriminators."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.ops import at_least_float32
from mmdavss.utils.errors import check_factors

KINDS = ('vanilla', 'lsgan')


@MODELS.register_module()
class DomainGANLoss(nn.Module):
    """Adversarial loss of a discriminator's scores for a given domain (VAT-VST, equations 1, 8).

    Source is 1 and target 0, or the other way. The discriminator minimises this loss for the true
    domains; the segmentation network minimises it for target clips with the domain source.

    Args:
        kind: ``vanilla``, the binary cross-entropy of the equations, or ``lsgan``, least squares
            (Mao et al., ICCV 2017).
        loss_weight: Factor.
        source_label: 1, or 0 as released by AdaptSegNet: a least-squares discriminator, whose first
            scores are near 0, then takes all for source at first.

    Raises:
        ValueError: If a value is none of these.
    """

    def __init__(
        self, kind: str = 'vanilla', loss_weight: float = 1.0, source_label: int = 1
    ) -> None:
        super().__init__()
        if source_label not in (0, 1):
            raise ValueError(f'DomainGANLoss: source_label={source_label} must be 0 or 1.')
        if kind not in KINDS:
            raise ValueError(f'DomainGANLoss: kind={kind!r} is not one of {KINDS}.')
        check_factors('DomainGANLoss', loss_weight=loss_weight)
        self.kind = kind
        self.source_label = source_label
        self.loss_weight = loss_weight

    def forward(self, scores: Tensor, is_source: bool) -> Tensor:
        """Scalar mean over scores (any shape, before the sigmoid), in at least float32."""
        scores = at_least_float32(scores)
        domain = torch.full_like(scores, float(is_source == bool(self.source_label)))
        loss = F.binary_cross_entropy_with_logits if self.kind == 'vanilla' else F.mse_loss
        return self.loss_weight * loss(scores, domain)
