"""The projection head of contrastive methods."""
from __future__ import annotations

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class ProjectionHead(nn.Sequential):
    """Two 1x1 convolutions and L2 normalisation: (N, C, h, w) to unit vectors (N, D, h, w).

    Args:
        in_channels: C.
        channels: D.
        hidden_channels: Width between the convolutions, None for C (SimCLR).
    """

    def __init__(self, in_channels: int, channels: int = 128,
                 hidden_channels: int | None = None) -> None:
        hidden_channels = hidden_channels or in_channels
        super().__init__(
            nn.Conv2d(in_channels, hidden_channels, 1), nn.ReLU(inplace=True),
            nn.Conv2d(hidden_channels, channels, 1))
        self.out_channels = channels

    def forward(self, features: Tensor) -> Tensor:
        return F.normalize(super().forward(features).float(), dim=1)
