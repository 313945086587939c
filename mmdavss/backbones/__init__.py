"""Backbones that mmsegmentation does not have."""
from .resnet import CeilResNet

__all__ = ['CeilResNet']
