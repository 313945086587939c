"""Colours of one domain for the images of another."""
from __future__ import annotations

import torch
from torch import Tensor

LEVELS = 256


@torch.no_grad()
def match_histograms(images: Tensor, references: Tensor) -> Tensor:
    """Gives images the histograms of others, channel by channel.

    A level becomes the lowest one that no smaller a share of the reference's pixels stays within.

    Args:
        images: (N, C, H, W), values 0 to 1 in steps of 1/255.
        references: (N, C, H', W'), likewise.

    Returns:
        (N, C, H, W), values 0 to 1 in steps of 1/255.
    """
    levels, ranks = _ranks(images)
    _, reference_ranks = _ranks(references)
    # Less a hair: shares of pictures of other sizes are equal up to rounding.
    table = torch.searchsorted(reference_ranks, ranks - 1e-9)
    return (table.gather(1, levels) / (LEVELS - 1)).view_as(images)


def _ranks(images: Tensor) -> tuple[Tensor, Tensor]:
    """Levels (N C, H W) of the channels, and the share of each that no level exceeds (N C, 256)."""
    levels = (images.flatten(0, 1).flatten(1) * (LEVELS - 1)).round().long()
    counts = torch.zeros(len(levels), LEVELS, dtype=torch.float64, device=images.device)
    counts.scatter_add_(1, levels, torch.ones_like(levels, dtype=counts.dtype))
    return levels, counts.cumsum(1) / levels.shape[1]
