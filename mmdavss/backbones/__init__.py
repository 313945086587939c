"""Backbones that are missing in mmsegmentation."""

from .efficientnet_lite import EfficientNetLite
from .fixed_stem import FixedStemResNet
from .resnet import CeilResNet

__all__ = ['CeilResNet', 'EfficientNetLite', 'FixedStemResNet']
