"""Tube matching loss of VAT-VST (equations 6 and 7)."""

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
    """Dice loss of class tubes; a tube is all pixels of a class in all frames of a clip.

    Equation 7 for class k, with the sums over the frames and pixels of a clip that are not ignored:

        Dice(p, q) = 2 sum(p q) / (sum(p^2) + sum(q^2))

    Equation 6 sums ``1 - Dice`` over the classes. A class that is absent from a clip's labels
    has a Dice of 0 whatever is predicted: it adds a constant without gradient (as published), or is
    left out with `present_only`.

    The sums are in float64: the loss and its gradient are small differences of large numbers, which
    a sequential float32 sum over a million probabilities (a scatter by class) loses; for a
    confident network at 1280x720, Dice exceeded 1.

    Args:
        probabilities: (N, T, K, H, W).
        labels: (N, T, H, W), classes or `ignore_index`.
        ignore_index: Label of pixels to ignore, in labels and probabilities.
        present_only: Whether to leave classes that are absent from a clip's labels out of its sum.
        eps: Smallest denominator.

    Returns:
        Scalar, the mean over the clips, float32 at least.
    """
    with torch.autocast(probabilities.device.type, enabled=False):
        probabilities = at_least_float32(probabilities)
        num_classes = probabilities.shape[2]
        counts = labels != ignore_index
        p = (probabilities * counts[:, :, None]).transpose(1, 2).flatten(2)
        # Class num_classes collects ignored pixels; no one-hot maps of the labels are made.
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
    """Module of :func:`tube_dice_loss` on score maps.

    Args:
        single_frame: Whether each frame is a tube of its own (the paper's ablation, table 3); the
            loss is then the mean over the frames.
        present_only: Same as in :func:`tube_dice_loss`.
        loss_weight: Factor.
        ignore_index: Label of pixels to ignore.
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
