"""Forward splatting: moves the pixels of a map along a flow on the same grid."""

from __future__ import annotations

from typing import Literal, overload

import torch
from torch import Tensor

from .warp import check_pair, sample_positions


@overload
def forward_splat(x: Tensor, flow: Tensor, return_mask: Literal[False] = False) -> Tensor: ...
@overload
def forward_splat(x: Tensor, flow: Tensor, return_mask: Literal[True]) -> tuple[Tensor, Tensor]: ...
def forward_splat(
    x: Tensor, flow: Tensor, return_mask: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Nearest forward splatting: pixel p of ``x`` goes to ``round(p + flow(p))``.

    As in the published score propagation of DA-VSN (which passes the negated flow
    current->previous as that of the previous frame): half rounds to even; pixels are written
    column by column, each from top to bottom, and the last one wins; target pixels that are not
    reached are 0. Implemented without a loop, on the device of ``x``, and deterministically: finds
    the largest column-major source index of every target pixel, then gathers its value.
    Differentiable with respect to ``x``.

    Args:
        x: (N, C, H, W), any type.
        flow: (N, 2, H, W), on the grid of ``x``, in pixels.
        return_mask: Whether to return the mask of the pixels reached.

    Returns:
        (N, C, H, W). With ``return_mask`` also (N, 1, H, W), bool.

    Raises:
        ValueError: If the shapes do not fit.
    """
    check_pair(x, flow, 'forward_splat')
    height, width = x.shape[-2:]
    columns, rows = (p.round() for p in sample_positions(flow))
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    # -1 never wins: pixels that leave the image (or have no finite flow) are written to the first
    # pixel without effect.
    zero = columns.new_zeros(())
    target = (
        torch.where(inside, rows, zero).long() * width + torch.where(inside, columns, zero).long()
    )
    order = torch.arange(height * width, device=x.device).view(width, height).t()
    writer = torch.where(inside, order, -1).flatten(1)
    winner = torch.full_like(writer, -1).scatter_reduce(1, target.flatten(1), writer, 'amax')
    reached = (winner >= 0)[:, None]
    winner = winner.clamp(min=0)
    source = (winner % height) * width + winner // height
    out = x.flatten(2).gather(2, source[:, None].expand(-1, x.shape[1], -1))
    out = torch.where(reached, out, out.new_zeros(())).view(x.shape)
    return (out, reached.view(-1, 1, height, width)) if return_mask else out
