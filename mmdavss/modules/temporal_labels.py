"""Predictions and pseudo-labels refined with neighbouring frames (VAT-VST, TPS)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from mmdavss.ops import at_least_float32, backward_warp, photometric_visible, resize_flow

IGNORE = 255


def aggregate_predictions(
    probabilities: Tensor,
    frame: Tensor,
    neighbours: Iterable[tuple[Tensor, Tensor, Tensor]],
    alpha: float = 50.0,
    threshold: float = 0.7,
) -> Tensor:
    """Averages a frame's prediction with those of its neighbours (VAT-VST, equation 10).

    A neighbour counts where its warped image is similar to the frame (occlusion from the warping
    error) and where the flow stays inside it.

    Args:
        probabilities: (N, K, H, W) of the frame.
        frame: (N, 3, H, W), values 0 to 1.
        neighbours: For each neighbour, its probabilities (N, K, H, W), its image (N, 3, H, W) and
            the flow (N, 2, H, W) from the frame to it; may be empty.
        alpha: Sharpness of the occlusion weight; not given in the paper; 50 is from Lai et al.
            (ECCV 2018).
        threshold: Smallest occlusion weight, 0.7 in the paper.

    Returns:
        (N, K, H, W).
    """
    total, count = probabilities, torch.ones_like(probabilities[:, :1])
    for other, image, flow in neighbours:
        warped, inside = backward_warp(image, flow, return_mask=True)
        visible = (inside & photometric_visible(frame, warped, alpha, threshold)).to(total.dtype)
        total = total + visible * backward_warp(other, flow)
        count = count + visible
    return total / count


def warp_labels(labels: Tensor, flow: Tensor) -> Tensor:
    """Warps labels of another frame to this frame's grid, `IGNORE` where the flow leaves it.

    Args:
        labels: (N, H, W), int64.
        flow: (N, 2, H, W) from this frame to the other.

    Returns:
        (N, H, W), int64.
    """
    warped, inside = backward_warp(labels[:, None], flow, mode='nearest', return_mask=True)
    return torch.where(inside, warped, IGNORE)[:, 0]


def consensus(labels: Tensor, reference: Tensor, flow: Tensor) -> Tensor:
    """Keeps pseudo-labels that the previous frame confirms: cut-out (VAT-VST, equation 13).

    Args:
        labels: (N, H, W), int64.
        reference: (N, H, W), those of the previous frame.
        flow: (N, 2, H, W) from the frame to the previous one.

    Returns:
        (N, H, W), `IGNORE` where the two differ.
    """
    return torch.where(labels == warp_labels(reference, flow), labels, IGNORE)


def fill_in(labels: Tensor, reference: Tensor, flow: Tensor, visible: Tensor) -> Tensor:
    """Takes missing pseudo-labels from the previous frame (VAT-VST, equation 14).

    The paper writes 0 for a missing label; here it is `IGNORE`, since 0 is a class.

    Args:
        labels: (N, H, W), int64.
        reference: (N, H, W), those of the previous frame.
        flow: (N, 2, H, W) from the frame to the previous one.
        visible: (N, 1, H, W), bool, pixels that are not occluded.

    Returns:
        (N, H, W).
    """
    missing = (labels == IGNORE) & visible[:, 0]
    return torch.where(missing, warp_labels(reference, flow), labels)


@torch.no_grad()
def temporal_pseudo_labels(
    scores: Tensor, flow: Tensor, confidence_threshold: float | None = None
) -> Tensor:
    """Pseudo-labels for the current frame from an earlier frame's prediction (TPS; SFC's TPL).

    Class probabilities are warped along the flow at the resolution of the scores (outside the
    earlier frame, those of its border are used), and the most probable class is the label.

    Args:
        scores: (N, K, h, w), before the softmax, of the earlier frame.
        flow: (N, 2, H, W), from the current frame to the earlier one.
        confidence_threshold: Smallest probability of a label, or None for no limit.

    Returns:
        (N, h, w), int64, `IGNORE` below the threshold.
    """
    probabilities = scores.softmax(1, dtype=torch.promote_types(scores.dtype, torch.float32))
    confidence, labels = backward_warp(
        probabilities, resize_flow(flow, scores.shape[-2:]), padding_mode='border'
    ).max(1)
    if confidence_threshold is None:
        return labels
    return torch.where(confidence >= confidence_threshold, labels, IGNORE)


@torch.no_grad()
def labels_of_pair(scores: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Pseudo-labels of two frames from the scores of the earlier one (QuadMix).

    Those of the earlier frame are of its scores, those of the later one of its probabilities,
    carried along the flow (outside the earlier frame, those of its border).

    Args:
        scores: (N, K, H, W), before the softmax, of the earlier frame.
        flow: (N, 2, H, W), from the later frame to the earlier one.

    Returns:
        Labels (N, 2, H, W), int64, the later frame last, and how sure they are (N, 2, H, W): as
        released the score itself in the earlier frame, the probability in the later one.
    """
    scores = at_least_float32(scores)
    own = scores.max(1)
    carried = backward_warp(scores.softmax(1), flow, padding_mode='border').max(1)
    sure = torch.stack([own.values, carried.values], dim=1)
    return torch.stack([own.indices, carried.indices], dim=1), sure
