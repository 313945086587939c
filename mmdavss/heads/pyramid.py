"""The light pyramid decoder of VFM-UDA++."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.utils import OptConfigType
from torch import Tensor, nn


@MODELS.register_module()
class PyramidHead(BaseDecodeHead):
    """Decoder of VFM-UDA++ (Englert et al., 2025): from the coarsest of four maps to the finest.

    Three times the map is doubled by a transposed convolution, the next finer one is added, and a
    3x3 convolution with batch norm and ReLU joins them; channels halve each time. The classifier
    has no bias.

    Args:
        in_channels: Channels of the four maps, the finest first; those of the last one are halved
            three times.
        dropout_ratio: None, as published.
        norm_cfg: Of the norm layers; by default, batch norm.
        kwargs: Passed to :class:`mmseg.BaseDecodeHead`.

    Raises:
        ValueError: If there are not four maps.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        dropout_ratio: float = 0.0,
        norm_cfg: OptConfigType = None,
        **kwargs,
    ) -> None:
        if len(in_channels) != 4:
            raise ValueError(f'PyramidHead: in_channels={in_channels} must be those of four maps.')
        widths = [in_channels[-1] // 2**halvings for halvings in range(4)]
        super().__init__(
            in_channels,
            widths[-1],
            input_transform='multiple_select',
            dropout_ratio=dropout_ratio,
            norm_cfg=norm_cfg or dict(type='BN'),
            init_cfg=dict(type='Normal', std=0.1, override=dict(name='conv_seg')),
            **kwargs,
        )
        self.up, self.lateral, self.smooth = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for given, width, finer in zip(widths, widths[1:], self.in_channels[2::-1], strict=False):
            self.up.append(nn.ConvTranspose2d(given, width, 2, 2))
            self.lateral.append(nn.Conv2d(finer, width, 1))
            conv, norm = (
                nn.Conv2d(width, width, 3, padding=1),
                build_norm_layer(self.norm_cfg, width),
            )
            self.smooth.append(nn.Sequential(conv, norm[1], nn.ReLU(inplace=True)))
        self.last = nn.Conv2d(self.channels, self.channels, 3, padding=1)
        self.conv_seg = nn.Conv2d(self.channels, self.out_channels, 1, bias=False)

    def init_weights(self) -> None:
        super().init_weights()
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.bias is not None:
                # The inputs of a transposed convolution are what torch calls its fan_out.
                nn.init.kaiming_uniform_(
                    module.weight,
                    mode='fan_in' if isinstance(module, nn.Conv2d) else 'fan_out',
                    nonlinearity='relu',
                )
                nn.init.zeros_(module.bias)

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps backbone outputs to the classifier's input (N, C, h, w)."""
        *finer, joined = self._transform_inputs(inputs)
        for up, lateral, smooth in zip(self.up, self.lateral, self.smooth, strict=True):
            of_next = lateral(finer.pop())
            # Of odd sides the coarser map was rounded up, by convolutions, or down, by pooling.
            height, width = of_next.shape[-2:]
            doubled = up(joined)
            short = (max(0, width - doubled.shape[-1]), max(0, height - doubled.shape[-2]))
            doubled = F.pad(doubled, (0, short[0], 0, short[1]), mode='replicate')
            joined = smooth(doubled[..., :height, :width] + of_next)
        return self.last(joined)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps backbone outputs to scores (N, K, h, w)."""
        return self.cls_seg(self._forward_feature(inputs))
