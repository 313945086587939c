"""The order of images and features in memory."""

from __future__ import annotations

import torch
from torch import nn


def use_channels_last(model: nn.Module) -> None:
    """Stores the weights of 2-D convolutions with channels last (``torch.channels_last``).

    A convolution with such weights returns its features in the same order, so that all later ones
    have it, too; on CPUs they are faster then. Results agree up to rounding, and checkpoints can be
    exchanged.

    Args:
        model: Changed in place. It must not be wrapped in DDP yet, which notes the order of the
            weights and reduces gradients in that order.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            weight = module.weight
            weight.data = weight.data.to(memory_format=torch.channels_last)
