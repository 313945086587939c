"""ResNet of Caffe's DeepLab."""

from __future__ import annotations

from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS


@MODELS.register_module()
class CeilResNet(ResNet):
    """mmseg's ResNet whose first pooling rounds sizes up, as Caffe does.

    ADVENT, DA-VSN and TPS (AdaptSegNet's ``deeplab_multi.py``) use it: their features of 512x1024
    are 65x129, those of 720x1280 91x161. With one cell more than the number of strides, the corners
    of the grid are those of the image, as ``align_corners=True`` of their heads assumes. mmseg's
    ResNet gives 64x128 and 90x160. Weights are compatible with mmseg's ResNet.

    Args:
        ceil_mode: False gives mmseg's ResNet, for weights trained on its grid.
        kwargs: Passed to :class:`mmseg.ResNet`.
    """

    def __init__(self, ceil_mode: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.maxpool.ceil_mode = ceil_mode
