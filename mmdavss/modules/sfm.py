"""Segmentation-to-flow module (SFM) of SFC (equations 3 to 5)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from mmseg.utils import ConfigType
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mmdavss.ops import at_least_float32

EMPTY_CLASSES = ('skip', 'mask', 'add')


def label_regions(labels: Tensor, num_classes: int) -> Tensor:
    """One-hot maps (N, K, H, W) of labels (N, H, W); ignored pixels are zero in all maps."""
    classes = torch.arange(num_classes, device=labels.device)[:, None, None]
    return (labels[:, None] == classes).float()


def occurring_classes(regions: Tensor) -> Tensor:
    """Whether each class is the most probable one at any pixel.

    Args:
        regions: (N, K, H, W), probabilities or maps of zeros and ones.

    Returns:
        (N, K), bool.
    """
    best, classes = regions.max(1)
    classes = classes.masked_fill(best <= 0, regions.shape[1])
    found = classes.new_zeros(len(regions), regions.shape[1] + 1, dtype=torch.bool)
    return found.scatter_(1, classes.flatten(1), True)[:, :-1]


@MODELS.register_module()
class SFM(BaseModule):
    """Estimates the flow between two frames from their segmentation.

    A flow network gets both frames masked to one class at a time (equation 3); the flow (equation
    5) is the sum of its outputs (equation 4). All classes of all samples form one batch. The
    current frame is the first input, as in the published code (equation 4 prints the previous one
    first).

    Args:
        flow_net: Config of the flow network, ``net(current, previous) -> flow``.
        empty_classes: Handling of classes that occur in neither frame (with soft maps: that are
            nowhere the most probable one). ``skip``: they do not count, and are not run on the CPU;
            a GPU would have to be waited for to get their number, so that there they are run, too.
            ``mask``: they are run everywhere and set to zero: the same result.
            ``add``: their flow, the network's output for two black images, is added like any
            other, as in the published adaptation (the published pretraining skips them).
        chunk: Pairs of regions per pass of the network, to save memory: with gradient, passes are
            recomputed in the backward pass, so that only one is in memory at a time. None for a
            single pass.

    Raises:
        ValueError: For an invalid value of an option.
    """

    def __init__(
        self, flow_net: ConfigType, empty_classes: str = 'skip', chunk: int | None = None
    ) -> None:
        super().__init__()
        if empty_classes not in EMPTY_CLASSES:
            raise ValueError(f'SFM: empty_classes={empty_classes!r} is not one of {EMPTY_CLASSES}.')
        if chunk is not None and chunk < 1:
            raise ValueError(f'SFM: chunk={chunk} must be 1 or more, or None for one pass.')
        self.flow_net = MODELS.build(flow_net)
        self.empty_classes = empty_classes
        self.chunk = chunk

    def forward(
        self, current: Tensor, previous: Tensor, current_regions: Tensor, previous_regions: Tensor
    ) -> Tensor:
        """Computes the segmentation-based flow SF.

        Args:
            current: (N, 3, H, W), X_t, RGB, values 0 to 1.
            previous: (N, 3, H, W), X_(t-1).
            current_regions: (N, K, H, W), P_t, class probabilities or one-hot labels.
            previous_regions: (N, K, H, W), P_(t-1).

        Returns:
            (N, 2, h, w), flow current->previous, on the grid of the flow network, in its pixels.

        Raises:
            ValueError: If the shapes do not fit.
        """
        expected = (len(current), current_regions.shape[1], *current.shape[-2:])
        if (
            current.shape != previous.shape
            or not current_regions.shape == previous_regions.shape == expected
        ):
            raise ValueError(
                'SFM: frames (N, 3, H, W) and regions (N, K, H, W) of both times must match, got '
                f'{tuple(current.shape)}, {tuple(previous.shape)}, '
                f'{tuple(current_regions.shape)} and {tuple(previous_regions.shape)}.'
            )
        count, num_classes = current_regions.shape[:2]
        weights = torch.ones_like(current_regions[..., 0, 0])
        if self.empty_classes != 'add':
            weights = (occurring_classes(current_regions) | occurring_classes(previous_regions)).to(
                weights.dtype
            )
        # Elsewhere the host would wait for the number of pairs.
        if self.empty_classes == 'skip' and weights.device.type == 'cpu':
            pairs = weights.nonzero()
        else:
            numbers = torch.arange(count * num_classes, device=current.device)
            pairs = torch.stack([numbers // num_classes, numbers % num_classes], dim=1)

        flow: Tensor | None = None
        chunks = pairs.split(self.chunk) if self.chunk and len(pairs) else (pairs,)
        for chunk in chunks:
            inputs = (current, previous, current_regions, previous_regions, chunk)
            if len(chunks) > 1 and torch.is_grad_enabled():
                flows = checkpoint(self.region_flows, *inputs, use_reentrant=False)
            else:
                flows = self.region_flows(*inputs)
            samples, classes = chunk.unbind(1)
            with torch.autocast(flows.device.type, enabled=False):
                # (N, M): whether a flow belongs to a sample.
                member = F.one_hot(samples, count).T * weights[samples, classes]
                flows = at_least_float32(flows)
                part = (member.to(flows.dtype) @ flows.flatten(1)).unflatten(1, flows.shape[1:])
            flow = part if flow is None else flow + part
        assert flow is not None  # there is at least one chunk
        return flow

    def region_flows(
        self,
        current: Tensor,
        previous: Tensor,
        current_regions: Tensor,
        previous_regions: Tensor,
        pairs: Tensor,
    ) -> Tensor:
        """Region flows RF of single classes (equations 3 and 4).

        Args:
            pairs: (M, 2), indices of sample and class.

        Returns:
            (M, 2, h, w).
        """
        samples, classes = pairs.unbind(1)
        return self.flow_net(
            current[samples] * current_regions[samples, classes][:, None],
            previous[samples] * previous_regions[samples, classes][:, None],
        )
