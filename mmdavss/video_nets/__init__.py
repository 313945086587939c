"""Video nets: from a clip (and flow) to the scores of its current frame."""

from .accel import Accel
from .base import HeadScores, VideoNet
from .clip_scores import clip_scores, scores_of_last
from .dff import DFF
from .distortion_aware import DistortionAwareVSS
from .hrda import HRDA
from .per_frame import PerFrame
from .propagating import PropagatingNet

__all__ = [
    'DFF',
    'HRDA',
    'Accel',
    'DistortionAwareVSS',
    'HeadScores',
    'PerFrame',
    'PropagatingNet',
    'VideoNet',
    'clip_scores',
    'scores_of_last',
]
