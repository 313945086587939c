"""Synthesis of intermediate frames, and pseudo-labels for warped predictions (I2VDA).

Time 0 is the earlier frame of a pair, time 1 the current one, and t in [0, 1] is in between. A flow
``a->b`` is (N, 2, H, W) in pixels on the grid of a, so that warping by it brings maps of b to a.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmdavss.ops import at_least_float32, backward_warp, forward_backward_visible
from mmdavss.utils.distributed import mean_over_batch

from .temporal_labels import IGNORE

MASK_GRIDS = ('current', 'paper')


def intermediate_flows(
    flow_01: Tensor, flow_10: Tensor, t: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Flows ``t->0`` and ``t->1`` (I2VDA, equation 2): t F_{1->0} and (1 - t) F_{0->1}.

    This approximates the motion at a pixel at time t by that at the same pixel of the two frames.

    Args:
        flow_01: (N, 2, H, W), flow ``0->1``.
        flow_10: (N, 2, H, W), flow ``1->0``.
        t: A number, or (N, 1, 1, 1).

    Returns:
        Two tensors (N, 2, H, W) on the grid at time t.
    """
    return t * flow_10, (1 - t) * flow_01


def synthesise_frame(
    frame_0: Tensor,
    frame_1: Tensor,
    flow_01: Tensor,
    flow_10: Tensor,
    t: Tensor | float,
    alpha: float = 0.5,
) -> Tensor:
    """Frame at time t, blended from both frames (I2VDA, equation 3).

    Positions outside a frame read its border, so that the edges of the result are not darkened.

    Args:
        frame_0: (N, 3, H, W), the earlier frame.
        frame_1: (N, 3, H, W), the current frame.
        flow_01: (N, 2, H, W), flow ``0->1``.
        flow_10: (N, 2, H, W), flow ``1->0``.
        t: A number, or (N, 1, 1, 1).
        alpha: Share of the earlier frame.

    Returns:
        (N, 3, H, W).
    """
    flow_t0, flow_t1 = intermediate_flows(flow_01, flow_10, t)
    return alpha * backward_warp(frame_0, flow_t0, padding_mode='border') + (
        1 - alpha
    ) * backward_warp(frame_1, flow_t1, padding_mode='border')


def normalised_entropy(probabilities: Tensor) -> Tensor:
    """Entropy of each pixel divided by log K (I2VDA, equation 6).

    Args:
        probabilities: (N, K, H, W).

    Returns:
        (N, H, W), 0 to 1, float32 at least.
    """
    entropy = torch.special.entr(at_least_float32(probabilities)).sum(1)
    return entropy / math.log(probabilities.shape[1])


def round_trip_visible(
    flow_01: Tensor, flow_10: Tensor, eta: float = 1.0, grid: str = 'current'
) -> Tensor:
    """Mask O: pixels whose round trip to the other frame ends where it began (equation 7).

    The equation compares a vector with eta; its length is meant. Its grid is that of the earlier
    frame, while the labels that it masks (equation 8) belong to the current one: ``current`` is the
    same with the frames swapped, ``|F_{1->0} + W(F_{0->1}, F_{1->0})| < eta``.
    Pixels whose counterpart lies outside the other frame are not visible.

    Args:
        flow_01: (N, 2, H, W), flow ``0->1``.
        flow_10: (N, 2, H, W), flow ``1->0``.
        eta: Distance in pixels.
        grid: ``current``, or ``paper`` for the equation as printed.

    Returns:
        (N, 1, H, W), bool, True where visible.

    Raises:
        ValueError: For an unknown grid.
    """
    if grid not in MASK_GRIDS:
        raise ValueError(f'round_trip_visible: grid={grid!r} is not one of {MASK_GRIDS}.')
    there, back = (flow_10, flow_01) if grid == 'current' else (flow_01, flow_10)
    return forward_backward_visible(there, back, alpha=0.0, beta=eta**2)


def rectified_labels(probabilities: Tensor, visible: Tensor, delta: float | None = 0.3) -> Tensor:
    """Pseudo-label PL: the class of pixels that are certain and visible (equation 8).

    Args:
        probabilities: (N, K, H, W).
        visible: (N, 1, H, W), bool.
        delta: Upper bound of the normalised entropy of certain pixels, or None for no limit.

    Returns:
        (N, H, W), int64, `IGNORE` elsewhere.
    """
    kept = visible[:, 0]
    if delta is not None:
        kept = kept & (normalised_entropy(probabilities) < delta)
    return torch.where(kept, probabilities.argmax(1), IGNORE)


def probability_cross_entropy(probabilities: Tensor, labels: Tensor, eps: float = 1e-12) -> Tensor:
    """Cross-entropy of probabilities (not scores) with labels (I2VDA, equation 9).

    Args:
        probabilities: (N, K, H, W), for example warped ones.
        labels: (N, H, W), int64, classes or `IGNORE`.
        eps: Smallest probability.

    Returns:
        Scalar mean over the labelled pixels of all processes, 0 if there are none.
    """
    known = labels != IGNORE
    chosen = probabilities.gather(1, labels.where(known, 0)[:, None])[:, 0]
    losses = -at_least_float32(chosen).clamp(min=eps).log()
    return mean_over_batch(losses.where(known, 0.0).sum(), known.sum())
