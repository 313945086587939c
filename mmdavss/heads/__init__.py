"""Decode heads that mmsegmentation does not have."""

from .daformer import DAFormerHead
from .deeplab_v2 import DeepLabV2Head

__all__ = ['DAFormerHead', 'DeepLabV2Head']
