"""ResNet of SFC's DeepLab."""

from __future__ import annotations

from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS


@MODELS.register_module()
class FixedStemResNet(ResNet):
    """mmseg's ResNet with frozen affine parameters of the stem's batch norm.

    SFC's release (``lib/model/deeplab_multi.py``) trains those of all other layers. Weights are
    compatible with mmseg's ResNet.

    Args:
        kwargs: Passed to :class:`mmseg.ResNet`, except ``deep_stem``.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.norm1.requires_grad_(False)
