"""The tube matching loss of VAT-VST (equations 6 and 7)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.ops import at_least_float32


def tube_dice_loss(
    probabilities: Tensor,
    labels: Tensor,
    ignore_index: int = 255,
    present_only: bool = True,
    eps: float = 1e-6,
) -> Tensor:
    """Dice loss of the tube of each class: its pixels in all frames together.

    Equation 7 for class k, with the sums over the frames and pixels of a clip that are not ignored:

        Dice(p, q) = 2 sum(p q) / (sum(p^2) + sum(q^2))

    Equation 6 sums ``1 - Dice`` over the classes. A class that a clip's labels do not hold has a
    Dice of 0 whatever is predicted: a constant without gradient, as published, or left out.

    The sums are in float64. What is left of them in the loss and in its gradient is a small
    difference of large numbers, and a sum of a million float32 probabilities by class (a scatter,
    one after the other) loses it: for a sure network at 1280x720 Dice exceeded 1.

    Args:
        probabilities: (N, T, K, H, W).
        labels: (N, T, H, W), classes or `ignore_index`.
        ignore_index: Label of pixels that do not count, on either side.
        present_only: Whether classes that are absent from a clip's labels are left out of its sum.
        eps: Least denominator.

    Returns:
        Scalar, the mean over the clips, float32 at least.
    """
    with torch.autocast(probabilities.device.type, enabled=False):
        probabilities = at_least_float32(probabilities)
        num_classes = probabilities.shape[2]
        counts = labels != ignore_index
        p = (probabilities * counts[:, :, None]).transpose(1, 2).flatten(2)
        # Class num_classes collects what is ignored; no one-hot maps of the labels are made.
        classes = labels.masked_fill(~counts, num_classes).flatten(1)
        own = p.gather(1, classes.clamp(max=num_classes - 1)[:, None])[:, 0] * counts.flatten(1)
        own = own.double()
        empty = own.new_zeros(len(p), num_classes + 1)
        overlap = empty.scatter_add(1, classes, own)[:, :-1]
        size = empty.scatter_add(1, classes, torch.ones_like(own))[:, :-1]
        squares = p.square().sum(2, dtype=torch.float64)
        losses = 1 - 2 * overlap / (squares + size).clamp(min=eps)
        if present_only:
            losses = losses * (size > 0)
        return losses.sum(1).mean().to(p.dtype)


@MODELS.register_module()
class TubeDiceLoss(nn.Module):
    """:func:`tube_dice_loss` of score maps.

    Args:
        single_frame: Whether each frame is a tube of its own (the paper's ablation, table 3); the
            loss then is the mean over the frames.
        present_only: As in :func:`tube_dice_loss`.
        loss_weight: Factor.
        ignore_index: Label of pixels that do not count.
    """

    def __init__(
        self,
        single_frame: bool = False,
        present_only: bool = True,
        loss_weight: float = 1.0,
        ignore_index: int = 255,
    ) -> None:
        super().__init__()
        self.single_frame = single_frame
        self.present_only = present_only
        self.loss_weight = loss_weight
        self.ignore_index = ignore_index

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss.

        Args:
            scores: (N, T, K, H, W), before the softmax.
            labels: (N, T, H, W).
        """
        probabilities = F.softmax(at_least_float32(scores), dim=2)
        if self.single_frame:
            probabilities = probabilities.flatten(0, 1)[:, None]
            labels = labels.flatten(0, 1)[:, None]
        return self.loss_weight * tube_dice_loss(
            probabilities, labels, self.ignore_index, self.present_only
        )
