"""Downscaling of labels to the size of feature maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def nearest_labels(labels: Tensor, size: Sequence[int]) -> Tensor:
    """Labels at another size: row y of h is row floor(y * H / h) of H.

    Args:
        labels: (..., H, W), integers.
        size: (h, w).

    Returns:
        ``(..., *size)``, int64.
    """
    maps = labels.reshape(1, -1, *labels.shape[-2:]).float()
    resized = F.interpolate(maps, tuple(size), mode='nearest').long()
    return resized.view(*labels.shape[:-2], *size)


@torch.no_grad()
def downscale_labels(
    labels: Tensor,
    size: Sequence[int],
    num_classes: int,
    min_ratio: float = 0.75,
    ignore_index: int = 255,
) -> Tensor:
    """Downscales labels: a cell gets the class of at least `min_ratio` of its pixels, or none.

    Downscaling by class ratio as published by SePiCo and DAFormer. Pixels without a class compete
    as an extra class, the last one; the first of equal classes wins. Row y of H belongs to row
    floor(y * h / H) of h, so sizes need not be multiples; cells do not overlap. Pixels are counted
    without a one-hot map.

    Args:
        labels: (N, H, W), integers; those outside 0..num_classes-1 have no class.
        size: (h, w), not larger than (H, W).
        num_classes: Number of classes.
        min_ratio: Smallest share of a cell's pixels.
        ignore_index: Label of pixels without a class, and of cells where no class reaches
            `min_ratio`.

    Returns:
        (N, h, w), of the type of `labels`.

    Raises:
        ValueError: If `size` is larger than the labels.
    """
    (count, height, width), (h, w) = labels.shape, size
    if h > height or w > width:
        raise ValueError(
            f'downscale_labels: size={tuple(size)} is larger than the labels, {(height, width)}.'
        )
    kinds = num_classes + 1
    rows = torch.arange(height, device=labels.device) * h // height
    columns = torch.arange(width, device=labels.device) * w // width
    images = torch.arange(count, device=labels.device)[:, None, None] * h
    # Index of the bin of class 0 of each pixel's cell; 32 bits suffice and halve the memory.
    bins = (((images + rows[:, None]) * w + columns) * kinds).int()
    has_class = (labels >= 0) & (labels < num_classes) & (labels != ignore_index)
    bins += torch.where(has_class, labels, num_classes)
    pixels = torch.zeros(count * h * w * kinds, dtype=torch.int32, device=labels.device)
    pixels.index_add_(0, bins.flatten(), pixels.new_ones(1).expand(bins.numel()))
    pixels = pixels.view(count, h, w, kinds)
    most, winner = pixels.max(-1)
    kept = (most / pixels.sum(-1) >= min_ratio) & (winner < num_classes)
    return torch.where(kept, winner, ignore_index).to(labels.dtype)
