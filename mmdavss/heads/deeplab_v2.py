"""DeepLab-v2 classifier."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn


class MultiDilationClassifier(BaseModule):
    """Sum of parallel dilated 3x3 convolutions: (N, C, h, w) features to (N, K, h, w) scores."""

    def __init__(self, in_channels: int, num_classes: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.dilations = tuple(dilations)
        self.branches = nn.ModuleList(
            nn.Conv2d(in_channels, num_classes, 3, padding=d, dilation=d) for d in dilations
        )

    def forward(self, features: Tensor) -> Tensor:
        scores = self.branches[0](features)
        for branch in self.branches[1:]:
            scores = scores + branch(features)
        return scores


@MODELS.register_module()
class DeepLabV2Head(BaseDecodeHead):
    """DeepLab-v2 head (Chen et al., TPAMI 2018): atrous spatial pyramid classification.

    The classifier takes the backbone feature directly, without a layer in between: features for
    contrastive methods and classifier input are the same tensor. With `hidden_channels` there is
    one.

    Args:
        in_channels: Channels C of the backbone feature ``in_index``.
        num_classes: Number of classes K.
        dilations: Dilation of each parallel 3x3 convolution, the published ones by default.
        hidden_channels: Width of a feature that the parallel convolutions give instead of scores,
            and that a 1x1 convolution without bias classifies (256 in QuadMix, with a dropout of
            0.1); None classifies at once.
        kwargs: Passed to :class:`mmseg.BaseDecodeHead`; dropout is off as in the published nets.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
        dropout_ratio: float = 0.0,
        hidden_channels: int | None = None,
        **kwargs,
    ) -> None:
        if hidden_channels is not None:
            parts = [dict(name='conv_seg'), dict(name='hidden')]
            kwargs.setdefault('init_cfg', dict(type='Normal', std=0.01, override=parts))
        super().__init__(
            in_channels,
            hidden_channels or in_channels,
            num_classes=num_classes,
            dropout_ratio=dropout_ratio,
            **kwargs,
        )
        self.hidden: nn.Module | None = None
        # The name that BaseDecodeHead's cls_seg and init_cfg expect.
        if hidden_channels is None:
            self.conv_seg = MultiDilationClassifier(in_channels, self.out_channels, dilations)
        else:
            self.hidden = MultiDilationClassifier(in_channels, hidden_channels, dilations)
            self.conv_seg = nn.Conv2d(hidden_channels, self.out_channels, 1, bias=False)

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps backbone outputs to the classifier's input (N, C, h, w)."""
        features = self._transform_inputs(inputs)
        return features if self.hidden is None else self.hidden(features)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps backbone outputs to scores (N, K, h, w)."""
        return self.cls_seg(self._forward_feature(inputs))
