"""Adversarial losses of domain discriminators."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.ops import at_least_float32

KINDS = ('vanilla', 'lsgan')


@MODELS.register_module()
class DomainGANLoss(nn.Module):
    """Adversarial loss of a discriminator's scores for a given domain (VAT-VST, equations 1, 8).

    Source is 1 and target 0. The discriminator minimises this loss for the true domains; the
    segmentation network minimises it for target clips with the domain source.

    Args:
        kind: ``vanilla``, the binary cross-entropy of the equations, or ``lsgan``, least squares
            (Mao et al., ICCV 2017).
        loss_weight: Factor.
    """

    def __init__(self, kind: str = 'vanilla', loss_weight: float = 1.0) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f'DomainGANLoss: kind={kind!r} is not one of {KINDS}.')
        self.kind = kind
        self.loss_weight = loss_weight

    def forward(self, scores: Tensor, is_source: bool) -> Tensor:
        """Scalar mean over scores (any shape, before the sigmoid), in at least float32."""
        scores = at_least_float32(scores)
        domain = torch.full_like(scores, float(is_source))
        loss = F.binary_cross_entropy_with_logits if self.kind == 'vanilla' else F.mse_loss
        return self.loss_weight * loss(scores, domain)
