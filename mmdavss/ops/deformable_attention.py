"""Sampling of deformable attention, without a compiled operator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32


def deformable_sampling(
    values: Tensor, sizes: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor
) -> Tensor:
    """Weighted sum of values at given places of several maps (Deformable DETR, equation 3).

    Bilinear, zeros outside. The operator of Deformable DETR without its CUDA code.

    Args:
        values: (N, S, M, D), the cells of all maps, row by row, one map after the other; M heads.
        sizes: (height, width) of each of the L maps; S is the sum of their cells.
        locations: (N, Q, M, L, P, 2), (x, y) of P places in each map for each query and head; the
            corners of a map are (0, 0) and (1, 1).
        weights: (N, Q, M, L, P).

    Returns:
        (N, Q, M * D), float32 at least.
    """
    count, _, heads, width = values.shape
    queries = locations.shape[1]
    cells = [height * columns for height, columns in sizes]
    # (N * M, D, h, w) of each map, (N * M, Q, P, 2) of the places in it.
    maps = at_least_float32(values).permute(0, 2, 3, 1).flatten(0, 1).split(cells, -1)
    grids = (2 * at_least_float32(locations) - 1).transpose(1, 2).flatten(0, 1)
    sampled = [
        F.grid_sample(of_map.unflatten(-1, size), grids[:, :, level], align_corners=False)
        for level, (of_map, size) in enumerate(zip(maps, sizes, strict=True))
    ]
    factors = weights.transpose(1, 2).reshape(count * heads, 1, queries, -1)
    total = (torch.cat(sampled, -1) * factors).sum(-1)  # (N * M, D, Q)
    return total.view(count, heads * width, queries).transpose(1, 2)
