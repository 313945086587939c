"""A batch of clips."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Clip(NamedTuple):
    """A batch of clips; the last frame is the current one.

    Attributes:
        frames: (N, T, 3, H, W), normalised as the segmentation network expects.
        raw: (N, T, 3, H, W), RGB in [0, 1], for flow networks.
        flow: (N, T-1, 2, H, W) in pixels, ``flow[:, k]`` from frame k+1 to frame k, or None.
        augmented: (N, T, 3, H, W), the cross-frame augmented view, normalised, or None.
        forward_flow: (N, T-1, 2, H, W) in pixels, ``forward_flow[:, k]`` from frame k to frame
            k+1, or None.
    """

    frames: Tensor
    raw: Tensor
    flow: Tensor | None = None
    augmented: Tensor | None = None
    forward_flow: Tensor | None = None
