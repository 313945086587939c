"""Backward warping along optical flow, and resizing and chaining of flows.

A flow ``a->b`` is (N, 2, H, W) on the grid of frame a, channel 0 = u (right), channel 1 = v
(down), in pixels: pixel p of a corresponds to p + flow(p) in b.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

import torch
import torch.nn.functional as F
from torch import Tensor

MODES = ('bilinear', 'nearest')
PADDING_MODES = ('zeros', 'border')


def check_pair(x: Tensor, flow: Tensor, caller: str) -> None:
    """Raises a ValueError unless x is (N, C, H, W) and flow (N, 2, H, W)."""
    if x.ndim != 4 or flow.ndim != 4 or flow.shape != (x.shape[0], 2, *x.shape[-2:]):
        raise ValueError(
            f'{caller}: x {tuple(x.shape)} and flow {tuple(flow.shape)} do not fit, expected '
            '(N, C, H, W) and (N, 2, H, W). resize_flow() brings a flow to another resolution.'
        )


def sample_positions(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Columns and rows that a flow points to: p + flow(p).

    Args:
        flow: (N, 2, H, W) in pixels.

    Returns:
        Two tensors (N, H, W), in at least float32: half precision cannot distinguish
        neighbouring columns of an image wider than 2048 pixels.
    """
    flow = flow.to(torch.promote_types(flow.dtype, torch.float32))
    height, width = flow.shape[-2:]
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype)
    return flow[:, 0] + columns, flow[:, 1] + rows[:, None]


@overload
def backward_warp(
    x: Tensor,
    flow: Tensor,
    mode: str = 'bilinear',
    padding_mode: str = 'zeros',
    return_mask: Literal[False] = False,
) -> Tensor: ...
@overload
def backward_warp(
    x: Tensor,
    flow: Tensor,
    mode: str = 'bilinear',
    padding_mode: str = 'zeros',
    *,
    return_mask: Literal[True],
) -> tuple[Tensor, Tensor]: ...
def backward_warp(
    x: Tensor,
    flow: Tensor,
    mode: str = 'bilinear',
    padding_mode: str = 'zeros',
    return_mask: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Warps a map of frame b to frame a: ``out(p) = x(p + flow(p))``.

    Pixel centres are at integer coordinates (as with ``align_corners=True``). Positions are
    computed in at least float32, under autocast too; the result has the type of ``x``.
    Differentiable with respect to ``x`` and, if ``mode='bilinear'``, to ``flow``.

    Args:
        x: (N, C, H, W) of frame b. Integer and bool maps (labels) need ``mode='nearest'``.
        flow: (N, 2, H, W), flow ``a->b`` in pixels of the grid of ``x``.
        mode: ``bilinear``, or ``nearest`` (half to even).
        padding_mode: Values outside the image: ``zeros``, or ``border``, the nearest pixel inside.
        return_mask: Whether to return the validity mask too.

    Returns:
        (N, C, H, W) on the grid of frame a. With ``return_mask`` also (N, 1, H, W), bool, True
        where the sample position lies inside the image, 0 <= x <= W-1 and 0 <= y <= H-1.

    Raises:
        ValueError: If the shapes do not fit, or for an unknown mode.
        TypeError: If `x` has integers or bools and `mode` interpolates, which would invent classes.
    """
    check_pair(x, flow, 'backward_warp')
    if mode not in MODES:
        raise ValueError(f'backward_warp: mode={mode!r} is not one of {MODES}.')
    if padding_mode not in PADDING_MODES:
        raise ValueError(
            f'backward_warp: padding_mode={padding_mode!r} is not one of {PADDING_MODES}.'
        )
    if mode != 'nearest' and not x.is_floating_point():
        raise TypeError(
            f"backward_warp: x is {x.dtype}; a map of ids needs mode='nearest'; "
            'interpolation would invent ids.'
        )
    height, width = x.shape[-2:]
    columns, rows = sample_positions(flow)
    dtype = torch.promote_types(x.dtype, columns.dtype)
    # Pixel centres normalised for align_corners=False: the same positions as 2p / (W-1) - 1 with
    # align_corners=True, and also defined for a map one pixel wide.
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    with torch.autocast(x.device.type, enabled=False):
        out = F.grid_sample(
            x.to(dtype), grid.to(dtype), mode=mode, padding_mode=padding_mode, align_corners=False
        )
    out = out.to(x.dtype)
    if not return_mask:
        return out
    inside = (columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)
    return out, inside[:, None]


def resize_flow(flow: Tensor, size: Sequence[int]) -> Tensor:
    """Resizes a flow to another resolution and scales its values.

    Bilinear with ``align_corners=True``; u is multiplied by new width / old width, v by new
    height / old height, as DA-VSN and TPS do.

    Args:
        flow: (N, 2, H, W) in pixels of its own grid.
        size: (new height, new width).

    Returns:
        ``(N, 2, *size)`` in pixels of the new grid, in at least float32.
    """
    if flow.ndim != 4 or flow.shape[1] != 2:
        raise ValueError(f'resize_flow: flow must be (N, 2, H, W), got {tuple(flow.shape)}.')
    flow = flow.to(torch.promote_types(flow.dtype, torch.float32))
    height, width = flow.shape[-2:]
    if (height, width) == tuple(size):
        return flow
    scale = flow.new_empty(2, 1, 1)  # filled on the device: a tensor of numbers waits for it
    scale[0].fill_(size[1] / width)
    scale[1].fill_(size[0] / height)
    resized = F.interpolate(flow, size=tuple(size), mode='bilinear', align_corners=True)
    return resized.mul_(scale)  # a large tensor takes longer to allocate than to multiply


def compose_flow(flow_ab: Tensor, flow_bc: Tensor) -> Tensor:
    """Chains two flows: ``flow_ac(p) = flow_ab(p) + flow_bc(p + flow_ab(p))``.

    Where frame a looks outside frame b, the flow at the nearest border pixel of b is used.

    Args:
        flow_ab: (N, 2, H, W), flow ``a->b`` in pixels.
        flow_bc: (N, 2, H, W), flow ``b->c`` in pixels.

    Returns:
        (N, 2, H, W), flow ``a->c`` in pixels.
    """
    return flow_ab + backward_warp(flow_bc, flow_ab, padding_mode='border')


def chain_flow(flows: Tensor) -> Tensor:
    """Flow of a clip from its last frame to its first.

    Args:
        flows: (N, T-1, 2, H, W), ``flows[:, k]`` from frame k+1 to frame k, T > 1.

    Returns:
        (N, 2, H, W).
    """
    to_first = flows[:, -1]
    for k in range(flows.shape[1] - 2, -1, -1):
        to_first = compose_flow(to_first, flows[:, k])
    return to_first


def mirrored_flow(flow: Tensor) -> Tensor:
    """Flow (..., 2, H, W) of frames that are mirrored left to right: u changes its sign."""
    u, v = flow.flip(-1).unbind(-3)
    return torch.stack([-u, v], dim=-3)
