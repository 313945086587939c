"""End-point error of optical flow (SFC, equations 6 and 7)."""

from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmdavss.utils.distributed import mean_over_batch

REDUCTIONS = ('mean', 'sum')


def flow_epe(
    flow: Tensor, target: Tensor, valid: Tensor | None = None, reduction: str = 'mean'
) -> Tensor:
    """Euclidean distance between two flows.

    Where the two are equal, the gradient is zero (that of the square root would be NaN). Without
    any valid pixel, the result is zero, but connected to the graph.

    Args:
        flow: (N, 2, H, W), pixels.
        target: (N, 2, H, W), pixels of the same grid; arbitrary at invalid pixels.
        valid: (N, H, W) or (N, 1, H, W), bool, the valid pixels; None for all.
        reduction: ``mean`` over the valid pixels of all processes, or ``sum`` over those of a
            sample, averaged over the samples, as in the training of flow networks.

    Returns:
        Scalar, float32 at least.

    Raises:
        ValueError: If the shapes do not fit, or for an unknown reduction.
    """
    if flow.shape != target.shape or flow.ndim != 4 or flow.shape[1] != 2:
        raise ValueError(
            f'flow_epe: flow {tuple(flow.shape)} and target {tuple(target.shape)} must both be '
            '(N, 2, H, W); resize_flow() brings a flow to another resolution.'
        )
    if reduction not in REDUCTIONS:
        raise ValueError(f'flow_epe: reduction={reduction!r} is not one of {REDUCTIONS}.')
    dtype = torch.promote_types(torch.promote_types(flow.dtype, target.dtype), torch.float32)
    with torch.autocast(flow.device.type, enabled=False):
        difference = flow.to(dtype) - target.to(dtype)
        if valid is not None:
            valid = valid.view(len(flow), 1, *flow.shape[-2:])
            difference = difference.where(valid, 0.0)
        squared = difference.square().sum(1)
        # A NaN is not equal to 0 and stays.
        equal = squared == 0
        error = squared.masked_fill(equal, 1.0).sqrt().masked_fill(equal, 0.0)
        if reduction == 'sum':
            return error.sum() / len(flow)
        if valid is None:
            return error.sum() / error.numel()
        return mean_over_batch(error.sum(), valid.sum())


@MODELS.register_module()
class FlowEPELoss(nn.Module):
    """Module of :func:`flow_epe`; labels or the target can mark invalid pixels.

    Args:
        reduction: Same as in :func:`flow_epe`.
        sparse: Whether targets of exactly zero in both channels are unknown flow, as in sparse
            ground truth, and ignored.
        ignore_index: Label of pixels to ignore.
        loss_weight: Factor.

    Raises:
        ValueError: For an unknown reduction.
    """

    def __init__(
        self,
        reduction: str = 'mean',
        sparse: bool = False,
        ignore_index: int = 255,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(f'FlowEPELoss: reduction={reduction!r} is not one of {REDUCTIONS}.')
        self.reduction = reduction
        self.sparse = sparse
        self.ignore_index = ignore_index
        self.loss_weight = loss_weight

    def forward(
        self,
        flow: Tensor,
        target: Tensor,
        valid: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Scalar loss.

        Args:
            flow: (N, 2, H, W), pixels.
            target: (N, 2, H, W), pixels of the same grid.
            valid: (N, H, W) or (N, 1, H, W), bool, the valid pixels; None for all.
            labels: (N, H, W); pixels with `ignore_index` are ignored.
        """
        masks = [] if valid is None else [valid.view(len(flow), *flow.shape[-2:])]
        if labels is not None:
            masks.append(labels != self.ignore_index)
        if self.sparse:
            masks.append((target != 0).any(1))
        counts = torch.stack(masks).all(0) if masks else None
        return self.loss_weight * flow_epe(flow, target, counts, self.reduction)
