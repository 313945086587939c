"""Backbones that are missing in mmsegmentation."""

from .fixed_stem import FixedStemResNet
from .resnet import CeilResNet

__all__ = ['CeilResNet', 'FixedStemResNet']
