"""Decode heads that are missing in mmsegmentation."""

from .daformer import DAFormerHead
from .deeplab_v2 import DeepLabV2Head
from .pyramid import PyramidHead

__all__ = ['DAFormerHead', 'DeepLabV2Head', 'PyramidHead']
