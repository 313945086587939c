"""Backbones that are missing in mmsegmentation."""

# Registers pip://, which loads EfficientNetLite's weights. It is not imported there: exports copy
# that module into projects without this package.
import mmdavss.utils.package_files  # noqa: F401

from .dinov2 import DINOv2
from .efficientnet_lite import EfficientNetLite
from .fixed_stem import FixedStemResNet
from .resnet import CeilResNet
from .vit_adapter import DINOv2Adapter

__all__ = ['CeilResNet', 'DINOv2', 'DINOv2Adapter', 'EfficientNetLite', 'FixedStemResNet']
