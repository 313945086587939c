"""Transforms over clips: one call processes all frames, the label and the flow."""

from .augment import ClipPhotoMetricDistortion, CrossFrameAugment, TPSAugment
from .flow import LoadFlow
from .formatting import PackClipInputs
from .geometric import ClassMiningCrop, ClipCrop, ClipFlip, ClipPad, ClipResize
from .loading import LoadClip, LoadClipAnnotations, LoadSoftLabels, LoadTracks
from .margins import PseudoLabelMargins

__all__ = [
    'LABEL_STEPS',
    'ClassMiningCrop',
    'ClipCrop',
    'ClipFlip',
    'ClipPad',
    'ClipPhotoMetricDistortion',
    'ClipResize',
    'CrossFrameAugment',
    'LoadClip',
    'LoadClipAnnotations',
    'LoadFlow',
    'LoadSoftLabels',
    'LoadTracks',
    'PackClipInputs',
    'PseudoLabelMargins',
    'TPSAugment',
]

#: Steps that only labels need: predictions are the same without them.
LABEL_STEPS = ('LoadClipAnnotations', 'LoadSoftLabels', 'LoadTracks', 'PseudoLabelMargins')
