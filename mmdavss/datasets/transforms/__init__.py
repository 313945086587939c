"""Transforms over clips: one call processes all frames, the label and the flow."""

from .augment import ClipPhotoMetricDistortion, CrossFrameAugment, TPSAugment
from .flow import LoadFlow
from .formatting import PackClipInputs
from .geometric import ClipCrop, ClipFlip, ClipResize
from .loading import LoadClip, LoadClipAnnotations
from .margins import PseudoLabelMargins

__all__ = [
    'ClipCrop',
    'ClipFlip',
    'ClipPhotoMetricDistortion',
    'ClipResize',
    'CrossFrameAugment',
    'LoadClip',
    'LoadClipAnnotations',
    'LoadFlow',
    'PackClipInputs',
    'PseudoLabelMargins',
    'TPSAugment',
]
