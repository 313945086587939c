"""Visibility of a frame's pixels in another frame. In every mask, True means visible."""

from __future__ import annotations

import torch
from torch import Tensor

from .warp import backward_warp


def forward_backward_visible(
    flow_ab: Tensor, flow_ba: Tensor, alpha: float = 0.01, beta: float = 0.5
) -> Tensor:
    """Forward-backward check of Sundaram et al. (ECCV 2010), equation 5.

    With W(f_ba) the backward flow warped to the grid of frame a, a pixel is visible if
    ``|f_ab + W(f_ba)|^2 < alpha (|f_ab|^2 + |W(f_ba)|^2) + beta`` and its counterpart lies inside
    frame b. ``alpha=0, beta=d*d`` requires the round trip to end within d pixels, as in I2VDA.

    Args:
        flow_ab: (N, 2, H, W), flow ``a->b`` in pixels.
        flow_ba: (N, 2, H, W), flow ``b->a`` in pixels.
        alpha: Tolerated share of the squared lengths.
        beta: Squared distance that is always tolerated, in pixels squared.

    Returns:
        (N, 1, H, W), bool, on the grid of frame a.
    """
    back, inside = backward_warp(flow_ba, flow_ab, return_mask=True)
    error = (flow_ab + back).square().sum(1, keepdim=True)
    lengths = (flow_ab.square() + back.square()).sum(1, keepdim=True)
    return inside & (error < alpha * lengths + beta)


def photometric_weight(frame: Tensor, warped: Tensor, alpha: float = 50.0) -> Tensor:
    """``exp(-alpha |I - I'|^2)`` of Lai et al. (ECCV 2018): 1 where two frames are equal.

    Args:
        frame: (N, C, H, W), values 0 to 1.
        warped: (N, C, H, W), the other frame warped to this one, values 0 to 1.
        alpha: Sharpness; the squared difference is summed over the channels.

    Returns:
        (N, 1, H, W), in (0, 1].
    """
    return torch.exp(-alpha * (frame - warped).square().sum(1, keepdim=True))


def photometric_visible(
    frame: Tensor, warped: Tensor, alpha: float = 50.0, threshold: float = 0.7
) -> Tensor:
    """Pixels whose :func:`photometric_weight` exceeds a threshold: (N, 1, H, W), bool."""
    return photometric_weight(frame, warped, alpha) > threshold
