"""Backbones that mmsegmentation does not have."""
from .fixed_stem import FixedStemResNet

__all__ = ['FixedStemResNet']
