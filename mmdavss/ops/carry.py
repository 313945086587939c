"""Carrying maps along flow without interpolation, and only where nothing is in doubt."""

from __future__ import annotations

import torch
from torch import Tensor

from .warp import sample_positions


def carry_by_truncation(maps: Tensor, flow: Tensor, lowest_row: int) -> tuple[Tensor, Tensor]:
    """Values of another frame at the pixels that this frame's flow points to, by truncation.

    As UnifiedVideoDA does (Kareer et al., TMLR 2024), nothing is carried where the flow is zero or
    leads outside of the image, or below a row (the ego car is not moving), and at every pixel **to
    which** two or more pixels point; those that carry nothing point to themselves.

    Args:
        maps: (N, C, H, W) of the other frame.
        flow: (N, 2, H, W) from this frame to it, in pixels.
        lowest_row: First row that nothing is carried from.

    Returns:
        (N, C, H, W), and (N, H, W), bool, where something has been carried; elsewhere the values
        mean nothing.
    """
    height, width = flow.shape[-2:]
    columns, rows = sample_positions(flow)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < lowest_row)
    moved = inside & flow.ne(0).any(1)
    own = torch.arange(height * width, device=flow.device)
    pointed = torch.where(
        moved, rows.clamp(0, height - 1).long() * width + columns.clamp(0, width - 1).long(), 0
    ).flatten(1)
    pointed = torch.where(moved.flatten(1), pointed, own)
    hits = torch.zeros_like(pointed).scatter_add_(1, pointed, torch.ones_like(pointed))
    valid = moved & (hits < 2).view_as(moved)
    index = pointed[:, None].expand(-1, maps.shape[1], -1)
    return maps.flatten(2).gather(2, index).view_as(maps), valid


def compose_by_truncation(flow_ab: Tensor, flow_bc: Tensor) -> Tensor:
    """Chains two flows as UnifiedVideoDA does; :func:`compose_flow` interpolates instead.

    Where frame a looks outside of frame b, the flow at the nearest border pixel of b is used.

    Args:
        flow_ab: (N, 2, H, W), flow ``a->b`` in pixels.
        flow_bc: (N, 2, H, W), flow ``b->c`` in pixels.

    Returns:
        (N, 2, H, W), flow ``a->c`` in pixels; zero, which carries nothing, where one of both is.
    """
    height, width = flow_ab.shape[-2:]
    columns, rows = sample_positions(flow_ab)
    pointed = rows.clamp(0, height - 1).long() * width + columns.clamp(0, width - 1).long()
    second = flow_bc.flatten(2).gather(2, pointed.flatten(1)[:, None].expand(-1, 2, -1))
    second = second.view_as(flow_bc)
    known = flow_ab.ne(0).any(1, keepdim=True) & second.ne(0).any(1, keepdim=True)
    return torch.where(known, flow_ab + second, 0.0)
