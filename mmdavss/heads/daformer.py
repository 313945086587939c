"""Context-aware fusion decoder of DAFormer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.decode_heads.sep_aspp_head import DepthwiseSeparableASPPModule
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class DAFormerHead(BaseDecodeHead):
    """Decoder of DAFormer (Hoyer et al., CVPR 2022): context-aware multi-level fusion.

    Each stage is embedded by a linear layer and resized to the first one; all are concatenated and
    processed by depthwise separable convolutions of several dilations (an ASPP without pooling), or
    by one 1x1 convolution, as HRDA's attention.

    Args:
        in_channels: Channels of the stages.
        channels: Width of the decoder.
        embed_channels: Width of each embedded stage.
        dilations: Dilation of each parallel convolution, the published ones by default; none: the
            1x1 convolution takes their place.
        kwargs: Passed to :class:`mmseg.BaseDecodeHead`.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 256,
        embed_channels: int = 256,
        dilations: Sequence[int] = (1, 6, 12, 18),
        **kwargs,
    ) -> None:
        super().__init__(in_channels, channels, input_transform='multiple_select', **kwargs)
        self.embeddings = nn.ModuleList(
            nn.Conv2d(width, embed_channels, 1) for width in self.in_channels
        )
        width, layers = embed_channels * len(self.in_channels), self._layers()
        self.context = (
            DepthwiseSeparableASPPModule(
                dilations=tuple(dilations), in_channels=width, channels=channels, **layers
            )
            if dilations
            else None
        )
        self.bottleneck = (
            ConvModule(len(dilations) * channels, channels, 3, padding=1, **layers)
            if dilations
            else ConvModule(width, channels, 1, **layers)
        )

    def _layers(self) -> dict[str, Any]:
        return dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps backbone outputs to the classifier's input (N, C, h, w)."""
        stages = self._transform_inputs(inputs)
        size = stages[0].shape[-2:]
        embedded = [
            resize(embed(stage), size, mode='bilinear', align_corners=self.align_corners)
            for embed, stage in zip(self.embeddings, stages, strict=True)
        ]
        joined = torch.cat(embedded, dim=1)
        if self.context is not None:
            joined = torch.cat(self.context(joined), dim=1)
        return self.bottleneck(joined)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps backbone outputs to scores (N, K, h, w)."""
        return self.cls_seg(self._forward_feature(inputs))
