"""Projection head of contrastive methods."""

from __future__ import annotations

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmseg.registry import MODELS
from mmseg.utils import OptConfigType
from torch import Tensor, nn

from mmdavss.ops import at_least_float32


@MODELS.register_module()
class ProjectionHead(nn.Sequential):
    """Two 1x1 convolutions and L2 normalisation: (N, C, h, w) to unit vectors (N, D, h, w).

    Args:
        in_channels: Number of input channels, C.
        channels: Number of output channels, D.
        hidden_channels: Width between the convolutions, or None for C (SimCLR).
        norm_cfg: Config of a norm layer. None: one ReLU between the convolutions (SimCLR).
            Otherwise each convolution has no bias and is followed by the norm and a ReLU, as in
            the published SePiCo; the unit vectors are then non-negative.
        norm_last: Whether norm and ReLU follow the second convolution too; without them, as in the
            published HCL, it has a bias.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 128,
        hidden_channels: int | None = None,
        norm_cfg: OptConfigType = None,
        norm_last: bool = True,
    ) -> None:
        hidden_channels = hidden_channels or in_channels
        if norm_cfg is None:
            super().__init__(
                nn.Conv2d(in_channels, hidden_channels, 1),
                nn.ReLU(inplace=True),
                nn.Conv2d(hidden_channels, channels, 1),
            )
        else:
            super().__init__(
                ConvModule(in_channels, hidden_channels, 1, norm_cfg=norm_cfg),
                ConvModule(hidden_channels, channels, 1, norm_cfg=norm_cfg)
                if norm_last
                else nn.Conv2d(hidden_channels, channels, 1),
            )
        self.out_channels = channels

    def forward(self, features: Tensor) -> Tensor:
        return F.normalize(at_least_float32(super().forward(features)), dim=1)
