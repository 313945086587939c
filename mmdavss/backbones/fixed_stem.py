"""The ResNet of SFC's DeepLab."""

from __future__ import annotations

from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS


@MODELS.register_module()
class FixedStemResNet(ResNet):
    """mmseg's ResNet without training of the affine part of the stem's batch norm.

    SFC's release (``lib/model/deeplab_multi.py``) trains that of all other layers. Weights are
    those of mmseg's ResNet.

    Args:
        kwargs: Passed to :class:`mmseg.ResNet`, but for ``deep_stem``.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.norm1.requires_grad_(False)
