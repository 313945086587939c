"""Decode heads that mmsegmentation does not have."""
from .deeplab_v2 import DeepLabV2Head

__all__ = ['DeepLabV2Head']
