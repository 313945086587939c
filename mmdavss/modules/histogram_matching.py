"""Histogram matching: transfers the colours of one domain to images of another."""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = 256


@torch.no_grad()
def match_histograms(images: Tensor, references: Tensor) -> Tensor:
    """Matches the histograms of images to references, channel by channel, as in TPS's release.

    A level is mapped to the reference level with the same cumulative share of pixels, interpolated
    linearly between the levels that occur in the reference, without rounding (like
    ``skimage.exposure.match_histograms`` for float images).

    Args:
        images: (N, C, H, W), values 0 to 1 in steps of 1/255.
        references: (N, C, H', W'), same range.

    Returns:
        (N, C, H, W), values 0 to 1.
    """
    levels, shares = _shares(images)
    _, reference_shares = _shares(references)
    # The reference's levels around each share: the lowest one that reaches it, and the next lower
    # one that occurs in the reference, which is the lowest one with its share.
    above = torch.searchsorted(reference_shares, shares).clamp_(max=LEVELS - 1)
    reached = reference_shares.gather(1, above)
    missed = reference_shares.gather(1, (above - 1).clamp_(min=0)).where(above > 0, 0)
    below = torch.searchsorted(reference_shares, missed).where(missed > 0, above)
    table = above + (below - above) * (reached - shares) / (reached - missed).clamp_(min=1e-12)
    # Below the lowest level of the reference there is nothing to interpolate with.
    table = table.where(missed > 0, above.to(table.dtype)) / (LEVELS - 1)
    return table.gather(1, levels).to(images.dtype).view_as(images)


def _shares(images: Tensor) -> tuple[Tensor, Tensor]:
    """Levels (N C, H W) of the channels, and cumulative shares of pixels up to each (N C, 256)."""
    levels = (images.flatten(0, 1).flatten(1) * (LEVELS - 1)).round().long()
    # Integers: sums of floating-point numbers have no deterministic form on a GPU.
    counts = torch.zeros(len(levels), LEVELS, dtype=torch.int64, device=images.device)
    counts.scatter_add_(1, levels, torch.ones_like(levels))
    return levels, counts.cumsum(1).double() / levels.shape[1]
