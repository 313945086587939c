"""Backbones that mmsegmentation does not have."""

from .fixed_stem import FixedStemResNet
from .resnet import CeilResNet

__all__ = ['CeilResNet', 'FixedStemResNet']
